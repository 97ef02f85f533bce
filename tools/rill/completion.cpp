// rill completion: scripts with which shells complete its commands, options and their values.
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/tree.hpp>

namespace rill::command {
namespace {

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string names_of_commands(const Program& program) {
  std::vector<std::string> names;
  for (const Command& command : program.commands()) names.push_back(command.help.name);
  return joined(names);
}

std::vector<std::string> option_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const OptionSpec& option : options_of(app))
    words.insert(words.end(), option.names.begin(), option.names.end());
  return words;
}

std::string bash_values(const OptionSpec& option) {
  if (!option.choices.empty())
    return "COMPREPLY=($(compgen -W '" + joined(option.choices) + "' -- \"$word\"))";
  if (option.is_folder()) return "COMPREPLY=($(compgen -d -- \"$word\"))";
  if (option.is_file()) return "COMPREPLY=($(compgen -f -- \"$word\"))";
  return "COMPREPLY=()";
}

std::string bash_command(const CLI::App& app) {
  std::string values, positional = "compgen -f";
  for (const OptionSpec& option : options_of(app)) {
    if (option.names.empty() && !option.choices.empty())
      positional = "compgen -W '" + joined(option.choices) + "'";
    if (!option.names.empty() && option.takes_value)
      values += "        " + joined(option.names, "|") + ") " + bash_values(option) + "; return ;;\n";
  }
  return "    " + app.get_name() + ")\n      case $before in\n" + values +
         "      esac\n      if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W '" +
         joined(option_words(app)) + "' -- \"$word\"))\n      else\n        COMPREPLY=($(" + positional +
         " -- \"$word\"))\n      fi ;;\n";
}

std::string bash_script(const Program& program) {
  std::string text =
      "# bash completion for rill; made by `rill completion bash`\n"
      "_rill() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  compopt -o filenames 2>/dev/null\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      names_of_commands(program) + " " + joined(option_words(program.app())) +
      "' -- \"$word\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n";
  for (const Command& command : program.commands()) text += bash_command(*command.app);
  return text + "  esac\n}\ncomplete -F _rill rill\n";
}

// Within single quotes, where a description stands in zsh's brackets.
std::string zsh_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\'') {
      escaped += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string zsh_values(const OptionSpec& option) {
  if (!option.choices.empty()) return "(" + joined(option.choices) + ")";
  if (option.is_folder()) return "_files -/";
  return option.is_file() || option.names.empty() ? "_files" : " ";
}

std::string zsh_command(const Command& command) {
  std::string text = "    " + command.help.name + ")\n      _arguments -s \\\n";
  for (const OptionSpec& option : options_of(*command.app)) {
    const std::string values =
        option.takes_value ? ":" + zsh_text(option.placeholder) + ":" + zsh_values(option) : "";
    if (option.names.empty()) text += "        '" + values + "' \\\n";
    for (const std::string& name : option.names)
      text += "        '*" + name + "[" + zsh_text(option.description) + "]" + values + "' \\\n";
  }
  return text + "        && return ;;\n";
}

std::string zsh_script(const Program& program) {
  std::string text =
      "#compdef rill\n# zsh completion for rill; made by `rill completion zsh`\n_rill() {\n  local -a "
      "commands=(\n";
  for (const Command& command : program.commands())
    text += "    '" + command.help.name + ":" + zsh_text(command.help.summary) + "'\n";
  text += "  )\n  if (( CURRENT == 2 )); then\n    _describe -t commands command commands\n    compadd -- " +
          joined(option_words(program.app())) +
          "\n    return\n  fi\n  local name=${words[2]}\n  shift words\n  (( CURRENT-- ))\n  case $name in\n";
  for (const Command& command : program.commands()) text += zsh_command(command);
  return text +
         "  esac\n}\nif [[ $funcstack[1] == _rill ]]; then _rill \"$@\"; else compdef _rill rill; fi\n";
}

std::string fish_text(const std::string& text) {
  std::string escaped = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped + "'";
}

std::string fish_names(const OptionSpec& option) {
  std::string text;
  for (const std::string& name : option.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  return text;
}

std::string fish_option(const OptionSpec& option, const std::string& condition) {
  std::string line = "complete -c rill -n " + condition;
  if (option.names.empty()) {
    if (option.choices.empty()) return "";
    return line + " -f -a " + fish_text(joined(option.choices)) + "\n";
  }
  line += fish_names(option);
  if (!option.choices.empty()) {
    line += " -x -a " + fish_text(joined(option.choices));
  } else if (option.takes_value) {
    line += option.is_file() || option.is_folder() ? " -r -F" : " -x";
  }
  return line + " -d " + fish_text(option.description) + "\n";
}

std::string fish_script(const Program& program) {
  std::string text = "# fish completion for rill; made by `rill completion fish`\n";
  for (const OptionSpec& option : options_of(program.app()))
    text += fish_option(option, "__fish_use_subcommand");
  for (const Command& command : program.commands()) {
    const std::string& name = command.help.name;
    text += "complete -c rill -f -n __fish_use_subcommand -a " + name + " -d " +
            fish_text(command.help.summary) + "\n";
    for (const OptionSpec& option : options_of(*command.app))
      text += fish_option(option, "'__fish_seen_subcommand_from " + name + "'");
  }
  return text;
}

}  // namespace

void add_completion(Program& program) {
  auto shell = std::make_shared<std::string>();
  CLI::App* app = program.add(
      {.name = "completion",
       .summary = "A script for bash, zsh or fish that completes this command",
       .text = "The script is made of the command's own list of options, so it fits this version.\n"
               "`make install` puts bash's where bash looks for it.",
       .examples = {{"source <(rill completion bash)", "in ~/.bashrc; the same with zsh in ~/.zshrc"},
                    {"rill completion fish > ~/.config/fish/completions/rill.fish", "once, for fish"}},
       .reads = "nothing",
       .writes = "standard output"});
  choice(app->add_option("SHELL", *shell, "for which shell")->required(), {"bash", "zsh", "fish"});
  program.does([shell, &program] {
    out(*shell == "bash"  ? bash_script(program)
        : *shell == "zsh" ? zsh_script(program)
                          : fish_script(program));
    return done;
  });
}

}  // namespace rill::command
