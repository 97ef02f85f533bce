// run_program: another program, and run_self: this test program again, in a process of its own, with other arguments
// and environment variables.
//
// What a child shall do stands in test cases marked doctest::skip(), so that a plain run passes them by; run_case runs
// one of them by name.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rill::test {

/// Changes to the environment: a value, or nothing for a variable that shall be absent.
using Environment = std::map<std::string, std::optional<std::string>>;

struct Outcome {
  int status = 0;      ///< the exit status; -1 if a signal ended the process
  std::string output;  ///< stdout and stderr
  bool says(const std::string& text) const { return output.find(text) != std::string::npos; }
};

inline Outcome run_program(const std::string& program, std::vector<std::string> arguments,
                           const Environment& changes = {}) {
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::vector<std::string> variables;
  for (char** entry = environ; *entry; ++entry) {
    const std::string variable = *entry;
    if (!changes.contains(variable.substr(0, variable.find('=')))) variables.push_back(variable);
  }
  for (const auto& [name, value] : changes) {
    if (value) variables.push_back(name + "=" + *value);
  }
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("run_program: no pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  ::pid_t child = 0;
  const int failed = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  Outcome outcome;
  std::array<char, 4096> buffer{};
  while (!failed) {
    const ::ssize_t count = ::read(ends[0], buffer.data(), buffer.size());
    if (count <= 0) break;
    outcome.output.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  if (failed) throw std::runtime_error("run_program: cannot start " + program);
  int status = 0;
  ::waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

inline Outcome run_self(std::vector<std::string> arguments, const Environment& changes = {}) {
  return run_program("/proc/self/exe", std::move(arguments), changes);
}

/// Runs the one skipped test case `name`.
inline Outcome run_case(const std::string& name, const Environment& changes = {}) {
  return run_self({"--no-skip", "--test-case=" + name}, changes);
}

}  // namespace rill::test
