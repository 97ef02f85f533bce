// The part that writes ONNX files as other programs use it, found by pkg-config and by CMake. Skipped where it is not
// built.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "installation.hpp"

namespace {

using namespace rill::test;

const std::string program = R"(
#include <rill/nn/onnx/export.hpp>
#include <rill/rill.hpp>
int main(int, char** arguments) {
  rill::Generator generator(1);
  rill::nn::Sequential network{rill::nn::Dense(3, 2, generator), rill::nn::Softmax()};
  rill::nn::save_onnx(arguments[1], network, {3});
}
)";

bool have_onnx() {
  if (std::filesystem::exists(installed().prefix + "/lib/librill_onnx.a")) return true;
  skip("built without ONNX; ONNX=1 tools/setup.sh onnx installs what it needs");
  return false;
}

// Whether the program ran and its file names the op.
bool exports(const TempDir& folder, const std::string& command) {
  sh(command + " " + folder.file("network.onnx"));
  return folder.read("network.onnx").find("Gemm") != std::string::npos;
}

}  // namespace

TEST_CASE("install: pkg-config's rill-onnx is enough for a program that writes ONNX files") {
  if (!have_onnx() || !have("pkg-config")) return;
  const TempDir folder;
  const std::string& prefix = installed().prefix;
  sh(compiler + folder.write("app.cpp", program) + " $(PKG_CONFIG_PATH=" + prefix +
     "/lib/pkgconfig pkg-config --cflags --libs rill-onnx) -o " + folder.file("app"));
  CHECK(exports(folder, "LD_LIBRARY_PATH=" + prefix + "/lib " + folder.file("app")));
}

TEST_CASE("install: CMake's rill::onnx is enough for a program that writes ONNX files") {
  if (!have_onnx() || !have("cmake")) return;
  const TempDir folder;
  folder.write("app.cpp", program);
  folder.write(
      "CMakeLists.txt",
      "cmake_minimum_required(VERSION 3.18)\nproject(app LANGUAGES CXX)\nfind_package(rill REQUIRED)\n"
      "add_executable(app app.cpp)\ntarget_link_libraries(app rill::onnx)\n");
  sh("cmake -S " + folder.path() + " -B " + folder.file("build") +
     " -DCMAKE_PREFIX_PATH=" + installed().prefix + " && cmake --build " + folder.file("build"));
  CHECK(exports(folder, folder.file("build/app")));
}

TEST_CASE("install: librill itself needs no protobuf") {
  CHECK(sh("readelf -d " + installed().prefix + "/lib/librill.so").find("protobuf") == std::string::npos);
}
