// What `rill` prints about itself for shells and readers: completion, the manual, and how they are installed.
#include "rill_command.hpp"

#include <fstream>
#include <iterator>

#include "skip.hpp"

namespace {

using namespace rill;
using namespace rill::test;

bool have_tool(const std::string& tool) {
  if (run_program("/bin/sh", {"-c", "command -v " + tool}).status == 0) return true;
  skip(tool + " is not here");
  return false;
}

// Words such as --threads that stand in a text as an option of its own.
std::vector<std::string> options_in(const std::string& help) {
  std::vector<std::string> options;
  for (const std::string& line : lines_of(help)) {
    const std::size_t at = line.find("--");
    if (!line.starts_with("  -") || at == std::string::npos) continue;
    options.push_back(line.substr(at, line.find_first_of(" ,", at) - at));
  }
  return options;
}

std::vector<std::string> commands() {
  std::vector<std::string> names;
  const std::string help = rill::test::rill({"--help"}).output;
  bool inside = false;
  for (const std::string& line : lines_of(help)) {
    if (line == "Subcommands:") {
      inside = true;
    } else if (inside && line.starts_with("  ")) {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    } else {
      inside = false;
    }
  }
  return names;
}

// What bash offers for the last of some words.
std::string completed(const std::string& words) {
  return run_program("/bin/bash",
                     {"-c", "source <('" + rill_program() + "' completion bash); COMP_WORDS=(" + words +
                                "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _rill; echo \"${COMPREPLY[*]}\""})
      .output;
}

}  // namespace

TEST_CASE("rill completion: every shell's script names every command and every option") {
  const std::vector<std::string> names = commands();
  REQUIRE(names.size() >= 13);
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Outcome run = rill::test::rill({"completion", shell});
    CHECK(run.status == 0);
    for (const std::string& name : names) {
      CHECK_MESSAGE(run.says(name), shell, " ", name);
      const std::vector<std::string> options = options_in(rill::test::rill({name, "--help"}).output);
      CHECK(options.size() >= 2);
      for (const std::string& option : options) {
        const std::string written = shell == "fish" ? "-l " + option.substr(2) + " " : option;
        CHECK_MESSAGE(run.says(written), shell, " ", name, " ", option);
      }
    }
  }
}

TEST_CASE("rill completion: bash completes commands, options, and words that an option takes") {
  CHECK(completed("rill do") == "doctor\n");
  CHECK(completed("rill eval --spl") == "--split\n");
  CHECK(completed("rill eval m.safetensors --split te") == "test\n");
  CHECK(completed("rill completion f") == "fish\n");
  CHECK(completed("rill predict --format ''") == "auto csv idx npy\n");
}

TEST_CASE("rill completion: the scripts are right for their shells") {
  CHECK(run_program("/bin/bash", {"-c", "'" + rill_program() + "' completion bash | bash -n"}).output == "");
  for (const std::string shell : {"zsh", "fish"}) {
    if (!have_tool(shell)) return;
    CHECK(
        run_program("/bin/sh", {"-c", "'" + rill_program() + "' completion " + shell + " | " + shell + " -n"})
            .output == "");
  }
}

TEST_CASE("rill man: groff has nothing to say against the page") {
  if (!have_tool("groff")) return;
  const Outcome run =
      run_program("/bin/sh", {"-c", "'" + rill_program() + "' man | groff -ww -man -Tascii 2>&1 >/dev/null"});
  CHECK(run.output == "");
}

TEST_CASE("rill man: the page has every command, with every option") {
  const std::string page = rill::test::rill({"man"}).output;
  const auto plain = [](std::string text) {
    for (std::size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 2))
      text.insert(at, "\\");
    return text;
  };
  for (const std::string& name : commands()) {
    CHECK(page.find(".SS rill " + name + "\n") != std::string::npos);
    for (const std::string& option : options_in(rill::test::rill({name, "--help"}).output))
      CHECK_MESSAGE(page.find("\\fB" + plain(option) + "\\fR") != std::string::npos, name, " ", option);
  }
}

TEST_CASE("rill: what the build has written about the command is what it prints") {
  const std::filesystem::path share =
      std::filesystem::path(rill_program()).parent_path().parent_path() / "share";
  const std::vector<std::pair<std::string, std::vector<std::string>>> files = {
      {"man/man1/rill.1", {"man"}},
      {"bash-completion/completions/rill", {"completion", "bash"}},
      {"zsh/site-functions/_rill", {"completion", "zsh"}},
      {"fish/vendor_completions.d/rill.fish", {"completion", "fish"}},
      {"rill/run.schema.json", {"schema", "run"}},
      {"rill/model.schema.json", {"schema", "model"}}};
  for (const auto& file : files) {
    std::ifstream in(share / file.first, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    CHECK_MESSAGE(text == rill::test::rill(file.second).output, file.first);
  }
}
