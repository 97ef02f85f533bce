// The example elu_8x128 as a user runs it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

using rill::test::Outcome;
using rill::test::TempDir;

// On drawn digits: in a folder where MNIST is not found.
Outcome run_elu(const TempDir& folder, const std::string& arguments) {
  const char* build = std::getenv("RILL_BUILD_DIR");
  const std::string program =
      std::filesystem::absolute(std::string(build ? build : "build") + "/examples/elu_8x128");
  const std::string command = "cd " + folder.path() + " && exec " + program + " --quick --out . " + arguments;
  return rill::test::run_program("/bin/sh", {"-c", command}, {{"RILL_DATA", std::nullopt}});
}

}  // namespace

TEST_CASE("elu_8x128: ELU has the smaller median activation and the faster loss, as published") {
  const TempDir folder;
  const Outcome run = run_elu(folder, "");
  CHECK(run.status == 0);
  CHECK(run.says("these are NOT MNIST"));
  CHECK(run.says("median activation: ELU is below both others in 2 of 2 epochs, as published\n"));
  CHECK(run.says("training loss: ELU is below both others in 2 of 2 epochs, as published\n"));
  CHECK(folder.names() == std::vector<std::string>{"elu_8x128.csv"});
  const std::string csv = folder.read("elu_8x128.csv");
  CHECK(csv.starts_with("activation,epoch,training_loss,test_accuracy,median_activation\nelu,1,"));
  CHECK(csv.find("\nleaky_relu:0.1,2,") != std::string::npos);
  CHECK(std::ranges::count(csv, '\n') == 1 + 3 * 2);
}

TEST_CASE("elu_8x128: one seed gives the same numbers for any number of threads") {
  const TempDir one, three;
  const Outcome serial = run_elu(one, "--epochs 1 --threads 1"),
                parallel = run_elu(three, "--epochs 1 --threads 3");
  CHECK(serial.status == 0);
  CHECK(parallel.status == 0);
  CHECK(one.read("elu_8x128.csv") == three.read("elu_8x128.csv"));
}

TEST_CASE("elu_8x128: gnuplot draws what was written") {
  const auto shell = [](const std::string& command) {
    return rill::test::run_program("/bin/sh", {"-c", command});
  };
  if (shell("command -v gnuplot").status != 0) return rill::test::skip("gnuplot is not installed");
  const TempDir folder;
  run_elu(folder, "--epochs 1");
  const Outcome drawn = shell("gnuplot -c examples/elu_8x128.gp " + folder.path() + " 'drawn digits'");
  CHECK(drawn.status == 0);
  CHECK_MESSAGE(drawn.output.find("warning") == std::string::npos, drawn.output);
  CHECK(folder.names() == std::vector<std::string>{"elu_8x128.csv", "elu_8x128.png", "elu_8x128.svg"});
}

TEST_CASE("elu_8x128: missing data and folders exit 1, wrong usage 2") {
  const TempDir folder;
  const Outcome missing = run_elu(folder, "--data nowhere");
  CHECK(missing.status == 1);
  CHECK(missing.says("error: load_mnist: folder \"nowhere\" has no train-images-idx3-ubyte"));
  CHECK(run_elu(folder, "--epochs 0").status == 2);
}
