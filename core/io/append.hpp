// AppendFile: a file that grows at its end, such as a log.
//
// Invariants: a POSIX descriptor whose every result is checked, and nothing buffered: what append() has returned from stays
// when the process is killed, and what sync() has returned from when the power fails. A piece that cannot be written whole
// is taken back. Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rill::io {

class AppendFile {
 public:
  /// No file yet: is_open() is false.
  AppendFile() = default;
  /// Opens the file at `path`, or creates it. Devices and pipes will do. Throws Error with the system's reason.
  explicit AppendFile(std::string path);
  AppendFile(AppendFile&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  AppendFile& operator=(AppendFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~AppendFile();

  bool is_open() const { return descriptor_ >= 0; }

  /// Leaves the first `bytes` bytes alone. Throws Error with the system's reason.
  void cut(std::uint64_t bytes);
  /// Adds `text` at the end. Throws Error with the system's reason; the file is then as it was, where it can be cut.
  void append(std::string_view text);
  /// Waits until the disk has it. Throws Error with the system's reason.
  void sync();
  /// Throws Error with the system's reason; it is closed in any case. Nothing if none is open.
  void close();

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// The lines of the file at `path`, without their ends. What follows the last end was cut while it was written and is left out;
/// a file that is missing has none. Throws Error with the system's reason.
std::vector<std::string> complete_lines(const std::string& path);

}  // namespace rill::io
