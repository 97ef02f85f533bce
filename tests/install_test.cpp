// rill as other programs use it: what `make install` writes, found by the compiler alone, by pkg-config and by CMake,
// and rill's folder as a part of somebody's CMake project. Facts are files, versions, sizes and runs, never times.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <rill/core/version.hpp>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

namespace fs = std::filesystem;
using rill::test::Outcome;
using rill::test::TempDir;

std::string variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

// Runs a shell command that has to succeed; what it printed. A make above does not reach into it.
std::string sh(const std::string& command) {
  const Outcome run = rill::test::run_program(
      "/bin/sh", {"-c", command},
      {{"MAKEFLAGS", std::nullopt}, {"MFLAGS", std::nullopt}, {"MAKELEVEL", std::nullopt}});
  REQUIRE_MESSAGE(run.status == 0, command, "\n", run.output);
  return run.output;
}

bool have(const std::string& tool) {
  if (rill::test::run_program("/bin/sh", {"-c", "command -v " + tool}).status == 0) return true;
  rill::test::skip(tool + " is not here; tools/setup.sh package installs it");
  return false;
}

void make(const std::string& action, const std::string& prefix) {
  sh("make BUILD=" + variable("RILL_BUILD_DIR", "build") + " " + action + " PREFIX=" + prefix);
}

// One installation for all test cases, and a folder for programs beside it.
struct Installed {
  TempDir folder;
  std::string prefix = folder.file("usr");
  Installed() { make("install-built", prefix); }
};

const Installed& installed() {
  static const Installed once;
  return once;
}

// g++ or the compiler that the tests were built with.
const std::string compiler = variable("CXX", "g++") + " -std=c++20 ";

std::string pkg_config(const std::string& prefix, const std::string& arguments) {
  return "$(PKG_CONFIG_PATH=" + prefix + "/lib/pkgconfig pkg-config " + arguments + " rill)";
}

// README.md's quickstart, as somebody copies it.
std::string quickstart() {
  std::ifstream in("README.md");
  const std::string readme{std::istreambuf_iterator<char>(in), {}}, begin = "```cpp\n";
  const std::size_t from = readme.find(begin) + begin.size();
  return readme.substr(from, readme.find("```", from) - from);
}

bool trains(const std::string& program) {
  return sh(program).find(" of 2000 unseen digits are read correctly\n") != std::string::npos;
}

std::string cmake(const TempDir& folder, const std::string& arguments) {
  return sh("cmake -S " + folder.path() + " -B " + folder.file("build") + " -DCMAKE_BUILD_TYPE=Debug " +
            arguments);
}

std::string version_of(int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); }

// A CMake project around rill's own folder.
const std::string subproject =
    "cmake_minimum_required(VERSION 3.18)\nproject(app LANGUAGES CXX)\ninclude(FetchContent)\n"
    "FetchContent_Declare(rill SOURCE_DIR " +
    fs::current_path().string() + ")\nFetchContent_MakeAvailable(rill)\n";

}  // namespace

TEST_CASE("install: the quickstart compiles with the installed headers alone, and runs") {
  const std::string& prefix = installed().prefix;
  const TempDir folder;
  const std::string source = folder.write("quickstart.cpp", quickstart()), program = folder.file("app");
  sh(compiler + "-O2 -I " + prefix + "/include " + source + " -L " + prefix + "/lib -lrill -Wl,-rpath," +
     prefix + "/lib -o " + program);
  CHECK(trains(program));
}

TEST_CASE("install: pkg-config names what the shared library needs") {
  if (!have("pkg-config")) return;
  const std::string& prefix = installed().prefix;
  const TempDir folder;
  const std::string source = folder.write("quickstart.cpp", quickstart()), program = folder.file("app");
  sh(compiler + source + " " + pkg_config(prefix, "--cflags --libs") + " -o " + program);
  CHECK(trains("LD_LIBRARY_PATH=" + prefix + "/lib " + program));
}

TEST_CASE("install: pkg-config --static names what librill.a needs, also after the tree was moved") {
  if (!have("pkg-config")) return;
  const TempDir folder;
  const std::string moved = folder.file("moved");
  fs::copy(installed().prefix, moved, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  sh("rm " + moved + "/lib/librill.so*");
  const std::string source = folder.write("quickstart.cpp", quickstart()), program = folder.file("app");
  sh(compiler + source + " " + pkg_config(moved, "--static --cflags --libs") + " -o " + program);
  CHECK(trains(program));
}

TEST_CASE("install: CMake finds rill::rill and rill::rill_static") {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("quickstart.cpp", quickstart());
  folder.write(
      "CMakeLists.txt",
      "cmake_minimum_required(VERSION 3.18)\nproject(app LANGUAGES CXX)\n"
      "find_package(rill " +
          version_of(RILL_VERSION_MAJOR, RILL_VERSION_MINOR) +
          " REQUIRED)\n"
          "add_library(code OBJECT quickstart.cpp)\ntarget_link_libraries(code rill::rill)\n"
          "add_executable(shared $<TARGET_OBJECTS:code>)\ntarget_link_libraries(shared rill::rill)\n"
          "add_executable(static $<TARGET_OBJECTS:code>)\ntarget_link_libraries(static rill::rill_static)\n"
          "set_target_properties(shared static PROPERTIES LINKER_LANGUAGE CXX)\n");
  cmake(folder, "-DCMAKE_PREFIX_PATH=" + installed().prefix);
  sh("cmake --build " + folder.file("build"));
  CHECK(trains(folder.file("build/shared")));
  CHECK(trains(folder.file("build/static")));
  CHECK(sh("ldd " + folder.file("build/static")).find("librill") == std::string::npos);
}

TEST_CASE("install: CMake takes versions with the same first two numbers that are not newer") {
  if (!have("cmake")) return;
  const int major = RILL_VERSION_MAJOR, minor = RILL_VERSION_MINOR, patch = RILL_VERSION_PATCH;
  const std::string mine = version_of(major, minor), next = version_of(major, minor + 1);
  const auto found = [](const std::string& wanted) {
    const TempDir folder;
    folder.write("CMakeLists.txt",
                 "cmake_minimum_required(VERSION 3.19)\nproject(app NONE)\n"
                 "find_package(rill " +
                     wanted + ")\nmessage(\"found ${rill_FOUND} ${rill_VERSION}\")\n");
    const std::string output = cmake(folder, "-DCMAKE_PREFIX_PATH=" + installed().prefix);
    return output.find("found 1 " RILL_VERSION_STRING "\n") != std::string::npos;
  };
  CHECK(found(""));
  CHECK(found(mine));
  CHECK(found(RILL_VERSION_STRING " EXACT"));
  CHECK(found(mine + "..." + next));
  CHECK_FALSE(found(next));
  CHECK_FALSE(found(version_of(major + 1, minor)));
  CHECK_FALSE(found(mine + "." + std::to_string(patch + 1)));
  CHECK_FALSE(found(next + "..." + version_of(major + 1, 0)));
}

TEST_CASE("install: headers, library, pkg-config and CMake name the same version") {
  if (!have("pkg-config")) return;
  const std::string& prefix = installed().prefix;
  const TempDir folder;
  const std::string source = folder.write(
      "version.cpp",
      "#include <iostream>\n#include <rill/core/version.hpp>\nint main() { std::cout << RILL_VERSION << "
      "' ' << RILL_VERSION_STRING << ' ' << rill::version(); }\n");
  sh(compiler + "-I " + prefix + "/include " + source + " " + prefix + "/lib/librill.a -o " +
     folder.file("app"));
  const std::string version = RILL_VERSION_STRING, major = std::to_string(RILL_VERSION_MAJOR);
  CHECK(sh(folder.file("app")) == std::to_string(RILL_VERSION) + " " + version + " " + version);
  CHECK(sh("echo " + pkg_config(prefix, "--modversion")) == version + "\n");
  CHECK(fs::read_symlink(prefix + "/lib/librill.so") == "librill.so." + major);
  CHECK(fs::read_symlink(prefix + "/lib/librill.so." + major) == "librill.so." + version);
  CHECK(sh("readelf -d " + prefix + "/lib/librill.so").find("[librill.so." + major + "]") !=
        std::string::npos);
}

TEST_CASE("install: the umbrella header draws in rill's own headers and the standard library alone") {
  const std::string& prefix = installed().prefix;
  const std::string headers =
      sh("echo '#include <rill/rill.hpp>' | " + compiler + "-I " + prefix + "/include -x c++ -M -");
  CHECK(headers.find(prefix + "/include/rill/core/tensor.hpp") != std::string::npos);
  for (const char* foreign : {"nlohmann", "fmt/", "CLI/", "doctest", "cblas.h", "omp.h", "zlib.h"}) {
    CHECK_MESSAGE(headers.find(foreign) == std::string::npos, foreign);
  }
}

TEST_CASE("install: the shared library is smaller than 5 MB") {
  const std::string& prefix = installed().prefix;
  CHECK(fs::file_size(prefix + "/lib/librill.so") < 5'000'000);
}

TEST_CASE("install: a program of a few tensors stays below 10 MiB") {
  const std::string& prefix = installed().prefix;
  const TempDir folder;
  const std::string source = folder.write("hello.cpp", R"(
#include <fstream>
#include <iostream>
#include <rill/rill.hpp>
int main() {
  const rill::Tensor a = rill::tensor({{1, 2}, {3, 4}});
  if (matmul(a, a).leaky_relu().sum().item() != 54) return 1;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) std::cout << line.substr(6) << '\n';
  }
})");
  sh(compiler + "-O1 -I " + prefix + "/include " + source + " -L " + prefix + "/lib -lrill -Wl,-rpath," +
     prefix + "/lib -o " + folder.file("hello"));
  // OpenBLAS starts its threads when it is loaded, and each costs memory: here as on a machine of two cores.
  std::istringstream peak(sh("OPENBLAS_NUM_THREADS=2 OMP_NUM_THREADS=2 " + folder.file("hello")));
  int kibibytes = 0;
  peak >> kibibytes;
  CHECK(kibibytes > 1000);
  CHECK(kibibytes < 10 * 1024);
}

TEST_CASE("install: uninstall leaves nothing but folders, and strangers' files") {
  const TempDir folder;
  const std::string prefix = folder.file("usr");
  make("install-built", prefix);
  std::ofstream(prefix + "/include/rill/stale.hpp") << "of an older version";
  make("install-built", prefix);
  CHECK_FALSE(fs::exists(prefix + "/include/rill/stale.hpp"));
  std::ofstream(prefix + "/lib/libother.so") << "not ours";
  make("uninstall", prefix);
  CHECK_FALSE(fs::exists(prefix + "/include/rill"));
  CHECK(sh("cd " + prefix + " && find . ! -type d") == "./lib/libother.so\n");
}

TEST_CASE("install: rill's folder in a CMake project adds one target, and no flags to the project's own") {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("CMakeLists.txt", subproject + R"(
get_property(targets DIRECTORY "${rill_SOURCE_DIR}" PROPERTY BUILDSYSTEM_TARGETS)
get_target_property(options rill INTERFACE_COMPILE_OPTIONS)
get_target_property(definitions rill INTERFACE_COMPILE_DEFINITIONS)
get_target_property(version rill VERSION)
message("targets ${targets}, options ${options}, definitions ${definitions}, version ${version}")
message("project ${CMAKE_CXX_FLAGS}|${CMAKE_CXX_STANDARD}|${BUILD_TESTING}|")
)");
  const std::string output = cmake(folder, "");
  CHECK(output.find("targets rill, options options-NOTFOUND, definitions definitions-NOTFOUND, "
                    "version " RILL_VERSION_STRING "\n") != std::string::npos);
  CHECK(output.find("project |||\n") != std::string::npos);
}

// Compiles the whole library: `make check-install` runs it.
TEST_CASE("install: the quickstart builds and runs with rill's folder in a CMake project" * doctest::skip()) {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("quickstart.cpp", quickstart());
  folder.write("CMakeLists.txt",
               subproject +
                   "add_executable(app quickstart.cpp)\ntarget_link_libraries(app rill::rill)\n"
                   "target_compile_options(app PRIVATE -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow "
                   "-Werror)\n");
  cmake(folder, "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -DCMAKE_UNITY_BUILD=ON");
  sh("cmake --build " + folder.file("build") + " --parallel");
  CHECK(trains(folder.file("build/app")));
}
