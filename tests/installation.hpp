// What the tests of the installation share: one installed tree, shell commands that have to succeed, and README.md's
// quickstart as the program that uses it.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include <rill/core/version.hpp>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace rill::test {

inline std::string variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

// Runs a shell command. A make above does not reach into it.
inline Outcome try_sh(const std::string& command) {
  return run_program("/bin/sh", {"-c", command},
                     {{"MAKEFLAGS", std::nullopt}, {"MFLAGS", std::nullopt}, {"MAKELEVEL", std::nullopt}});
}

// Runs a shell command that has to succeed; what it printed.
inline std::string sh(const std::string& command) {
  const Outcome run = try_sh(command);
  REQUIRE_MESSAGE(run.status == 0, command, "\n", run.output);
  return run.output;
}

inline bool have(const std::string& tool) {
  if (run_program("/bin/sh", {"-c", "command -v " + tool}).status == 0) return true;
  skip(tool + " is not here; tools/setup.sh package installs it");
  return false;
}

inline std::string make_command(const std::string& action, const std::string& prefix) {
  return "make BUILD=" + variable("RILL_BUILD_DIR", "build") + " " + action + " PREFIX='" + prefix + "'";
}

inline void make(const std::string& action, const std::string& prefix) { sh(make_command(action, prefix)); }

// One installation for all test cases, and a folder for programs beside it.
struct Installed {
  TempDir folder;
  std::string prefix = folder.file("usr");
  Installed() { make("install-built", prefix); }
};

inline const Installed& installed() {
  static const Installed once;
  return once;
}

// g++ or the compiler that the tests were built with.
inline const std::string compiler = variable("CXX", "g++") + " -std=c++20 ";

// What stands in README.md between `begin` and `end`.
inline std::string from_readme(const std::string& begin, const std::string& end) {
  std::ifstream in("README.md");
  const std::string readme{std::istreambuf_iterator<char>(in), {}};
  const std::size_t at = readme.find(begin);
  REQUIRE_MESSAGE(at != std::string::npos, begin);
  const std::size_t from = at + begin.size();
  return readme.substr(from, readme.find(end, from) - from);
}

// README.md's quickstart, as somebody copies it.
inline std::string quickstart() { return from_readme("```cpp\n", "```"); }

inline bool trains(const std::string& program) {
  return sh(program).find(" of 2000 unseen digits are read correctly\n") != std::string::npos;
}

inline std::string version_of(int major, int minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

// While the first number is 0, a change of the second may break programs.
inline const std::string soname =
    "librill.so." + (RILL_VERSION_MAJOR == 0 ? version_of(RILL_VERSION_MAJOR, RILL_VERSION_MINOR)
                                             : std::to_string(RILL_VERSION_MAJOR));

}  // namespace rill::test
