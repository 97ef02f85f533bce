// Whole files (bounded reads, atomic writes) and gzip data.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/gzip.hpp>

#include "temp_dir.hpp"

namespace {

using rill::Error;
using rill::io::FileReader;
using rill::io::read_file;
using rill::io::write_file_atomically;
using rill::io::Writer;
using rill::test::TempDir;
using rill::test::to_bytes;
using rill::test::to_text;
using Names = std::vector<std::string>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

// --- read_file -------------------------------------------------------------------------------------------------------

TEST_CASE("file: reads every byte of a file, zero bytes too") {
  const TempDir dir;
  const std::string content("a\0b\nc\xff", 6);
  CHECK(to_text(read_file(dir.write("x", content), 100)) == content);
}

TEST_CASE("file: an empty file is an empty result, even at a limit of zero") {
  const TempDir dir;
  CHECK(read_file(dir.write("x", ""), 0).empty());
}

TEST_CASE("file: a file as long as the limit is read, a longer one is refused with both numbers") {
  const TempDir dir;
  const std::string path = dir.write("x", "12345678");
  CHECK(read_file(path, 8).size() == 8);
  CHECK(read_file(path, SIZE_MAX).size() == 8);
  CHECK_ERROR(read_file(path, 7), path + ": 8 bytes, expected at most 7");
}

TEST_CASE("file: a large file comes back whole") {
  const TempDir dir;
  std::string content(3'000'001, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7919 >> 8);
  CHECK(to_text(read_file(dir.write("x", content), 4'000'000)) == content);
}

TEST_CASE("file: a missing file, a directory and bad paths are named") {
  const TempDir dir;
  CHECK_ERROR(read_file(dir.file("no"), 9),
              dir.file("no") + ": open failed (No such file or directory), expected a readable file");
  CHECK_ERROR(read_file(dir.path(), 9), dir.path() + ": is a directory, expected a file");
  CHECK_ERROR(read_file("", 9), "file: path is empty, expected a file name");
  CHECK_ERROR(read_file(std::string("a\0b", 3), 9), "a: path holds a zero byte, expected a file name");
}

TEST_CASE("file: a device that never ends is read up to the limit") {
  CHECK_ERROR(read_file("/dev/zero", 100'000), "/dev/zero: more than 100000 bytes, expected at most 100000");
  CHECK(read_file("/dev/null", 0).empty());
}

TEST_CASE("file: a file whose reported size is zero is read to its end") {
  CHECK(to_text(read_file("/proc/self/status", 1 << 20)).starts_with("Name:"));
}

TEST_CASE("file: a pipe is read to its end, in as many pieces as it comes") {
  const TempDir dir;
  const std::string path = dir.file("pipe");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const std::string piece(100'000, 'p');
  std::thread feeder([&] {
    const int out = ::open(path.c_str(), O_WRONLY);
    for (int i = 0; i < 3; ++i)
      for (std::size_t done = 0; done < piece.size();)
        done += static_cast<std::size_t>(::write(out, piece.data() + done, piece.size() - done));
    ::close(out);
  });
  const auto content = read_file(path, 1 << 20);
  feeder.join();
  CHECK(to_text(content) == piece + piece + piece);
}

// --- FileReader ------------------------------------------------------------------------------------------------------

TEST_CASE("file_reader: reads on from where it stopped, and less only at the end") {
  const TempDir dir;
  FileReader reader(dir.write("x", "1234567"));
  std::vector<std::byte> room(3);
  CHECK(reader.read(room) == 3);
  CHECK(to_text(room) == "123");
  CHECK(reader.read(room) == 3);
  CHECK(to_text(room) == "456");
  CHECK(reader.read(room) == 1);
  CHECK(to_text(room).substr(0, 1) == "7");
  CHECK(reader.read(room) == 0);
}

TEST_CASE("file_reader: a missing file and a directory are named") {
  const TempDir dir;
  CHECK_ERROR(FileReader(dir.file("no")),
              dir.file("no") + ": open failed (No such file or directory), expected a readable file");
  CHECK_ERROR(FileReader(dir.path()), dir.path() + ": is a directory, expected a file");
}

// --- write_file_atomically -------------------------------------------------------------------------------------------

TEST_CASE("file: an atomic write creates the file and leaves nothing beside it") {
  const TempDir dir;
  write_file_atomically(dir.file("x"), "new");
  CHECK(dir.read("x") == "new");
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: an atomic write replaces the file, also by nothing and by bytes") {
  const TempDir dir;
  dir.write("x", "something old and long");
  write_file_atomically(dir.file("x"), to_bytes("new"));
  CHECK(dir.read("x") == "new");
  write_file_atomically(dir.file("x"), "");
  CHECK(dir.read("x").empty());
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: the pieces of a callback follow one another") {
  const TempDir dir;
  write_file_atomically(dir.file("x"), [](Writer& writer) {
    writer.write("one ");
    writer.write("");
    writer.write(to_bytes("two"));
  });
  CHECK(dir.read("x") == "one two");
}

TEST_CASE("file: until the callback has returned, the old file is what readers see") {
  const TempDir dir;
  dir.write("x", "old");
  write_file_atomically(dir.file("x"), [&](Writer& writer) {
    writer.write("new");
    CHECK(dir.read("x") == "old");
  });
  CHECK(dir.read("x") == "new");
}

TEST_CASE("file: what the callback throws passes through and nothing has changed") {
  const TempDir dir;
  dir.write("x", "old");
  const auto broken = [](Writer& writer) {
    writer.write("half");
    throw std::logic_error("stop");
  };
  CHECK_THROWS_WITH_AS(write_file_atomically(dir.file("x"), broken), "stop", std::logic_error);
  CHECK(dir.read("x") == "old");
  CHECK_THROWS_WITH_AS(write_file_atomically(dir.file("y"), broken), "stop", std::logic_error);
  CHECK(dir.names() == Names{"x"});
}

/// While it lives, writes beyond `bytes` fail with "File too large", as a full disk fails them.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_CASE("file: a write that the system cuts short leaves the old file and says why") {
  const TempDir dir;
  const std::string path = dir.write("x", "old");
  const std::string content(100'000, 'n');
  std::string message;
  {
    const FileSizeLimit limit(65'536);
    try {
      write_file_atomically(path, content);
    } catch (const Error& error) {
      message = error.what();
    }
  }
  CHECK(message == path + ": write failed (File too large), nothing was changed");
  CHECK(dir.read("x") == "old");
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: a rename that fails leaves no temporary file") {
  const TempDir dir;
  const std::string path = dir.file("x");
  CHECK_ERROR(write_file_atomically(path, [&](Writer&) { std::filesystem::create_directory(path); }),
              path + ": rename failed (Is a directory), nothing was changed");
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: a folder that vanishes during the write is an error") {
  const TempDir dir;
  std::filesystem::create_directory(dir.file("sub"));
  const std::string path = dir.file("sub/x");
  CHECK_ERROR(write_file_atomically(path, [&](Writer&) { std::filesystem::remove_all(dir.file("sub")); }),
              path + ": rename failed (No such file or directory), nothing was changed");
}

TEST_CASE("file: only regular files are replaced") {
  const TempDir dir;
  CHECK_ERROR(write_file_atomically(dir.path(), "n"),
              dir.path() + ": is a directory, expected a regular file or a free name");
  REQUIRE(::mkfifo(dir.file("pipe").c_str(), 0600) == 0);
  CHECK_ERROR(write_file_atomically(dir.file("pipe"), "n"),
              dir.file("pipe") + ": is a pipe, expected a regular file or a free name");
  CHECK_ERROR(write_file_atomically("/dev/null", "n"),
              "/dev/null: is a character device, expected a regular file or a free name");
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("file: a symlink to a device is refused and both stay") {
  const TempDir dir;
  std::filesystem::create_symlink("/dev/full", dir.file("x"));
  CHECK_ERROR(write_file_atomically(dir.file("x"), "n"),
              dir.file("x") + ": is a character device, expected a regular file or a free name");
  CHECK(std::filesystem::is_symlink(dir.file("x")));
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: a symlink to a file stays, and the file that it names is replaced") {
  const TempDir dir;
  std::filesystem::create_directory(dir.file("sub"));
  dir.write("sub/real", "old");
  std::filesystem::create_symlink("sub/real", dir.file("link"));
  write_file_atomically(dir.file("link"), "new");
  CHECK(std::filesystem::is_symlink(dir.file("link")));
  CHECK(dir.read("sub/real") == "new");
  CHECK(dir.names() == Names{"link", "sub"});
}

TEST_CASE("file: a symlink that leads nowhere is refused") {
  const TempDir dir;
  const std::string link = dir.file("link");
  std::filesystem::create_symlink("missing", link);
  CHECK_ERROR(write_file_atomically(link, "n"),
              link +
                  ": is a symlink that leads nowhere (No such file or directory), "
                  "expected a regular file or a free name");
  CHECK(dir.names() == Names{"link"});
}

TEST_CASE("file: a missing folder is named") {
  const TempDir dir;
  const std::string path = dir.file("runs/x");
  CHECK_ERROR(write_file_atomically(path, "n"), path + ": directory \"" + dir.file("runs") +
                                                    "\" does not exist, expected one; create it first");
  CHECK(dir.names().empty());
}

TEST_CASE("file: paths that name no file are refused") {
  const TempDir dir;
  CHECK_ERROR(write_file_atomically("", "n"), "file: path is empty, expected a file name");
  CHECK_ERROR(write_file_atomically(dir.file("new/"), "n"),
              dir.file("new/") + ": ends with a slash, expected a file name");
  dir.write("plain", "");
  CHECK_ERROR(write_file_atomically(dir.file("plain/x"), "n"),
              dir.file("plain/x") + ": look-up failed (Not a directory), nothing was changed");
  CHECK(dir.names() == Names{"plain"});
}

TEST_CASE("file: in a folder that may not be written, nothing changes") {
  const TempDir dir;
  dir.write("x", "old");
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0555));
  const bool root = ::geteuid() == 0;
  if (root && ::seteuid(65534) != 0) return;  // permissions do not bind root
  std::string message;
  try {
    write_file_atomically(dir.file("x"), "new");
  } catch (const Error& error) {
    message = error.what();
  }
  if (root) REQUIRE(::seteuid(0) == 0);
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  CHECK(message ==
        dir.file("x") + ": creation of \".x.tmp\" failed (Permission denied), nothing was changed");
  CHECK(dir.read("x") == "old");
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: a new file follows the umask, a replaced one keeps its permissions") {
  const TempDir dir;
  const mode_t before = ::umask(027);
  write_file_atomically(dir.file("x"), "new");
  ::umask(before);
  CHECK(static_cast<unsigned>(std::filesystem::status(dir.file("x")).permissions()) == 0640);
  std::filesystem::permissions(dir.file("x"), std::filesystem::perms(0604));
  write_file_atomically(dir.file("x"), "newer");
  CHECK(static_cast<unsigned>(std::filesystem::status(dir.file("x")).permissions()) == 0604);
}

TEST_CASE("file: names of the greatest length can be written") {
  const TempDir dir;
  const std::string name(255, 'n');
  write_file_atomically(dir.file(name), "new");
  CHECK(dir.read(name) == "new");
  CHECK(dir.names() == Names{name});
}

TEST_CASE("file: a writer that is killed leaves the old file, and the next write removes its remains") {
  const TempDir dir;
  const std::string path = dir.write("x", "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    write_file_atomically(path, [](Writer& writer) {
      writer.write("half");
      ::kill(::getpid(), SIGKILL);
    });
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(dir.read("x") == "old");
  CHECK(dir.names() == Names{".x.tmp", "x"});
  write_file_atomically(path, "new");
  CHECK(dir.read("x") == "new");
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: the temporary file of a living writer is left alone") {
  const TempDir dir;
  write_file_atomically(dir.file("x"), [&](Writer& outer) {
    outer.write("outer");
    write_file_atomically(dir.file("x"), "inner");
    CHECK(dir.read("x") == "inner");
    CHECK(dir.names() == Names{".x.tmp", "x"});
  });
  CHECK(dir.read("x") == "outer");
  CHECK(dir.names() == Names{"x"});
}

TEST_CASE("file: a symlink or folder in the place of the temporary file is neither followed nor removed") {
  const TempDir dir;
  dir.write("victim", "precious");
  std::filesystem::create_symlink("victim", dir.file(".x.tmp"));
  std::filesystem::create_directory(dir.file(".x.tmp1"));
  write_file_atomically(dir.file("x"), "new");
  CHECK(dir.read("x") == "new");
  CHECK(dir.read("victim") == "precious");
  CHECK(dir.names() == Names{".x.tmp", ".x.tmp1", "victim", "x"});
}

TEST_CASE("threads: of many writers of one file, one wins completely and nothing is left behind") {
  const TempDir dir;
  const std::string path = dir.file("x");
  std::vector<std::thread> writers;
  for (char letter = 'a'; letter < 'e'; ++letter)
    writers.emplace_back([&path, letter] {
      for (int i = 0; i < 20; ++i) write_file_atomically(path, std::string(10'000, letter));
    });
  for (std::thread& writer : writers) writer.join();
  const std::string content = dir.read("x");
  CHECK(content == std::string(10'000, content.at(0)));
  CHECK(dir.names() == Names{"x"});
}

// --- gzip ------------------------------------------------------------------------------------------------------------

/// What `gzip` made of three lines of text: dynamic codes, a name in the header.
constexpr unsigned char packed_words[] = {
    0x1f, 0x8b, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x77, 0x6f, 0x72, 0x64, 0x73,
    0x2e, 0x74, 0x78, 0x74, 0x00, 0x4b, 0x49, 0x4d, 0x4c, 0x51, 0xc8, 0x4b, 0x2d, 0x2d, 0xca,
    0xcf, 0x2b, 0x56, 0x28, 0x49, 0xcd, 0xc9, 0x51, 0xc8, 0xcb, 0x57, 0x28, 0x49, 0xcc, 0x49,
    0x2d, 0xd6, 0x51, 0x48, 0xc1, 0x26, 0x97, 0x5e, 0x94, 0x98, 0x92, 0x99, 0x9a, 0x57, 0x52,
    0xcc, 0x95, 0x32, 0x20, 0x5a, 0x01, 0x89, 0xb0, 0x7d, 0xb4, 0xb1, 0x00, 0x00, 0x00};

std::vector<std::byte> words() {
  const auto view = std::as_bytes(std::span(packed_words));
  return {view.begin(), view.end()};
}

const std::string plain_words = [] {
  const std::string line = "dead neurons tell no tales, dead neurons tell no gradients\n";
  return line + line + line;
}();

std::vector<std::byte> joined(std::vector<std::byte> a, const std::vector<std::byte>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A member of `runs` times 258 zero bytes after a first one, as one block of fixed codes; no checksum follows.
std::vector<std::byte> bomb(std::size_t runs) {
  std::vector<std::byte> out = to_bytes(std::string_view("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
  unsigned held = 0;
  int count = 0;
  const auto put = [&](unsigned code, int bits) {  // first bit first
    for (int i = bits - 1; i >= 0; --i) {
      held |= (code >> i & 1) << count;
      if (++count == 8) {
        out.push_back(static_cast<std::byte>(held));
        held = 0;
        count = 0;
      }
    }
  };
  put(0b110, 3);       // last block, fixed codes
  put(0b00110000, 8);  // a zero byte
  for (std::size_t i = 0; i < runs; ++i) {
    put(0b11000101, 8);  // 258 bytes
    put(0b00000, 5);     // from one byte back
  }
  put(0, 7 + 7);  // end of block, and fill the byte
  return out;
}

using rill::io::inflate;
using rill::io::inflate_prefix;
using rill::io::is_gzip;

TEST_CASE("gzip: is recognised by its first two bytes") {
  CHECK(is_gzip(words()));
  CHECK_FALSE(is_gzip(to_bytes("")));
  CHECK_FALSE(is_gzip(to_bytes("\x1f")));
  CHECK_FALSE(is_gzip(to_bytes("\x1f\x8c\x08")));
}

TEST_CASE("gzip: inflates what gzip has packed") {
  CHECK(to_text(inflate(words(), 1000, "x")) == plain_words);
}

TEST_CASE("gzip: the limit is exact") {
  CHECK(to_text(inflate(words(), plain_words.size(), "x")) == plain_words);
  CHECK_ERROR(inflate(words(), plain_words.size() - 1, "x"),
              "x: gzip data decodes to more than 176 bytes, expected at most 176");
  CHECK_ERROR(inflate(words(), 0, "x"), "x: gzip data decodes to more than 0 bytes, expected at most 0");
}

TEST_CASE("gzip: several members are one content") {
  const auto three = joined(joined(words(), words()), words());
  CHECK(to_text(inflate(three, 1000, "x")) == plain_words + plain_words + plain_words);
  CHECK_ERROR(inflate(three, 400, "x"), "x: gzip data decodes to more than 400 bytes, expected at most 400");
}

TEST_CASE("gzip: a prefix stops where it is told to") {
  CHECK(to_text(inflate_prefix(words(), 4, "x")) == "dead");
  CHECK(inflate_prefix(words(), 0, "x").empty());
  CHECK(to_text(inflate_prefix(words(), 1000, "x")) == plain_words);
}

TEST_CASE("gzip: every truncation is an error that counts the bytes") {
  const auto whole = words();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_ERROR(inflate(part, 1000, "x"),
                "x: gzip data ends after " + std::to_string(size) +
                    " bytes inside a member, expected its end; the file is truncated");
  }
}

TEST_CASE("gzip: every flipped bit is an error or changes no content") {
  const auto whole = words();
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    auto flipped = whole;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    std::string content = plain_words;
    try {
      content = to_text(inflate(flipped, 1000, "x"));
    } catch (const Error&) {
      ++refused;
    }
    CHECK(content == plain_words);
  }
  CHECK(refused > 4 * whole.size());
}

TEST_CASE("gzip: wrong checksums, lengths and codes are named with zlib's reason") {
  auto wrong = words();
  const std::size_t size = wrong.size();
  wrong[size - 8] ^= std::byte{1};
  CHECK_ERROR(inflate(wrong, 1000, "x"), "x: gzip data is corrupt at byte " + std::to_string(size - 4) +
                                             " (incorrect data check), expected intact gzip data");
  wrong = words();
  wrong[size - 1] ^= std::byte{1};
  CHECK_ERROR(inflate(wrong, 1000, "x"), "x: gzip data is corrupt at byte " + std::to_string(size) +
                                             " (incorrect length check), expected intact gzip data");
  CHECK_ERROR(inflate(to_bytes("no gzip"), 1000, "x"),
              "x: gzip data is corrupt at byte 2 (incorrect header check), expected intact gzip data");
}

TEST_CASE("gzip: garbage behind the last member is an error") {
  const std::size_t size = words().size();
  const auto message = [&](std::size_t garbage) {
    return "x: gzip data ends at byte " + std::to_string(size) + " of " + std::to_string(size + garbage) +
           ", expected another member or nothing behind it";
  };
  CHECK_ERROR(inflate(joined(words(), to_bytes("junk")), 1000, "x"), message(4));
  CHECK_ERROR(inflate(joined(words(), to_bytes("\x1f")), 1000, "x"), message(1));
  CHECK_ERROR(inflate(joined(words(), to_bytes("\x1f\x8b")), 1000, "x"),
              "x: gzip data ends after " + std::to_string(size + 2) +
                  " bytes inside a member, expected its end; the file is truncated");
}

TEST_CASE("gzip: a bomb stops at the limit, long before its end is looked at") {
  const auto data = bomb(200'000);  // 51 MB in 325 kB, without an intact end
  CHECK_ERROR(inflate(data, 1'000'000, "x"),
              "x: gzip data decodes to more than 1000000 bytes, expected at most 1000000");
  const auto prefix = inflate_prefix(data, 1'000'000, "x");
  CHECK(prefix == std::vector<std::byte>(1'000'000));
  CHECK(prefix.capacity() <= 1'300'500);  // four times the data, at first
}

}  // namespace
