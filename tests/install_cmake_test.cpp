// rill in somebody's CMake project: as an installed package, and its folder as a part of the project.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include <rill/core/version.hpp>

#include "installation.hpp"

namespace {

namespace fs = std::filesystem;
using namespace rill::test;

std::string cmake(const TempDir& folder, const std::string& arguments) {
  return sh("cmake -S " + folder.path() + " -B " + folder.file("build") + " -DCMAKE_BUILD_TYPE=Debug " +
            arguments);
}

// A CMake project around rill's own folder.
const std::string subproject =
    "cmake_minimum_required(VERSION 3.18)\nproject(app LANGUAGES CXX)\ninclude(FetchContent)\n"
    "FetchContent_Declare(rill SOURCE_DIR " +
    fs::current_path().string() + ")\nFetchContent_MakeAvailable(rill)\n";

}  // namespace

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
          "add_executable(static $<TARGET_OBJECTS:code>)\ntarget_link_libraries(static rill::rill_static)\n");
  cmake(folder, "-DCMAKE_PREFIX_PATH=" + installed().prefix);
  sh("cmake --build " + folder.file("build"));
  CHECK(trains(folder.file("build/shared")));
  CHECK(trains(folder.file("build/static")));
  CHECK(sh("ldd " + folder.file("build/static")).find("librill") == std::string::npos);
}

TEST_CASE("install: CMake takes versions with the numbers of the soname that are not newer") {
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

TEST_CASE("install: CMake finds the headers through a symlink to the folder of libraries") {
  if (!have("cmake")) return;
  const TempDir folder;
  fs::create_directory_symlink(installed().prefix + "/lib", folder.file("lib"));
  folder.write("CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.18)\nproject(app NONE)\nfind_package(rill REQUIRED)\n"
               "get_target_property(headers rill::rill INTERFACE_INCLUDE_DIRECTORIES)\n"
               "get_target_property(static_headers rill::rill_static INTERFACE_INCLUDE_DIRECTORIES)\n"
               "message(\"headers ${headers}, ${static_headers}\")\n");
  const std::string output = cmake(folder, "-Drill_DIR=" + folder.file("lib/cmake/rill"));
  const std::string include = fs::canonical(installed().prefix).string() + "/include";
  CHECK(output.find("headers " + include + ", " + include + "\n") != std::string::npos);
}

TEST_CASE("install: CMake links a program of C files with rill::rill_static by the C++ compiler") {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("main.c", "int main(void) { return 0; }\n");
  folder.write("CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.18)\nproject(app LANGUAGES C CXX)\n"
               "find_package(rill REQUIRED)\nadd_executable(app main.c)\n"
               "target_link_libraries(app rill::rill_static)\n"
               "file(WRITE \"${CMAKE_BINARY_DIR}/compiler\" \"${CMAKE_CXX_COMPILER} \")\n");
  cmake(folder, "-G 'Unix Makefiles' -DCMAKE_PREFIX_PATH=" + installed().prefix);
  CHECK(folder.read("build/CMakeFiles/app.dir/link.txt").starts_with(folder.read("build/compiler")));
}

TEST_CASE("install: CMake does not find a rill with components") {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("CMakeLists.txt",
               "cmake_minimum_required(VERSION 3.18)\nproject(app NONE)\nfind_package(rill COMPONENTS cuda)\n"
               "message(\"found ${rill_FOUND}\")\nfind_package(rill OPTIONAL_COMPONENTS cuda)\n"
               "message(\"found ${rill_FOUND}, cuda ${rill_cuda_FOUND}\")\n");
  const std::string output = cmake(folder, "-DCMAKE_PREFIX_PATH=" + installed().prefix);
  CHECK(output.find("rill: unknown component cuda, expected none\n") != std::string::npos);
  CHECK(output.find("found 0\n") != std::string::npos);
  CHECK(output.find("found 1, cuda FALSE\n") != std::string::npos);
}

TEST_CASE("install: the package leaves a rill::rill alone that rill's folder made") {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("CMakeLists.txt", subproject +
                                     "find_package(rill REQUIRED CONFIG)\n"
                                     "get_target_property(alias rill::rill ALIASED_TARGET)\n"
                                     "message(\"rill::rill is ${alias}\")\n");
  const std::string output = cmake(folder, "-Drill_DIR=" + installed().prefix + "/lib/cmake/rill");
  CHECK(output.find("rill::rill is rill\n") != std::string::npos);
}

TEST_CASE("install: rill's folder in a CMake project adds one target, and no flags to the project's own") {
  if (!have("cmake")) return;
  const TempDir folder;
  folder.write("CMakeLists.txt", subproject + R"(
get_property(targets DIRECTORY "${rill_SOURCE_DIR}" PROPERTY BUILDSYSTEM_TARGETS)
get_target_property(options rill INTERFACE_COMPILE_OPTIONS)
get_target_property(definitions rill INTERFACE_COMPILE_DEFINITIONS)
get_target_property(version rill VERSION)
get_target_property(soversion rill SOVERSION)
message("targets ${targets}, options ${options}, definitions ${definitions}, version ${version}")
message("soname librill.so.${soversion}")
message("project ${CMAKE_CXX_FLAGS}|${CMAKE_CXX_STANDARD}|${BUILD_TESTING}|")
)");
  const std::string output = cmake(folder, "");
  CHECK(output.find("targets rill, options options-NOTFOUND, definitions definitions-NOTFOUND, "
                    "version " RILL_VERSION_STRING "\n") != std::string::npos);
  CHECK(output.find("soname " + soname + "\n") != std::string::npos);
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
