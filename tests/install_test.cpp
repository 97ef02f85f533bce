// rill as other programs use it: what `make install` writes, found by the compiler alone and by pkg-config, and what it
// refuses to write. Facts are files, versions, sizes and runs, never times.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <rill/core/version.hpp>

#include "installation.hpp"

namespace {

namespace fs = std::filesystem;
using namespace rill::test;

std::string pkg_config(const std::string& prefix, const std::string& arguments) {
  return "$(PKG_CONFIG_PATH=" + prefix + "/lib/pkgconfig pkg-config " + arguments + " rill)";
}

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

TEST_CASE("install: headers, library, pkg-config and CMake name the same version") {
  if (!have("pkg-config")) return;
  const std::string& prefix = installed().prefix;
  const TempDir folder;
  const std::string source = folder.write(
      "version.cpp",
      "#include <iostream>\n#include <rill/core/version.hpp>\nint main() { std::cout << RILL_VERSION << "
      "' ' << RILL_VERSION_STRING << ' ' << rill::version(); }\n");
  sh(compiler + "-I " + prefix + "/include " + source + " -L " + prefix + "/lib -lrill -Wl,-rpath," + prefix +
     "/lib -o " + folder.file("app"));
  const std::string version = RILL_VERSION_STRING;
  CHECK(sh(folder.file("app")) == std::to_string(RILL_VERSION) + " " + version + " " + version);
  CHECK(sh("echo " + pkg_config(prefix, "--modversion")) == version + "\n");
  CHECK(fs::read_symlink(prefix + "/lib/librill.so") == soname);
  CHECK(fs::read_symlink(prefix + "/lib/" + soname) == "librill.so." + version);
  CHECK(sh("readelf -d " + prefix + "/lib/librill.so").find("[" + soname + "]") != std::string::npos);
}

TEST_CASE("install: README.md asks find_package for this version") {
  CHECK(from_readme("find_package(rill ", " ") == version_of(RILL_VERSION_MAJOR, RILL_VERSION_MINOR));
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

TEST_CASE("install: a path that the generated files cannot hold is refused, and nothing is written") {
  const TempDir folder;
  for (const char* name : {"a b", "a;b", "a#b", "a&b"}) {
    const std::string prefix = folder.file(name);
    const Outcome run = try_sh(make_command("install-built", prefix));
    CHECK(run.status != 0);
    const char* expected = std::string(name) == "a b" ? "blanks" : "any of \"'`#;$&|\\";
    CHECK(run.says("install: PREFIX=" + prefix + " LIBDIR=" + prefix + "/lib: expected paths without " +
                   expected + "\n"));
  }
  CHECK(folder.names().empty());
}

TEST_CASE("install: an include/rill that is a symlink is refused, and nothing is written") {
  const TempDir folder;
  fs::create_directories(folder.file("usr/include"));
  fs::create_directory(folder.file("elsewhere"));
  fs::create_symlink(folder.file("elsewhere"), folder.file("usr/include/rill"));
  const Outcome run = try_sh(make_command("install-built", folder.file("usr")));
  CHECK(run.status != 0);
  CHECK(run.says("install: " + folder.file("usr/include/rill") +
                 " is a symlink, expected a folder or nothing; remove it first\n"));
  CHECK(fs::is_empty(folder.file("elsewhere")));
  CHECK_FALSE(fs::exists(folder.file("usr/lib")));
}

TEST_CASE("install: the system's loader is told of a library in one of its folders, or the user is") {
  const TempDir folder;
  const std::string prefix = folder.file("usr"), loads = prefix + "/lib: (from /etc/ld.so.conf:1)";
  const std::string advice = "install: run ldconfig as root, so that programs find " + soname + "\n";
  fs::create_directory(folder.file("bin"));
  folder.write("bin/ldconfig", "#!/bin/sh\nif [ $# = 0 ]; then echo refreshed; else echo \"$FOLDERS\"; fi\n");
  folder.write("bin/id", "#!/bin/sh\necho $ID\n");
  sh("chmod +x " + folder.file("bin/*"));
  const auto install = [&](const std::string& folders, const char* id, const char* destination) {
    return sh("FOLDERS='" + folders + "' ID=" + id + " PATH=" + folder.file("bin") + ":$PATH " +
              make_command("install-built", prefix) + " STRIP=true DESTDIR=" + destination);
  };
  CHECK(install(loads, "0", "") == "refreshed\n");
  CHECK(install(loads, "1000", "") == advice);
  CHECK(install("/lib: (from <builtin>:0)", "0", "") == "");
  CHECK(install(loads, "0", folder.file("stage").c_str()) == "");
}
