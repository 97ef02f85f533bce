#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <rill/core/error.hpp>
#include <rill/core/io/append.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/uninterrupted.hpp>

namespace rill::io {
namespace {

void check(bool good, const std::string& path, std::string_view call, std::string_view expected) {
  const int error = errno;
  RILL_CHECK(good, path, ": ", call, " failed (", std::generic_category().message(error), "), expected ",
             expected);
}

}  // namespace

AppendFile::AppendFile(std::string path) : path_(std::move(path)) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
  descriptor_ = uninterrupted([&] { return ::open(path_.c_str(), flags, 0666); });
  check(is_open(), path_, "open", "a writable file in a folder that exists");
}

AppendFile::~AppendFile() {
  if (is_open()) ::close(descriptor_);
}

void AppendFile::cut(std::uint64_t bytes) {
  const int result = uninterrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(bytes)); });
  // EINVAL: neither devices nor pipes have a length.
  check(result == 0 || (bytes == 0 && errno == EINVAL), path_, "cut", "a writable file");
}

void AppendFile::append(std::string_view text) {
  struct stat before {};
  const bool known = ::fstat(descriptor_, &before) == 0 && S_ISREG(before.st_mode);
  while (!text.empty()) {
    const ssize_t done = uninterrupted([&] { return ::write(descriptor_, text.data(), text.size()); });
    if (done <= 0) {
      const int error = done < 0 ? errno : EIO;
      if (known) uninterrupted([&] { return ::ftruncate(descriptor_, before.st_size); });
      errno = error;
      check(false, path_, "write", "room on the disk");
    }
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

void AppendFile::sync() {
  const int result = uninterrupted([&] { return ::fsync(descriptor_); });
  // EINVAL: devices and pipes are not synced.
  check(result == 0 || errno == EINVAL, path_, "sync", "a disk that works");
}

void AppendFile::close() {
  if (!is_open()) return;
  const int result = ::close(std::exchange(descriptor_, -1));
  check(result == 0 || errno == EINTR, path_, "close", "room on the disk");
}

std::vector<std::string> complete_lines(const std::string& path) {
  std::vector<std::string> lines;
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return lines;
  const std::vector<std::byte> content = read_file(path, SIZE_MAX);
  std::string_view rest(reinterpret_cast<const char*>(content.data()), content.size());
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace rill::io
