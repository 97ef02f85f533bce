// The system calls by which files are written, made to fail on purpose, or recorded.
//
// This program defines the C library's functions that rill, the streams of the standard library and std::filesystem
// call, and passes every call on, unless a FileCalls watches the folder in which the file lies. One watch at a time, and
// only calls of its own thread are seen. This program itself never waits for a disk: fsync() is only noted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rill::trust {

/// How a call fails. `interrupted` is EINTR, and `short_write` a write of half of the bytes: both are no failures but
/// have to be survived.
enum class Failure { none, no_space, io_error, interrupted, short_write };

struct Fault {
  Failure failure = Failure::none;
  std::int64_t at = 0;    ///< of the calls that can fail so, counted from 0, the one that does
  bool for_ever = false;  ///< so do all that follow; after an interrupted or short one, the next one works
};

/// A change of the folder, or of a file in it, as the system was asked for it.
struct FileOperation {
  enum class Kind { create, write, cut, sync_file, rename, remove, sync_folder };
  Kind kind;
  std::uint64_t file =
      0;  ///< which one: the number of its inode or, of one created since, a number of its own
  std::string name = {};  ///< within the folder; of a rename, the new one
  std::string old_name = {};
  std::uint64_t offset = 0;  ///< of a write; of a cut, the new size
  std::string bytes = {};
};

class FileCalls {
 public:
  /// Watches a folder from now on.
  explicit FileCalls(std::string folder, Fault fault = {});
  FileCalls(const FileCalls&) = delete;
  FileCalls& operator=(const FileCalls&) = delete;
  ~FileCalls();

  /// Calls so far that can fail as the fault says; without a fault, all.
  std::int64_t count() const;
  /// The name of the call that was failed first: "fsync"; empty if none was.
  std::string failed() const;
  /// Whether a removal was failed: then what should have been removed is still there.
  bool removal_failed() const;
  const std::vector<FileOperation>& operations() const;
};

}  // namespace rill::trust
