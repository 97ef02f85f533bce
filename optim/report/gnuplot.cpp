#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>

#include <rill/optim/report/gnuplot.hpp>
#include <rill/optim/report/html.hpp>
#include <rill/optim/report/palette.hpp>

extern char** environ;

namespace rill::optim::report {
namespace {

constexpr std::chrono::seconds patience{30};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// A file without a name that holds `text`; a pipe could fill up while gnuplot waits for the other one.
File file_of(const std::string& text) {
  File file(std::tmpfile());
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size()) return nullptr;
  if (std::fflush(file.get()) != 0 || std::fseek(file.get(), 0, SEEK_SET) != 0) return nullptr;
  ::fcntl(::fileno(file.get()), F_SETFD, FD_CLOEXEC);
  return file;
}

// A running gnuplot that reads `input` and writes to `output`; -1 if there is none.
::pid_t start(int input, int output) {
  // -d: without the user's own settings.
  std::array<char, 8> name{"gnuplot"};
  std::array<char, 3> plain{"-d"}, standard_input{"-"};
  char* const argv[] = {name.data(), plain.data(), standard_input.data(), nullptr};
  posix_spawn_file_actions_t actions;
  if (::posix_spawn_file_actions_init(&actions) != 0) return -1;
  ::pid_t child = -1;
  const bool ready =
      ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) == 0 &&
      ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0 &&
      ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0;
  if (!ready || ::posix_spawnp(&child, "gnuplot", &actions, nullptr, argv, environ) != 0) child = -1;
  ::posix_spawn_file_actions_destroy(&actions);
  return child;
}

// All that comes out of `end`; nothing if that is not over in time.
std::optional<std::string> read_all(int end) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::string text;
  std::array<char, 16384> buffer{};
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    ::pollfd wait{.fd = end, .events = POLLIN, .revents = 0};
    const int ready = left.count() > 0 ? ::poll(&wait, 1, static_cast<int>(left.count())) : 0;
    if (ready == 0) return std::nullopt;
    const ::ssize_t count = ready < 0 ? -1 : ::read(end, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

// Whether it ended by itself and well.
bool succeeded(::pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

// Takes out every piece from `from` to the next `to`, both included; `keep` is put in its place.
void cut(std::string& text, std::string_view from, std::string_view to, std::string_view keep = "") {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += keep.size()) {
    const std::size_t end = text.find(to, at + from.size());
    if (end == std::string::npos) return;
    text.replace(at, end + to.size() - at, keep);
  }
}

// Groups without content, of which gnuplot writes one for every change of a pen.
std::string without_empty_groups(const std::string& svg) {
  std::string out;
  std::size_t from = 0;
  while (true) {
    const std::size_t open = svg.find("<g ", from);
    if (open == std::string::npos) return out + svg.substr(from);
    const std::size_t end = svg.find('>', open);
    const std::size_t next = svg.find_first_not_of(" \t\n", end + 1);
    const bool empty = next != std::string::npos && svg.compare(next, 4, "</g>") == 0;
    out.append(svg, from, (empty ? open : end + 1) - from);
    from = empty ? next + 4 : end + 1;
    if (empty) from = std::min(svg.find_first_not_of('\n', from), svg.size());
  }
}

}  // namespace

std::optional<std::string> gnuplot(const std::string& script) {
  const File input = file_of(script);
  std::array<int, 2> ends{};
  if (!input || ::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const ::pid_t child = start(::fileno(input.get()), ends[1]);
  ::close(ends[1]);
  std::optional<std::string> svg;
  if (child > 0) {
    svg = read_all(ends[0]);
    if (!svg) ::kill(child, SIGKILL);
    const bool well = succeeded(child);
    if (!well ||
        (svg && (svg->find("<svg") == std::string::npos || svg->find("</svg>") == std::string::npos)))
      svg.reset();
  }
  ::close(ends[0]);
  return svg;
}

bool is_plain(std::string_view text) {
  constexpr std::string_view others = "._-#";
  return !text.empty() && text.size() <= 24 && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != others.npos;
  });
}

std::string inlined(const std::string& svg, const std::string& id, std::string_view title,
                    std::string_view description) {
  const std::size_t box = svg.find("viewBox=\"");
  const std::size_t box_end = box == std::string::npos ? box : svg.find('"', box + 9);
  const std::size_t body = svg.find("<g id=\"gnuplot_canvas\">");
  if (box_end == std::string::npos || body == std::string::npos) return "";
  std::string drawing = svg.substr(body);
  cut(drawing, "<defs>", "</defs>");
  cut(drawing, "<title>", "</title>");
  cut(drawing, "<rect x=\"0\" y=\"0\"", "/>");
  cut(drawing, " id=\"", "\"");
  cut(drawing, " color=\"", "\"");
  // The only mark that charts have is the filled circle; without ids two pictures on a page cannot take each other's.
  replace_all(drawing, "<use xlink:href='#gpPt6'", "<circle r='1' stroke='none'");
  replace_all(drawing, " color='", " fill='");
  for (const Colour& colour : palette) replace_all(drawing, colour.in_svg(), colour.in_page);
  for (const Colour& colour : palette) replace_all(drawing, colour.in_svg_text(), colour.in_page);
  return fmt::format(
      "<svg {0} role=\"img\" aria-labelledby=\"{1}-title {1}-text\">\n<title id=\"{1}-title\">{2}</title>\n"
      "<desc id=\"{1}-text\">{3}</desc>\n{4}",
      svg.substr(box, box_end + 1 - box), id, escaped(title), escaped(description),
      without_empty_groups(drawing));
}

std::string titled(const std::string& svg, std::string_view title) {
  std::string out = svg;
  cut(out, "<title>Gnuplot", "</title>", fmt::format("<title>{}</title>", escaped(title)));
  return out;
}

}  // namespace rill::optim::report
