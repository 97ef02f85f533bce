// The example programs as a user runs them, and the README's code.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

using rill::test::Environment;
using rill::test::Outcome;
using rill::test::TempDir;

// The tests run in the repository's root; programs stand in the build folder that the Makefile names.
std::string example(const std::string& name) {
  const char* build = std::getenv("RILL_BUILD_DIR");
  return std::filesystem::absolute(std::string(build ? build : "build") + "/examples/" + name);
}

Outcome run_example(const std::string& name, std::vector<std::string> arguments,
                    const Environment& changes = {}) {
  return rill::test::run_program(example(name), std::move(arguments), changes);
}

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Runs the MNIST program on drawn digits: in a folder where MNIST is not found.
Outcome run_drawn(const TempDir& folder, const std::string& arguments) {
  const std::string command =
      "cd " + folder.path() + " && exec " + example("mnist_mlp") + " --quick --out . " + arguments;
  return rill::test::run_program("/bin/sh", {"-c", command}, {{"RILL_DATA", std::nullopt}});
}

double accuracy_in(const std::string& output) {
  const std::string before = "\ntest accuracy: ";
  const std::size_t at = output.rfind(before);
  REQUIRE(at != std::string::npos);
  const std::string line = output.substr(at + before.size());
  REQUIRE(line.ends_with(" %\n"));
  return std::stod(line);
}

}  // namespace

TEST_CASE("examples: every program takes --help and runs with --quick") {
  int programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("examples")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string name = entry.path().stem();
    ++programs;
    const Outcome help = run_example(name, {"--help"});
    CHECK_MESSAGE(help.status == 0, name);
    for (const char* option : {"--seed", "--threads", "--quick"})
      CHECK_MESSAGE(help.says(option), name, option);
    const Outcome wrong = run_example(name, {"--no-such-option"});
    CHECK_MESSAGE(wrong.status == 2, name);
    CHECK_MESSAGE(wrong.says("--no-such-option"), name);
    if (name == "mnist_mlp") continue;  // has test cases of its own
    const Outcome run = run_example(name, {"--quick", "--seed", "7", "--threads", "1"});
    CHECK_MESSAGE(run.status == 0, name, run.output);
  }
  CHECK(programs >= 4);
}

TEST_CASE("examples: leaky_relu_story prints the values of the two pages that it follows") {
  const Outcome run = run_example("leaky_relu_story", {});
  CHECK(run.says("slope 0.3 (default)  tensor([-0.9000, -0.3000,  0.0000,  2.0000])"));
  CHECK(run.says("slope 0.1            tensor([-0.3000, -0.1000,  0.0000,  2.0000])"));
  CHECK(run.says("slope 0.01 (default) tensor([-0.0200, -0.0100,  0.0000,  1.0000,  2.0000])"));
  CHECK(run.says("slope 0.2            tensor([-0.4000, -0.2000,  0.0000,  1.0000,  2.0000])"));
  CHECK(run.says("slope 1 (identity)   tensor([-2., -1.,  0.,  1.,  2.])"));
  CHECK(run.says("zeros after leaky_relu(0.1)  0 %"));
}

TEST_CASE("examples: xor is learnt") {
  const Outcome run = run_example("xor", {});
  CHECK(run.says("0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n4 of 4 correct\n"));
}

TEST_CASE("examples: the code in README.md is the quickstart, to the letter") {
  const std::string source = text_of("examples/quickstart.cpp"), readme = text_of("README.md");
  const auto between = [](const std::string& text, const std::string& begin, const std::string& end) {
    const std::size_t from = text.find(begin);
    REQUIRE(from != std::string::npos);
    const std::size_t to = text.find(end, from + begin.size());
    REQUIRE(to != std::string::npos);
    return text.substr(from + begin.size(), to - from - begin.size());
  };
  CHECK(between(readme, "```cpp\n", "```") ==
        between(source, "// [quickstart]\n", "// [/quickstart]") + "\nint main() { quickstart(42); }\n");
}

TEST_CASE("mnist_mlp: without MNIST it trains on drawn digits and says so") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "");
  CHECK(run.status == 0);
  CHECK(run.says("these are NOT MNIST"));
  CHECK(run.says("RILL_DATA"));
  CHECK(run.says("units that are never on, over 6000 training images"));
  CHECK(run.says("model saved to ./model.safetensors"));
  CHECK(accuracy_in(run.output) > 85);
  CHECK(run.output.find('\033') == std::string::npos);
  CHECK(folder.names() == std::vector<std::string>{"log.csv", "model.safetensors"});
}

TEST_CASE("mnist_mlp: one seed gives one model for any number of threads, another seed another one") {
  const TempDir one, three, other;
  run_drawn(one, "--epochs 1 --threads 1");
  run_drawn(three, "--epochs 1 --threads 3");
  run_drawn(other, "--epochs 1 --seed 43");
  CHECK(one.read("model.safetensors") == three.read("model.safetensors"));
  CHECK(one.read("log.csv") == three.read("log.csv"));
  CHECK(one.read("model.safetensors") != other.read("model.safetensors"));
}

TEST_CASE("mnist_mlp: wrong usage exits 2, missing data and folders 1, a diverged run 3") {
  const TempDir folder;
  for (const std::string arguments :
       {"--lr 0", "--lr nan", "--slope -1", "--epochs 0", "--batch 0", "--threads 0"}) {
    CHECK_MESSAGE(run_drawn(folder, arguments).status == 2, arguments);
  }
  const Outcome missing = run_drawn(folder, "--data nowhere");
  CHECK(missing.status == 1);
  CHECK(missing.says("error: load_mnist: folder \"nowhere\" has no train-images-idx3-ubyte"));
  folder.write("file", "");
  CHECK(run_drawn(folder, "--out file/below").status == 1);
  const Outcome diverged = run_drawn(folder, "--lr 1e18");
  CHECK(diverged.status == 3);
  CHECK(diverged.says("expected a finite number; lower --lr"));
}

TEST_CASE("mnist_mlp: real MNIST is learnt") {
  const char* data = std::getenv("RILL_DATA");
  const std::string folder = data ? data : "data/mnist";
  if (!std::filesystem::exists(folder + "/train-labels-idx1-ubyte.gz") &&
      !std::filesystem::exists(folder + "/train-labels-idx1-ubyte")) {
    return rill::test::skip("MNIST is not in " + folder + "; set RILL_DATA");
  }
  const TempDir out;
  const Outcome run = run_example("mnist_mlp", {"--quick", "--data", folder, "--out", out.path()});
  CHECK(run.status == 0);
  CHECK(run.says("data: MNIST in " + folder));
  CHECK(accuracy_in(run.output) > 93);
}
