#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>

#include <rill/core/parallel.hpp>
#include <rill/tools/rill/commands.hpp>

#include "reading.hpp"

namespace rill::fuzz {
namespace {

using namespace rill::command;

/// All commands, which parse their arguments and do nothing.
class Commands {
 public:
  Commands() {
    for (const auto add : {add_new, add_check, add_train, add_sweep, add_eval, add_predict, add_summary,
                           add_doctor, add_convert, add_schema, add_info, add_completion, add_man}) {
      add(program);
      bodies_.push_back(program.commands().back().body);
      program.does([] { return done; });
    }
  }

  Program program;

 private:
  std::vector<std::function<int()>> bodies_;  // the options write into what these hold
};

/// Made anew now and then: what CLI11 notes of options it has seen, it forgets only with its program.
Program& commands() {
  static std::optional<Commands> commands;
  static int inputs = 0;
  if (inputs++ % 1000 == 0) commands.emplace();
  return commands->program;
}

/// What is printed to a standard stream while this lives. The descriptor stays as it is, for sanitizers.
class Capture {
 public:
  explicit Capture(std::FILE*& stream) : stream_(stream), before_(stream) {
    stream_ = ::open_memstream(&text_, &size_);
    if (!stream_) throw std::runtime_error("open_memstream failed");
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    finish();
    std::free(text_);
  }
  std::string text() {
    finish();
    return {text_, size_};
  }

 private:
  void finish() {
    if (stream_ != before_) std::fclose(stream_);
    stream_ = before_;
  }

  std::FILE*& stream_;
  std::FILE* before_;
  char* text_ = nullptr;
  std::size_t size_ = 0;
};

/// What a command changes of its process: the thread count, and two signals.
class KeepProcess {
 public:
  KeepProcess() : threads_(num_threads()) {
    for (std::size_t i = 0; i < 2; ++i) ::sigaction(signals[i], nullptr, &actions_[i]);
  }
  KeepProcess(const KeepProcess&) = delete;
  KeepProcess& operator=(const KeepProcess&) = delete;
  ~KeepProcess() {
    set_num_threads(threads_);
    for (std::size_t i = 0; i < 2; ++i) ::sigaction(signals[i], &actions_[i], nullptr);
  }

 private:
  static constexpr int signals[] = {SIGPIPE, SIGXFSZ};
  int threads_;
  struct ::sigaction actions_[2] = {};
};

}  // namespace

void fuzz_command_line(Bytes input) {
  std::vector<std::string> arguments{"rill"};
  std::string argument;
  for (const char c : text_of(input)) {
    if (c != '\0') {
      argument += c;
      continue;
    }
    arguments.push_back(argument);
    argument.clear();
  }
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);

  const KeepProcess keep;
  Program& program = commands();
  Capture printed(stdout), said(stderr);
  const int status = program.run(static_cast<int>(arguments.size()), pointers.data());
  const std::string message = said.text();
  if (status == done) return require(message.empty(), "command line: an error is done: " + message);
  require(status == misused, "command line: status " + std::to_string(status) + ": " + message);
  require(printed.text().empty(), "command line: an error is printed beside results");
  // Arguments are told as they are.
  const auto refuse = [&] { throw Error(message.substr(0, message.size() - 1)); };
  accepted("rill: ", refuse, 2000 + 4 * input.size());
}

}  // namespace rill::fuzz
