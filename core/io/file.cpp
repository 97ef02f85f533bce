#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/uninterrupted.hpp>

namespace rill::io {
namespace {

constexpr std::size_t first_read = 1 << 16;
constexpr std::size_t max_stem = 200;  // a temporary name has to fit into NAME_MAX as well
constexpr int max_attempts = 100;

[[noreturn]] void fail_call(const std::string& path, std::string_view call, int error,
                            std::string_view rest) {
  detail::fail(
      detail::concat(path, ": ", call, " failed (", std::generic_category().message(error), "), ", rest));
}

[[noreturn]] void fail_unchanged(const std::string& path, std::string_view call, int error) {
  fail_call(path, call, error, "nothing was changed");
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

void check_path(const std::string& path) {
  RILL_CHECK(!path.empty(), "file: path is empty, expected a file name");
  const std::size_t zero = path.find('\0');
  RILL_CHECK(zero == std::string::npos, path.substr(0, zero),
             ": path holds a zero byte, expected a file name");
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISCHR(mode)) return "a character device";
  if (S_ISBLK(mode)) return "a block device";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "no regular file";
}

// --- the target and its folder ---------------------------------------------------------------------------------------

struct Target {
  std::string path;  // without a symlink at its end
  bool exists = false;
  mode_t permissions = 0;  // of the file that exists
};

Target find_target(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    const int error = errno;
    if (error != ENOENT) fail_unchanged(path, "look-up", error);
    return {path};
  }
  Target target{path, true};
  if (S_ISLNK(info.st_mode)) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    const bool reached = real && ::stat(real.get(), &info) == 0;
    const int error = errno;
    RILL_CHECK(reached, path, ": is a symlink that leads nowhere (", std::generic_category().message(error),
               "), expected a regular file or a free name");
    target.path = real.get();
  }
  RILL_CHECK(S_ISREG(info.st_mode), path, ": is ", kind_of(info.st_mode),
             ", expected a regular file or a free name");
  target.permissions = info.st_mode & 0777;
  return target;
}

Descriptor open_folder(const std::string& folder, const std::string& path) {
  Descriptor opened(
      uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  const int error = errno;
  if (opened.get() >= 0) return opened;
  RILL_CHECK(error != ENOENT, path, ": directory \"", folder,
             "\" does not exist, expected one; create it first");
  fail_unchanged(path, detail::concat("open of directory \"", folder, "\""), error);
}

// --- the temporary file ----------------------------------------------------------------------------------------------

enum class Lock { held, taken_by_other, unsupported };

Lock try_lock(int descriptor) {
  if (uninterrupted([&] { return ::flock(descriptor, LOCK_EX | LOCK_NB); }) == 0) return Lock::held;
  return errno == EWOULDBLOCK ? Lock::taken_by_other : Lock::unsupported;
}

/// Removes the temporary file `name` if its writer is gone: then its lock is free, and the name is still its own.
bool remove_if_stale(int folder, const std::string& name) {
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const Descriptor found(uninterrupted([&] { return ::openat(folder, name.c_str(), flags); }));
  if (found.get() < 0) return errno == ENOENT;
  struct stat opened {
  }, named{};
  if (::fstat(found.get(), &opened) != 0 || !S_ISREG(opened.st_mode)) return false;
  if (try_lock(found.get()) != Lock::held) return false;
  if (::fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
  if (named.st_ino != opened.st_ino || named.st_dev != opened.st_dev) return false;
  return uninterrupted([&] { return ::unlinkat(folder, name.c_str(), 0); }) == 0;
}

/// What a temporary file of the file `target` is called.
std::string temporary_name(const std::string& target, int number) {
  const std::string stem = "." + target.substr(0, max_stem) + ".tmp";
  return number == 0 ? stem : stem + std::to_string(number);
}

/// Whether a file just created is ours: another writer may have taken it for stale before we locked it.
bool keep_locked(int descriptor) {
  struct stat info {};
  return try_lock(descriptor) != Lock::taken_by_other && ::fstat(descriptor, &info) == 0 && info.st_nlink > 0;
}

/// A file that takes the target's place on commit(), and vanishes if that is never reached.
class Replacement {
 public:
  Replacement(const std::string& path, const Target& target) : path_(path) {
    const std::size_t slash = target.path.rfind('/');
    target_ = target.path.substr(slash == std::string::npos ? 0 : slash + 1);
    RILL_CHECK(!target_.empty(), path, ": ends with a slash, expected a file name");
    const std::string folder =
        slash == std::string::npos ? "." : target.path.substr(0, std::max<std::size_t>(slash, 1));
    folder_ = open_folder(folder, path);
    create();
    const auto permit = [&] { return ::fchmod(file_.get(), target.permissions); };
    if (target.exists && uninterrupted(permit) != 0) {
      const int error = errno;
      discard();
      fail_unchanged(path, "change of permissions", error);
    }
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement() { discard(); }

  int descriptor() const { return file_.get(); }

  void commit() {
    // A second descriptor holds the lock across the close, whose result may tell of a late failure (NFS, quotas).
    const Descriptor lock(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
    check(lock.get() >= 0 ? 0 : -1, "duplication of the descriptor");
    check(uninterrupted([&] { return ::fsync(file_.get()); }), "sync");
    const int closed = ::close(file_.release());
    check(closed != 0 && errno != EINTR ? -1 : 0, "close");
    const auto rename = [&] {
      return ::renameat(folder_.get(), name_.c_str(), folder_.get(), target_.c_str());
    };
    check(uninterrupted(rename), "rename");
    name_.clear();
    const int synced = uninterrupted([&] { return ::fsync(folder_.get()); });
    const int error = errno;
    // EINVAL: this file system does not sync directories.
    if (synced != 0 && error != EINVAL)
      fail_call(path_, "sync of its directory", error,
                "the new file stands but may be lost in a power failure");
  }

 private:
  void create() {
    for (int attempt = 0, number = 0; attempt < max_attempts; ++attempt) {
      name_ = temporary_name(target_, number);
      const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
      Descriptor fresh(uninterrupted([&] { return ::openat(folder_.get(), name_.c_str(), flags, 0666); }));
      const int error = errno;
      if (fresh.get() >= 0 && keep_locked(fresh.get())) {
        file_ = std::move(fresh);
        return;
      }
      if (fresh.get() < 0 && error != EEXIST) fail_create(error);
      if (fresh.get() >= 0 || !remove_if_stale(folder_.get(), name_)) ++number;
    }
    fail_create(EEXIST);
  }

  [[noreturn]] void fail_create(int error) {
    fail_unchanged(path_, detail::concat("creation of \"", name_, "\""), error);
  }

  void check(int result, std::string_view call) const {
    const int error = errno;
    if (result != 0) fail_unchanged(path_, call, error);
  }

  void discard() noexcept {
    if (!name_.empty()) uninterrupted([&] { return ::unlinkat(folder_.get(), name_.c_str(), 0); });
    name_.clear();
  }

  const std::string& path_;
  std::string target_;
  std::string name_;  // empty once it has become the target
  Descriptor folder_;
  Descriptor file_;
};

struct Opened {
  Descriptor file;
  struct stat info {};
};

Opened open_to_read(const std::string& path) {
  check_path(path);
  Opened opened{
      Descriptor(uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY); }))};
  if (opened.file.get() < 0) fail_call(path, "open", errno, "expected a readable file");
  if (::fstat(opened.file.get(), &opened.info) != 0)
    fail_call(path, "look-up", errno, "expected a readable file");
  RILL_CHECK(!S_ISDIR(opened.info.st_mode), path, ": is a directory, expected a file");
  return opened;
}

/// What one read() puts into `room`; 0 at the end of the file.
std::size_t read_some(int descriptor, std::span<std::byte> room, const std::string& path) {
  const ssize_t got = uninterrupted([&] { return ::read(descriptor, room.data(), room.size()); });
  if (got < 0) fail_call(path, "read", errno, "expected a readable file");
  return static_cast<std::size_t>(got);
}

void grow(std::vector<std::byte>& bytes, std::size_t size) {
  bytes.reserve(size);  // resize() alone may take more
  bytes.resize(size);
}

}  // namespace

std::vector<std::byte> read_file(const std::string& path, std::size_t max_bytes) {
  const Opened opened = open_to_read(path);
  const auto& info = opened.info;
  const std::size_t reported = S_ISREG(info.st_mode) ? static_cast<std::size_t>(info.st_size) : 0;
  RILL_CHECK(reported <= max_bytes, path, ": ", reported, " bytes, expected at most ", max_bytes);

  // One byte of room beyond the end, so that the read which finds the end needs no more of it.
  const std::size_t limit = std::min(max_bytes, SIZE_MAX / 4) + 1;
  std::vector<std::byte> content(std::min(limit, reported > 0 ? reported + 1 : first_read));
  std::size_t used = 0;
  while (true) {
    const std::size_t got = read_some(opened.file.get(), std::span(content).subspan(used), path);
    if (got == 0) break;
    used += got;
    RILL_CHECK(used < limit, path, ": more than ", max_bytes, " bytes, expected at most ", max_bytes);
    if (used == content.size()) grow(content, std::min(limit, 2 * used));
  }
  content.resize(used);
  return content;
}

void check_rereadable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return;
  RILL_CHECK(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode), path,
             ": what comes through a pipe or a device is read only once, expected a file");
}

FileReader::FileReader(const std::string& path) : path_(path) {
  Opened opened = open_to_read(path);
  if (S_ISREG(opened.info.st_mode)) size_ = static_cast<std::uint64_t>(opened.info.st_size);
  descriptor_ = opened.file.release();
}

FileReader::~FileReader() { ::close(descriptor_); }

std::size_t FileReader::read(std::span<std::byte> room) {
  std::size_t used = 0;
  while (used < room.size()) {
    const std::size_t got = read_some(descriptor_, room.subspan(used), path_);
    if (got == 0) break;
    used += got;
  }
  return used;
}

void Writer::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = uninterrupted([&] { return ::write(descriptor_, bytes.data(), bytes.size()); });
    if (done <= 0) fail_unchanged(path_, "write", done < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void write_file_atomically(const std::string& path, const std::function<void(Writer&)>& body) {
  check_path(path);
  Replacement file(path, find_target(path));
  Writer writer(file.descriptor(), path);
  body(writer);
  file.commit();
}

void remove_stale_temporaries(const std::string& path) {
  check_path(path);
  const Target target = find_target(path);
  const std::size_t slash = target.path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : target.path.substr(0, std::max<std::size_t>(slash, 1));
  const Descriptor opened = open_folder(folder, path);
  for (int number = 0; number < max_attempts; ++number) {
    const std::string name = temporary_name(target.path.substr(slash + 1), number);
    struct stat info {};
    if (::fstatat(opened.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    remove_if_stale(opened.get(), name);
  }
}

void write_file_atomically(const std::string& path, std::span<const std::byte> content) {
  write_file_atomically(path, [&](Writer& writer) { writer.write(content); });
}

void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace rill::io
