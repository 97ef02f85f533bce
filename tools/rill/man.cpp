// rill man: the manual page, in groff's man macros.
#include <fmt/format.h>

#include <rill/core/version.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/tree.hpp>

namespace rill::command {
namespace {

// Text for groff: no line of it is a request, hyphens are those of options.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
      result += std::string("\\&") + c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string heading(const OptionSpec& option) {
  std::string text;
  for (const std::string& name : option.names)
    text += (text.empty() ? "\\fB" : ", \\fB") + escaped(name) + "\\fR";
  if (option.takes_value) {
    std::string value = option.placeholder;
    if (!option.choices.empty()) {
      value.clear();
      for (const std::string& word : option.choices) value += (value.empty() ? "" : "|") + word;
    }
    text += (text.empty() ? "\\fI" : " \\fI") + escaped(value) + "\\fR";
  }
  return text;
}

std::string listed(const std::vector<OptionSpec>& options) {
  std::string text;
  for (const OptionSpec& option : options) {
    text += ".TP\n" + heading(option) + "\n" + escaped(option.description);
    if (option.required) text += " (required)";
    if (!option.standard.empty()) text += escaped(" [" + option.standard + "]");
    text += "\n";
  }
  return text;
}

std::string section(const Command& command) {
  const std::vector<OptionSpec> options = options_of(*command.app);
  std::string text =
      ".SS rill " + command.help.name + "\n\\fBrill " + command.help.name + "\\fR [\\fIoptions\\fR]";
  for (const OptionSpec& option : options) {
    if (!option.names.empty()) continue;
    text += option.required ? " \\fI" + option.placeholder + "\\fR" : " [\\fI" + heading(option) + "\\fR]";
  }
  text += "\n.PP\n" + escaped(command.help.summary + ".") + "\n.PP\n" + escaped(command.help.text) + "\n";
  text += ".PP\nReads: " + escaped(command.help.reads) + ".\n.br\nWrites: " + escaped(command.help.writes) +
          ".\n";
  text += listed(options);
  for (const Example& example : command.help.examples)
    text += ".PP\n" + escaped(example.does) + ":\n.PP\n.RS 4\n.nf\n" + escaped(example.line) + "\n.fi\n.RE\n";
  return text;
}

std::string page(const Program& program) {
  std::string text = fmt::format(
      ".\\\" made by `rill man`\n.TH RILL 1 \"\" \"rill {}\" \"User Commands\"\n.SH NAME\nrill \\- {}\n"
      ".SH SYNOPSIS\n\\fBrill\\fR \\fIcommand\\fR [\\fIoptions\\fR]\n.br\n\\fBrill\\fR \\fIcommand\\fR "
      "\\fB\\-\\-help\\fR\n"
      ".SH DESCRIPTION\nDescribe a model, its data and its training in a JSON file, train it, and use what "
      "came out.\n"
      ".SH OPTIONS\n",
      version(), escaped("train, judge and use dense neural networks, without writing C++"));
  text += listed(options_of(program.app())) + ".SH COMMANDS\n";
  for (const Command& command : program.commands()) text += section(command);
  return text +
         ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nthe work failed: data, files\n.TP\n2\nwrong usage, or a "
         "wrong config\n"
         ".TP\n3\ntraining diverged\n.TP\n130, 143\nSIGINT or SIGTERM; a run was saved\n"
         ".SH ENVIRONMENT\n.TP\n\\fBRILL_NUM_THREADS\\fR, \\fBOMP_NUM_THREADS\\fR\nthreads to compute with\n"
         ".TP\n\\fBRILL_DATA\\fR\nfolder of MNIST's files, for runs that name none\n";
}

}  // namespace

void add_man(Program& program) {
  program.add({.name = "man",
               .summary = "The manual page, for groff",
               .text = "The page is made of the command's own list of options. `make install` installs it.",
               .examples = {{"rill man | man -l -", "to read it"}, {"rill man > rill.1", "to keep it"}},
               .reads = "nothing",
               .writes = "standard output"});
  program.does([&program] {
    out(page(program));
    return done;
  });
}

}  // namespace rill::command
