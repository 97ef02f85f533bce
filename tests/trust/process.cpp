#include "process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace rill::trust {

Process::Process(std::vector<std::string> arguments, const std::string& output) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0644);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const int failed = ::posix_spawn(&id_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + arguments[0]);
}

Process::~Process() {
  if (id_ < 0) return;
  send(SIGKILL);
  wait();
}

void Process::send(int signal) const { ::kill(id_, signal); }

int Process::wait() {
  int status = 0;
  const pid_t id = std::exchange(id_, -1);
  while (::waitpid(id, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

FoldersInMemory::FoldersInMemory() {
  constexpr const char* folder = "/dev/shm";
  set_ = !std::getenv("TMPDIR") && ::access(folder, W_OK | X_OK) == 0 && ::setenv("TMPDIR", folder, 1) == 0;
}

FoldersInMemory::~FoldersInMemory() {
  if (set_) ::unsetenv("TMPDIR");
}

}  // namespace rill::trust
