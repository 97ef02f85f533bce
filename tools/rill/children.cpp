#include <rill/tools/rill/children.hpp>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include <rill/core/error.hpp>
#include <rill/tools/rill/interrupt.hpp>

namespace rill::command {

Children::~Children() {
  stop(SIGTERM);
  for (const auto& [child, id] : ids_) ::waitpid(child, nullptr, 0);
}

void Children::start(std::size_t id, const std::vector<std::string>& arguments) {
  std::vector<std::string> texts{"rill"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, "/proc/self/exe", nullptr, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  RILL_CHECK(error == 0, "cannot start another process: ", std::generic_category().message(error),
             ", expected fewer --jobs");
  ids_[child] = id;
}

Children::Ended Children::wait() {
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    RILL_CHECK(ended >= 0 || errno == EINTR,
               "cannot wait for a process: ", std::generic_category().message(errno));
    if (const auto child = ids_.find(ended); child != ids_.end()) {
      const Ended result{child->second, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
      ids_.erase(child);
      return result;
    }
    if (interrupted()) stop(interrupted_status() - 128);
    if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Children::stop(int signal) {
  if (stopped_) return;
  stopped_ = true;
  for (const auto& [child, id] : ids_) ::kill(child, signal);
}

}  // namespace rill::command
