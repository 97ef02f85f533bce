#include <rill/tools/rill/program.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <new>

#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/text.hpp>
#include <rill/core/version.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/tools/rill/output.hpp>

namespace rill::command {
namespace {

// What was typed may be in it: a terminal would obey control bytes.
int report(std::string what, int status) {
  for (char& c : what) {
    if (rill::detail::is_control(c)) c = c == '\n' ? ' ' : '?';
  }
  while (!what.empty() && (what.back() == ' ' || what.back() == '.')) what.pop_back();
  std::fprintf(stderr, "rill: %s\n", what.c_str());
  return status;
}

std::string footer_of(const Help& help) {
  std::string text = "\n" + help.text + "\n\nExamples:\n";
  for (const Example& example : help.examples) text += "  " + example.line + "\n      " + example.does + "\n";
  return text + "\nReads:  " + help.reads + "\nWrites: " + help.writes;
}

// CLI11's own words begin like sentences.
std::string in_lower_case(std::string text) {
  if (text.size() > 1 && std::isupper(static_cast<unsigned char>(text[0])) &&
      std::islower(static_cast<unsigned char>(text[1])))
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::string nearest_of(const std::string& word, const std::vector<std::string>& words) {
  return nn::config::suggestion(word, std::vector<std::string_view>(words.begin(), words.end()));
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (std::string& name : names_of(*option)) names.push_back(std::move(name));
  }
  return names;
}

// As a script gives it where a variable is not set.
void refuse_empty_values(const CLI::App& app, const std::string& command) {
  for (const CLI::Option* option : app.get_options()) {
    const std::vector<std::string>& given = option->results();
    if (std::find(given.begin(), given.end(), "") != given.end())
      throw UsageError(command + ": " + option->get_name() + " is empty, expected a value");
  }
}

}  // namespace

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

CLI::Option* choice(CLI::Option* option, const std::vector<std::string>& words) {
  std::string list, known;
  for (const std::string& word : words) {
    list += (list.empty() ? "" : ",") + word;
    known += (known.empty() ? "" : ", ") + word;
  }
  const auto check = [words, known](const std::string& given) -> std::string {
    if (std::find(words.begin(), words.end(), given) != words.end()) return "";
    return "got " + nn::config::in_quotes(given) + ", expected one of " + known;
  };
  return option->type_name("{" + list + "}")->check(CLI::Validator(check, ""));
}

CLI::Option* whole_number(CLI::Option* option) {
  const auto check = [](const std::string& given) -> std::string {
    const std::string digits = given.starts_with('-') ? given.substr(1) : given;
    const bool plain = !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos &&
                       (digits.size() == 1 || digits[0] != '0');
    std::int64_t value = 0;
    const bool fits = std::from_chars(given.data(), given.data() + given.size(), value).ec == std::errc{};
    if (plain && fits) return "";
    if (plain) return "got " + nn::config::in_quotes(given) + ", expected a number that 64 bits hold";
    return "got " + nn::config::in_quotes(given) +
           ", expected a whole number in decimal digits, without zeros before it";
  };
  return option->type_name("N")->check(CLI::Validator(check, ""));
}

Program::Program() : app_("Train, judge and use dense neural networks, without writing C++", "rill") {
  app_.set_version_flag("--version", std::string("rill ") + version(), "the version");
  app_.set_help_flag("-h,--help", "this text");
  app_.option_defaults()->take_last();
  app_.get_formatter()->column_width(34);
  app_.get_formatter()->label("TEXT", "");
  app_.footer(
      "\n`rill COMMAND --help` tells more about a command, with examples.\n\n"
      "A first run:\n  rill new run.json --kind digits && rill train run.json\n\n"
      "Exit codes: 0 done, 1 the work failed, 2 wrong usage or config, 3 training diverged,\n"
      "130 and 143 after SIGINT and SIGTERM (saved).");
}

CLI::App* Program::add(Help help) {
  CLI::App* app = app_.add_subcommand(help.name, help.summary);
  app->footer(footer_of(help));
  app->option_defaults()->take_last();
  whole_number(
      app->add_option("--threads", threads_,
                      "threads to compute with; default: RILL_NUM_THREADS,\nOMP_NUM_THREADS, or all cores"))
      ->check(CLI::Range(1, 1024).description(""));
  commands_.push_back({app, std::move(help)});
  return app;
}

const Command* Program::chosen() const {
  for (const Command& command : commands_) {
    if (command.app->parsed()) return &command;
  }
  return nullptr;
}

void Program::refuse_misplaced(const std::string& option) const {
  const Command* command = chosen();
  if (!command) return;
  const std::vector<std::string> known = option_names(*command->app);
  if (std::find(known.begin(), known.end(), option) == known.end()) return;
  throw UsageError(option + " stands before the command, expected behind it: rill " + command->help.name +
                   " " + option);
}

void Program::refuse_extras() {
  const std::vector<std::string> extras = app_.remaining(true);
  const std::string word = extras.empty() ? "" : extras.front();
  const bool option = word.size() > 1 && word[0] == '-';
  const bool before = !app_.remaining().empty();  // it stands before the command, or there is none
  if (before && option) refuse_misplaced(word.substr(0, word.find('=')));
  const Command* command = before ? nullptr : chosen();
  if (!command && !option) {
    std::vector<std::string> names;
    for (const Command& each : commands_) names.push_back(each.help.name);
    throw UsageError(nn::config::in_quotes(word) + " is no command" + nearest_of(word, names));
  }
  const std::string name = option ? word.substr(0, word.find('=')) : word;
  const std::string where = command ? command->help.name + ": " : "";
  const std::string see = std::string("; see rill ") + (command ? command->help.name + " " : "") + "--help";
  if (!option)
    throw UsageError(where + "there is one argument too many, " + nn::config::in_quotes(word) + see);
  const CLI::App& app = command ? *command->app : app_;
  const std::vector<std::string> known = option_names(app);
  const std::string near(
      nn::config::nearest(name, std::vector<std::string_view>(known.begin(), known.end())));
  throw UsageError(where + "unknown option " + name + (near.empty() ? see : "; did you mean " + near + "?"));
}

int Program::parse(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    out(app_.version() + "\n");
    return done;
  } catch (const CLI::CallForHelp&) {
    const Command* command = chosen();
    out(command ? command->app->help("rill") : app_.help());
    return done;
  } catch (const CLI::ExtrasError&) {
    refuse_extras();
  } catch (const CLI::ParseError& error) {
    const Command* command = chosen();
    throw UsageError((command ? command->help.name + ": " : "") + in_lower_case(error.what()) +
                     "; see rill " + (command ? command->help.name + " " : "") + "--help");
  }
  return dispatch();
}

int Program::dispatch() {
  const Command* command = chosen();
  if (!command) throw UsageError("no command is given, expected one; see rill --help");
  refuse_empty_values(*command->app, command->help.name);
  if (threads_ > 0) set_num_threads(threads_);
  return command->body();
}

int Program::run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
#ifdef SIGXFSZ
  std::signal(SIGXFSZ, SIG_IGN);
#endif
  try {
    const int status = parse(argc, argv);
    flush_output();
    return status;
  } catch (const UsageError& error) {
    return report(error.what(), misused);
  } catch (const memory::OutOfMemory& error) {
    return report(error.what(), failed);
  } catch (const std::bad_alloc&) {
    return report("out of memory", failed);
  } catch (const std::exception& error) {
    return report(error.what(), failed);
  }
}

}  // namespace rill::command
