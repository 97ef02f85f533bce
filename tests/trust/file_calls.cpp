#include "file_calls.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace rill::trust {
namespace {

using Kind = FileOperation::Kind;

constexpr int most_descriptors = 1024;

struct Watch {
  std::string folder;  // ends with a slash
  Fault fault;
  std::int64_t count = 0;
  std::string failed = {};
  bool removal_failed = false;
  bool rest = false;  // the last call was interrupted or short
  std::array<std::string, most_descriptors> paths =
      {};  // of the descriptors of the folder and the files in it
  std::vector<FileOperation> operations = {};
  // Of files created since: a system may give the inode of a file that is gone to the next one.
  std::map<std::uint64_t, std::uint64_t> fresh = {};
};

thread_local constinit Watch* watch = nullptr;
thread_local constinit bool inside = false;  // of what follows: its own calls are not seen

/// Sees to it that calls made while a call is looked at are passed on.
class Inside {
 public:
  Inside() { inside = true; }
  ~Inside() { inside = false; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

Watch* active() { return inside ? nullptr : watch; }

template <class Function>
Function real(Function, const char* name) {
  static thread_local void* found = nullptr;
  static thread_local const char* of = nullptr;
  if (of != name) {
    found = ::dlsym(RTLD_NEXT, name);
    of = name;
  }
  Function result = nullptr;
  static_assert(sizeof result == sizeof found);
  std::memcpy(&result, &found, sizeof found);
  return result;
}

std::string path_of(const Watch& own, int descriptor) {
  return descriptor >= 0 && descriptor < most_descriptors ? own.paths[static_cast<std::size_t>(descriptor)]
                                                          : "";
}

// A path as the calls *at() take it, below the folder; empty if it is elsewhere.
std::string watched_path(const Watch& own, int folder, const char* path) {
  std::string whole = path ? path : "";
  if (folder != AT_FDCWD && !whole.starts_with('/')) {
    const std::string base = path_of(own, folder);
    if (base.empty()) return "";
    whole = base + "/" + whole;
  }
  const bool is_folder = whole + "/" == own.folder;
  return is_folder || whole.starts_with(own.folder) ? whole : "";
}

std::string name_in(const Watch& own, const std::string& path) {
  return path.size() > own.folder.size() ? path.substr(own.folder.size()) : "";
}

std::uint64_t inode_at(const char* path) {
  struct stat info {};
  return ::lstat(path, &info) == 0 ? info.st_ino : 0;
}

std::uint64_t inode_of(int descriptor) {
  struct stat info {};
  return ::fstat(descriptor, &info) == 0 ? info.st_ino : 0;
}

std::uint64_t file_with(const Watch& own, std::uint64_t inode) {
  const auto found = own.fresh.find(inode);
  return found == own.fresh.end() ? inode : found->second;
}

std::uint64_t file_of(const Watch& own, int descriptor) { return file_with(own, inode_of(descriptor)); }
std::uint64_t file_at(const Watch& own, const char* path) { return file_with(own, inode_at(path)); }

struct Can {
  bool no_space = false, interrupted = false, shortened = false;
};

// What a call on a watched file comes to: whether it is to fail, as the fault says. All can fail with EIO.
Failure decide(Watch& own, const char* call, Can can) {
  const Failure wish = own.fault.failure;
  const bool eligible =
      wish == Failure::none || wish == Failure::io_error || (wish == Failure::no_space && can.no_space) ||
      (wish == Failure::interrupted && can.interrupted) || (wish == Failure::short_write && can.shortened);
  if (!eligible) return Failure::none;
  const std::int64_t number = own.count++;
  if (wish == Failure::none || number < own.fault.at) return Failure::none;
  if (number > own.fault.at && !own.fault.for_ever) return Failure::none;
  const bool survived = wish == Failure::interrupted || wish == Failure::short_write;
  if (survived && (own.rest = !own.rest) == false) return Failure::none;
  if (own.failed.empty()) own.failed = call;
  return wish;
}

int error_of(Failure failure) {
  switch (failure) {
    case Failure::no_space:
      return ENOSPC;
    case Failure::io_error:
      return EIO;
    default:
      return EINTR;
  }
}

// Fails a call, or makes it.
template <class Call>
auto guarded(Watch& own, const char* name, Can can, Call call) -> decltype(call()) {
  const Failure failure = decide(own, name, can);
  if (failure == Failure::none) return call();
  errno = error_of(failure);
  return -1;
}

void record(FileOperation operation) {
  const int error = errno;
  watch->operations.push_back(std::move(operation));
  errno = error;
}

// --- opening and closing ---------------------------------------------------------------------------------------------

void note_opened(Watch& own, int descriptor, const std::string& path, bool fresh, int flags) {
  if (descriptor < 0 || descriptor >= most_descriptors) return;
  own.paths[static_cast<std::size_t>(descriptor)] = path;
  if (fresh) {
    own.fresh[inode_of(descriptor)] = std::numeric_limits<std::uint64_t>::max() - own.operations.size();
    record({.kind = Kind::create, .file = file_of(own, descriptor), .name = name_in(own, path)});
  }
  if (!fresh && (flags & O_TRUNC)) record({.kind = Kind::cut, .file = file_of(own, descriptor)});
}

int open_watched(int folder, const char* path, int flags, mode_t mode) {
  const auto open_it = [&] {
    return real(static_cast<int (*)(int, const char*, int, ...)>(nullptr), "openat")(folder, path, flags,
                                                                                     mode);
  };
  Watch* own = active();
  if (!own) return open_it();
  const Inside guard;
  const std::string whole = watched_path(*own, folder, path);
  if (whole.empty()) return open_it();
  const bool creates = (flags & O_CREAT) != 0;
  const bool fresh = creates && inode_at(whole.c_str()) == 0;
  const int result = guarded(*own, "open", {.no_space = creates, .interrupted = true}, open_it);
  const int error = errno;
  note_opened(*own, result, whole, fresh, flags);
  errno = error;
  return result;
}

std::FILE* open_stream(const char* name, const char* path, const char* mode) {
  const auto open_it = [&] {
    return real(static_cast<std::FILE* (*)(const char*, const char*)>(nullptr), name)(path, mode);
  };
  Watch* own = active();
  if (!own) return open_it();
  const Inside guard;
  const std::string whole = watched_path(*own, AT_FDCWD, path);
  if (whole.empty()) return open_it();
  const bool writes = mode[0] != 'r';
  const bool fresh = writes && inode_at(whole.c_str()) == 0;
  const Failure failure = decide(*own, "fopen", {.no_space = writes, .interrupted = false});
  if (failure != Failure::none) {
    errno = error_of(failure);
    return nullptr;
  }
  std::FILE* file = open_it();
  if (file) note_opened(*own, ::fileno(file), whole, fresh, mode[0] == 'w' ? O_TRUNC : 0);
  return file;
}

// Closes in any case, as Linux does.
template <class Close>
int close_watched(int descriptor, const char* name, Close close_it) {
  Watch* own = active();
  if (!own || path_of(*own, descriptor).empty()) return close_it();
  const Inside guard;
  own->paths[static_cast<std::size_t>(descriptor)].clear();
  const Failure failure = decide(*own, name, {.no_space = true, .interrupted = true});
  const int result = close_it();
  if (failure == Failure::none) return result;
  errno = error_of(failure);
  return -1;
}

// --- changes ---------------------------------------------------------------------------------------------------------

ssize_t write_watched(int descriptor, const void* bytes, std::size_t size) {
  const auto write_it = [&](std::size_t count) {
    return real(static_cast<ssize_t (*)(int, const void*, std::size_t)>(nullptr), "write")(descriptor, bytes,
                                                                                           count);
  };
  Watch* own = active();
  if (!own || path_of(*own, descriptor).empty()) return write_it(size);
  const Inside guard;
  const Failure failure =
      decide(*own, "write", {.no_space = true, .interrupted = true, .shortened = size > 1});
  if (failure != Failure::none && failure != Failure::short_write) {
    errno = error_of(failure);
    return -1;
  }
  const ssize_t done = write_it(failure == Failure::short_write ? size / 2 : size);
  if (done <= 0) return done;
  const auto count = static_cast<std::uint64_t>(done);
  const auto end = static_cast<std::uint64_t>(::lseek(descriptor, 0, SEEK_CUR));
  record({.kind = Kind::write,
          .file = file_of(*own, descriptor),
          .offset = end - count,
          .bytes = std::string(static_cast<const char*>(bytes), count)});
  return done;
}

int sync_watched(int descriptor) {
  Watch* own = active();
  if (!own || path_of(*own, descriptor).empty()) return 0;
  const Inside guard;
  const bool folder = path_of(*own, descriptor) + "/" == own->folder;
  return guarded(*own, "fsync", {.no_space = true, .interrupted = true}, [&] {
    record({.kind = folder ? Kind::sync_folder : Kind::sync_file,
            .file = folder ? 0 : file_of(*own, descriptor)});
    return 0;
  });
}

int rename_watched(int old_folder, const char* old_path, int folder, const char* path) {
  const auto rename_it = [&] {
    return real(static_cast<int (*)(int, const char*, int, const char*)>(nullptr), "renameat")(
        old_folder, old_path, folder, path);
  };
  Watch* own = active();
  if (!own) return rename_it();
  const Inside guard;
  const std::string from = watched_path(*own, old_folder, old_path), to = watched_path(*own, folder, path);
  if (from.empty() || to.empty()) return rename_it();
  return guarded(*own, "rename", {.no_space = true, .interrupted = true}, [&] {
    const int result = rename_it();
    if (result == 0)
      record({.kind = Kind::rename,
              .file = file_at(*own, to.c_str()),
              .name = name_in(*own, to),
              .old_name = name_in(*own, from)});
    return result;
  });
}

template <class Remove>
int remove_watched(int folder, const char* path, Remove remove_it) {
  Watch* own = active();
  if (!own) return remove_it();
  const Inside guard;
  const std::string whole = watched_path(*own, folder, path);
  if (whole.empty()) return remove_it();
  const int result = guarded(*own, "unlink", {.interrupted = true}, [&] {
    const int removed = remove_it();
    if (removed == 0) record({.kind = Kind::remove, .name = name_in(*own, whole)});
    return removed;
  });
  if (result != 0 && errno != ENOENT) own->removal_failed = true;
  return result;
}

// Cuts by a descriptor or, with none, by a path.
template <class Cut>
int cut_watched(int descriptor, const char* path, off_t size, Cut cut_it) {
  Watch* own = active();
  if (!own) return cut_it();
  const Inside guard;
  const std::string whole = path ? watched_path(*own, AT_FDCWD, path) : path_of(*own, descriptor);
  if (whole.empty()) return cut_it();
  return guarded(*own, "truncate", {.interrupted = true}, [&] {
    const int result = cut_it();
    if (result == 0)
      record({.kind = Kind::cut,
              .file = path ? file_at(*own, path) : file_of(*own, descriptor),
              .offset = static_cast<std::uint64_t>(size)});
    return result;
  });
}

// Whatever else there is: permissions, folders.
template <class Change>
int change_watched(int descriptor, const char* path, const char* name, Can can, Change change_it) {
  Watch* own = active();
  if (!own) return change_it();
  const Inside guard;
  const bool watched =
      path ? !watched_path(*own, AT_FDCWD, path).empty() : !path_of(*own, descriptor).empty();
  return watched ? guarded(*own, name, can, change_it) : change_it();
}

}  // namespace

FileCalls::FileCalls(std::string folder, Fault fault) {
  if (watch) throw std::logic_error("FileCalls: a folder is being watched already");
  watch = new Watch{.folder = std::move(folder) + "/", .fault = fault};
}

FileCalls::~FileCalls() { delete std::exchange(watch, nullptr); }

std::int64_t FileCalls::count() const { return watch->count; }
std::string FileCalls::failed() const { return watch->failed; }
bool FileCalls::removal_failed() const { return watch->removal_failed; }
const std::vector<FileOperation>& FileCalls::operations() const { return watch->operations; }

}  // namespace rill::trust

// --- the C library's names -------------------------------------------------------------------------------------------

using namespace rill::trust;

namespace {

mode_t mode_among(int flags, std::va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

#define RILL_TRUST_OPEN(name)                         \
  int name(const char* path, int flags, ...) {        \
    std::va_list arguments;                           \
    va_start(arguments, flags);                       \
    const mode_t mode = mode_among(flags, arguments); \
    va_end(arguments);                                \
    return open_watched(AT_FDCWD, path, flags, mode); \
  }
#define RILL_TRUST_OPENAT(name)                            \
  int name(int folder, const char* path, int flags, ...) { \
    std::va_list arguments;                                \
    va_start(arguments, flags);                            \
    const mode_t mode = mode_among(flags, arguments);      \
    va_end(arguments);                                     \
    return open_watched(folder, path, flags, mode);        \
  }
RILL_TRUST_OPEN(open)
RILL_TRUST_OPEN(open64)
RILL_TRUST_OPENAT(openat)
RILL_TRUST_OPENAT(openat64)

std::FILE* fopen(const char* path, const char* mode) { return open_stream("fopen", path, mode); }
std::FILE* fopen64(const char* path, const char* mode) { return open_stream("fopen64", path, mode); }

int close(int descriptor) {
  return close_watched(descriptor, "close",
                       [&] { return real(static_cast<int (*)(int)>(nullptr), "close")(descriptor); });
}

int fclose(std::FILE* file) {
  return close_watched(::fileno(file), "fclose",
                       [&] { return real(static_cast<int (*)(std::FILE*)>(nullptr), "fclose")(file); });
}

ssize_t write(int descriptor, const void* bytes, std::size_t size) {
  return write_watched(descriptor, bytes, size);
}

// Streams join what they have buffered and a long piece; here each is a write, as the system may well do it.
ssize_t writev(int descriptor, const iovec* pieces, int count) {
  ssize_t written = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t done = write_watched(descriptor, pieces[i].iov_base, pieces[i].iov_len);
    if (done < 0) return written > 0 ? written : done;
    written += done;
    if (static_cast<std::size_t>(done) < pieces[i].iov_len) break;
  }
  return written;
}

int fsync(int descriptor) { return sync_watched(descriptor); }
int fdatasync(int descriptor) { return sync_watched(descriptor); }

int rename(const char* old_path, const char* path) noexcept {
  return rename_watched(AT_FDCWD, old_path, AT_FDCWD, path);
}
int renameat(int old_folder, const char* old_path, int folder, const char* path) noexcept {
  return rename_watched(old_folder, old_path, folder, path);
}

int unlink(const char* path) noexcept {
  return remove_watched(AT_FDCWD, path,
                        [&] { return real(static_cast<int (*)(const char*)>(nullptr), "unlink")(path); });
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return remove_watched(folder, path, [&] {
    return real(static_cast<int (*)(int, const char*, int)>(nullptr), "unlinkat")(folder, path, flags);
  });
}
int remove(const char* path) noexcept {
  return remove_watched(AT_FDCWD, path,
                        [&] { return real(static_cast<int (*)(const char*)>(nullptr), "remove")(path); });
}

#define RILL_TRUST_TRUNCATE(name, offset)                                                 \
  int name(const char* path, offset size) noexcept {                                      \
    return cut_watched(-1, path, size, [&] {                                              \
      return real(static_cast<int (*)(const char*, offset)>(nullptr), #name)(path, size); \
    });                                                                                   \
  }
#define RILL_TRUST_FTRUNCATE(name, offset)                                              \
  int name(int descriptor, offset size) noexcept {                                      \
    return cut_watched(descriptor, nullptr, size, [&] {                                 \
      return real(static_cast<int (*)(int, offset)>(nullptr), #name)(descriptor, size); \
    });                                                                                 \
  }
RILL_TRUST_TRUNCATE(truncate, off_t)
RILL_TRUST_TRUNCATE(truncate64, off64_t)
RILL_TRUST_FTRUNCATE(ftruncate, off_t)
RILL_TRUST_FTRUNCATE(ftruncate64, off64_t)

int fchmod(int descriptor, mode_t mode) noexcept {
  return change_watched(descriptor, nullptr, "fchmod", {.interrupted = true}, [&] {
    return real(static_cast<int (*)(int, mode_t)>(nullptr), "fchmod")(descriptor, mode);
  });
}
int mkdir(const char* path, mode_t mode) noexcept {
  return change_watched(-1, path, "mkdir", {.no_space = true}, [&] {
    return real(static_cast<int (*)(const char*, mode_t)>(nullptr), "mkdir")(path, mode);
  });
}

}  // extern "C"
