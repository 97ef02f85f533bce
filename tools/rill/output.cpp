#include <rill/tools/rill/output.hpp>

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>

namespace rill::command {
namespace {

bool closed = false;

// SIGPIPE is ignored by main(), so a reader that is gone is an error like others here.
void check_write(bool written, std::FILE* file, const std::string& where) {
  if (written) return;
  const int reason = errno;
  std::clearerr(file);
  if (reason == EPIPE) {
    closed = true;
    return;
  }
  rill::detail::fail(where + ": write failed, " + std::strerror(reason));
}

void append(std::FILE* file, std::string_view text, const std::string& where) {
  check_write(std::fwrite(text.data(), 1, text.size(), file) == text.size(), file, where);
}

bool is_stream(const std::string& path) {
  struct ::stat found {};
  return ::stat(path.c_str(), &found) == 0 &&
         (S_ISCHR(found.st_mode) || S_ISFIFO(found.st_mode) || S_ISSOCK(found.st_mode));
}

void write_stream(const std::string& path, const std::function<void(const WriteText&)>& body) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
  RILL_CHECK(file, path, ": cannot open, ", std::strerror(errno));
  body([&](std::string_view text) { append(file.get(), text, path); });
  check_write(std::fflush(file.get()) == 0, file.get(), path);
}

}  // namespace

void out(std::string_view text) {
  if (!closed) append(stdout, text, "standard output");
}

void flush_output() {
  if (!closed) check_write(std::fflush(stdout) == 0, stdout, "standard output");
}

bool output_closed() { return closed; }

void print_json(const nlohmann::ordered_json& value) {
  out(value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void note(std::string_view text) {
  std::fprintf(stderr, "rill: note: %.*s\n", static_cast<int>(text.size()), text.data());
}

void write_to(const std::string& path, const std::function<void(const WriteText&)>& body) {
  if (path == "-") {
    body(out);
  } else if (is_stream(path)) {
    write_stream(path, body);
  } else {
    io::write_file_atomically(path, [&](io::Writer& writer) {
      std::string buffer;
      body([&](std::string_view text) {
        buffer += text;
        if (buffer.size() < (std::size_t{1} << 16)) return;
        writer.write(buffer);
        buffer.clear();
      });
      writer.write(buffer);
    });
  }
}

}  // namespace rill::command
