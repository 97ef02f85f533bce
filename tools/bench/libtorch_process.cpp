#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rill/tools/bench/libtorch_process.hpp>

namespace rill::bench {
namespace {

class RemoteSide final : public Side {
 public:
  explicit RemoteSide(LibtorchProcess& process) : process_(process) {}
  double run(std::int64_t steps) override { return std::stod(process_.ask("run " + std::to_string(steps))); }

 private:
  LibtorchProcess& process_;
};

}  // namespace

LibtorchProcess::LibtorchProcess(const std::string& path) : path_(path) {
  std::signal(SIGPIPE, SIG_IGN);  // a child that ended is an error of ask()
  std::array<int, 2> in{}, out{};
  RILL_CHECK(::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0, path,
             ": cannot make pipes to it, expected two free descriptors");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::string program = path;
  std::array<char*, 2> arguments{program.data(), nullptr};
  const int failed = ::posix_spawn(&child_, path.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  if (failed) {
    ::close(to_);
    ::close(from_);
  }
  RILL_CHECK(failed == 0, path, ": cannot start it, expected a program");
}

LibtorchProcess::~LibtorchProcess() {
  ::close(to_);  // the end of its input ends it
  ::close(from_);
  ::waitpid(child_, nullptr, 0);
}

std::string LibtorchProcess::ask(const std::string& line) {
  const std::string text = line + "\n";
  bool alive = ::write(to_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  std::size_t end = std::string::npos;
  while (alive && (end = unread_.find('\n')) == std::string::npos) {
    std::array<char, 256> buffer{};
    const ssize_t count = ::read(from_, buffer.data(), buffer.size());
    alive = count > 0;
    if (alive) unread_.append(buffer.data(), static_cast<std::size_t>(count));
  }
  RILL_CHECK(alive, path_, ": ended at \"", line, "\", expected an answer; --no-libtorch does without it");
  const std::string answer = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return answer;
}

std::unique_ptr<Side> LibtorchProcess::side(std::size_t row, const std::string& data, int threads,
                                            bool cpu_time) {
  const std::string answer =
      ask(fmt::format("open {} {} {} {}", row, threads, cpu_time ? "cpu" : "wall", data));
  RILL_CHECK(answer == "ready", path_, ": answers \"", answer, "\", expected \"ready\"");
  return std::make_unique<RemoteSide>(*this);
}

std::string libtorch_program() {
  std::error_code none;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", none);
  const std::string path = self.parent_path() / "rill_bench_libtorch";
  return !none && ::access(path.c_str(), X_OK) == 0 ? path : "";
}

}  // namespace rill::bench
