#include <rill/tools/rill/children.hpp>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>

#include <rill/core/error.hpp>
#include <rill/tools/rill/interrupt.hpp>

namespace rill::command {
namespace {

// Set for a child alone: the process that it belongs to, and what that notes for it.
constexpr const char *parent_variable = "RILL_CHILD_OF", *note_variable = "RILL_CHILD_NOTE";

std::string value_of(const char* variable) {
  const char* const value = std::getenv(variable);
  return value ? value : "";
}

}  // namespace

Children::~Children() {
  stop();
  for (const auto& [child, id] : ids_) ::waitpid(child, nullptr, 0);
}

void Children::start(std::size_t id, const std::vector<std::string>& arguments, const std::string& note) {
  ::signal(SIGCHLD, SIG_DFL);  // where it is ignored, the system forgets how children ended
  std::vector<std::string> texts{"rill"};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv, envp;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  std::string parent = std::string(parent_variable) + "=" + std::to_string(::getpid()),
              for_it = std::string(note_variable) + "=" + note;
  for (char** entry = environ; *entry; ++entry) envp.push_back(*entry);
  envp.insert(envp.end(), {parent.data(), for_it.data(), nullptr});
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, "/proc/self/exe", nullptr, &attributes, argv.data(), envp.data());
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
    if (interrupted()) stop();
    if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Children::stop() {
  if (stopped_) return;
  stopped_ = true;
  for (const auto& [child, id] : ids_) ::kill(child, stop_request);
}

bool belongs_to_parent() {
  static const bool belongs = [] {
    const std::string parent = value_of(parent_variable);
    if (parent.empty()) return false;
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, stop_request);  // comes for each thread that the parent had
#endif
    if (std::to_string(::getppid()) != parent) ::raise(stop_request);  // it is gone already
    return true;
  }();
  return belongs;
}

std::string note_of_parent() { return value_of(note_variable); }

}  // namespace rill::command
