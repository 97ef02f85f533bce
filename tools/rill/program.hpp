// The command line of `rill`: its commands, and what becomes of their errors.
//
// Exit codes: 0 done, 1 the work failed (data, files), 2 wrong usage or a wrong config, 3 training diverged, 130 and 143 after
// SIGINT and SIGTERM. Which of 1 and 2 an Error is follows from where it is thrown: what reads a config runs in
// reading_config(), and everything else is work.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <rill/core/error.hpp>

namespace rill::command {

inline constexpr int done = 0, failed = 1, misused = 2, diverged = 3;

/// Wrong usage, or a config that is wrong.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Runs what reads a config, or what is asked for on the command line: an Error becomes a UsageError.
template <class Body>
auto reading_config(Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

/// The same for a run config, of Errors of one kind; what is wrong in it, or beside it, is said of the file at `path`, "run.json: /loss: …".
template <class Mistake = Error, class Body>
auto reading_run(const std::string& path, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    const std::string text = error.what();
    const std::string placed = text.starts_with("run: ") ? path + text.substr(3) : text;
    if constexpr (!std::is_same_v<Mistake, Error>) {
      if (!dynamic_cast<const Mistake*>(&error)) throw Error(placed);
    }
    throw UsageError(placed);
  }
}

struct Example {
  std::string line;  ///< "rill eval model.safetensors --idx data/mnist"
  std::string does;  ///< what it does, in a few words
};

/// What a command's help says beside its options.
struct Help {
  std::string name;     ///< "eval"
  std::string summary;  ///< a line
  std::string text;     ///< a paragraph, in lines of at most 100 characters
  std::vector<Example> examples;
  std::string reads, writes;
};

struct Command {
  CLI::App* app;
  Help help;
  std::function<int()> body = {};  ///< its exit code
};

class Program {
 public:
  Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// A new command, with --help and --threads.
  CLI::App* add(Help help);
  /// What the command that was added last does.
  void does(std::function<int()> body) { commands_.back().body = std::move(body); }

  const std::vector<Command>& commands() const { return commands_; }
  const CLI::App& app() const { return app_; }

  /// Parses the arguments and runs a command; the exit code. Errors go to standard error, a line each.
  int run(int argc, char** argv);

 private:
  int parse(int argc, char** argv);
  int dispatch();
  [[noreturn]] void refuse_extras();
  void refuse_misplaced(const std::string& option) const;
  const Command* chosen() const;

  CLI::App app_;
  std::vector<Command> commands_;
  int threads_ = 0;
};

/// The names of an option on the command line, the long ones first: "--threads".
std::vector<std::string> names_of(const CLI::Option& option);

/// Makes an option take one of a few words; help and completion know them by its type name, "{csv,idx}".
CLI::Option* choice(CLI::Option* option, const std::vector<std::string>& words);

/// Makes an option take a whole number, N, in decimal digits alone: CLI11 itself takes 010 for 8 and 0x10 for 16.
CLI::Option* whole_number(CLI::Option* option);

}  // namespace rill::command
