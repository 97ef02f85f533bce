// Files: bounded reads of whole ones, reads piece by piece, and writes that leave either the old file or the complete
// new one.
//
// Invariants: everything goes through POSIX descriptors whose every result is checked; a size reported by the system
// is only a hint. A write goes to a temporary file in the target's folder (`.<name>.tmp`), is synced, and takes the
// target's place by a rename, which is synced too. A writer holds a lock on its temporary file, so one that a killed
// process left behind is recognised and removed by the next write of the same file.
// Threads: functions may be called from any thread; of several writers of one path, the last rename wins.
// A program that may run into a file size limit ignores SIGXFSZ, or the system ends it before any error is seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rill::io {

/// The content of the file at `path`; devices and pipes are read to their end. Throws Error if it is missing, a
/// directory, unreadable, or longer than `max_bytes`, of which never more than one byte beyond is read.
std::vector<std::byte> read_file(const std::string& path, std::size_t max_bytes);

/// A file of any length, read from its start to its end. Belongs to one thread at a time.
class FileReader {
 public:
  /// Opens the file at `path`; devices and pipes will do. Throws Error if it is missing, a directory, or unreadable.
  explicit FileReader(const std::string& path);
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  ~FileReader();

  /// Fills `room` with the bytes that follow; how many, fewer only at the end. Throws Error with the system's reason.
  std::size_t read(std::span<std::byte> room);

  /// The bytes that a regular file has; none for devices and pipes. A hint: it may change.
  std::optional<std::uint64_t> size() const { return size_; }

 private:
  std::string path_;
  int descriptor_;
  std::optional<std::uint64_t> size_;
};

/// Throws Error for what is there and can be read only once, such as a pipe.
void check_rereadable(const std::string& path);

/// What write_file_atomically() hands to its callback: appends to the file. Unbuffered, so meant for large pieces.
class Writer {
 public:
  Writer(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Appends all of `bytes`. Throws Error with the system's reason.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

 private:
  int descriptor_;
  const std::string& path_;
};

/// Creates or replaces the file at `path` with what `body` writes. A new file gets mode 0666 & ~umask, a replaced one
/// keeps its permissions; a symlink to a regular file stays and the file that it names is replaced. Throws Error if
/// the folder is missing, the target is neither absent nor a regular file (dangling symlinks count as neither), or
/// anything fails; whatever `body` throws passes through. Until the rename the old file is intact, and no temporary
/// file stays.
void write_file_atomically(const std::string& path, const std::function<void(Writer&)>& body);

/// The same for content at hand.
void write_file_atomically(const std::string& path, std::span<const std::byte> content);
void write_file_atomically(const std::string& path, std::string_view text);

/// Removes the temporary files that killed writers of the file at `path` have left, as its next write would. Throws Error for a
/// path that could not be written.
void remove_stale_temporaries(const std::string& path);

}  // namespace rill::io
