// examples/dead_neurons as a user runs it, on drawn digits and a few steps; what it finds on MNIST it checks itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

using rill::test::Outcome;
using rill::test::TempDir;

std::string program() {
  const char* build = std::getenv("RILL_BUILD_DIR");
  return std::filesystem::absolute(std::string(build ? build : "build") + "/examples/dead_neurons");
}

// Runs it in a folder where MNIST is not found.
Outcome run_drawn(const TempDir& folder, const std::string& arguments) {
  const std::string command =
      "cd " + folder.path() + " && exec " + program() + " --quick --out . " + arguments;
  return rill::test::run_program("/bin/sh", {"-c", command}, {{"RILL_DATA", std::nullopt}});
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == ',') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

// The rows of dead_neurons.csv, without the first line.
std::vector<std::vector<std::string>> rows_in(const TempDir& folder) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& line : lines_of(folder.read("dead_neurons.csv"))) rows.push_back(cells_of(line));
  rows.erase(rows.begin());
  return rows;
}

}  // namespace

TEST_CASE("dead_neurons: dead_neurons.csv has a row for each experiment, variant and seed") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "--experiment B --variants relu,leaky_relu:0.3 --seeds 2 --seed 3");
  CHECK_MESSAGE(run.status == 0, run.output);
  const std::vector<std::string> lines = lines_of(folder.read("dead_neurons.csv"));
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "experiment,variant,seed,accuracy,dead_share,layer1,layer2,layer3,layer4");
  CHECK(lines[1].starts_with("B,relu,3,0."));
  CHECK(lines[2].starts_with("B,relu,4,0."));
  CHECK(lines[3].starts_with("B,leaky_relu:0.3,3,0."));
  CHECK(lines[4].starts_with("B,leaky_relu:0.3,4,0."));
}

TEST_CASE("dead_neurons: dead_share is the mean of layers that are equally wide") {
  const TempDir folder;
  run_drawn(folder, "--experiment B --variants relu");
  for (const std::vector<std::string>& row : rows_in(folder)) {
    double sum = 0;
    for (std::size_t layer = 5; layer < row.size(); ++layer) sum += std::stod(row[layer]);
    CHECK(std::stod(row[4]) == doctest::Approx(sum / 4).epsilon(1e-5));
    CHECK(std::stod(row[4]) > 0.3);
  }
}

TEST_CASE("dead_neurons: a network with fewer layers leaves the last cells empty") {
  const TempDir folder;
  run_drawn(folder, "--experiment all --variants elu");
  for (const std::vector<std::string>& row : rows_in(folder)) {
    CHECK(row.size() == 9);
    CHECK((row[8].empty()) == (row[0] == "A"));
  }
}

TEST_CASE("dead_neurons: the numbers are the same for any number of threads") {
  const TempDir one, two;
  REQUIRE(run_drawn(one, "--threads 1").status == 0);
  REQUIRE(run_drawn(two, "--threads 2").status == 0);
  CHECK(one.names() == two.names());
  for (const std::string& name : one.names()) CHECK_MESSAGE(one.read(name) == two.read(name), name);
}

TEST_CASE("dead_neurons: a whole run has all experiments and standard variants") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "");
  CHECK(run.says("these are NOT MNIST"));
  CHECK_FALSE(run.says("bands"));
  const std::vector<std::vector<std::string>> rows = rows_in(folder);
  const auto has = [&](const std::string& experiment, const std::string& variant) {
    return std::ranges::any_of(rows,
                               [&](const auto& row) { return row[0] == experiment && row[1] == variant; });
  };
  for (const char* variant :
       {"relu", "leaky_relu:0.01", "leaky_relu:0.1", "leaky_relu:0.3", "elu", "prelu", "gelu", "relu+recycle",
        "relu+batch_norm", "relu+layer_norm", "relu+bias:0.1", "relu+rai"}) {
    CHECK_MESSAGE(has("A", variant), variant);
    CHECK_MESSAGE(has("B", variant), variant);
  }
  CHECK(has("B", "relu+clip:1"));
  CHECK(has("B", "relu+warmup:200"));
  for (const char* slope : {"0", "0.001", "0.01", "0.1", "0.2", "0.3", "1"})
    CHECK_MESSAGE(has("sweep", std::string("leaky_relu:") + slope), slope);
  for (const char* branch : {"after_lr_0.05", "continue", "right_after_recycle", "recycle", "recycle_200",
                             "recycle_old_state", "fresh"})
    CHECK_MESSAGE(has("rescue", branch), branch);
}

TEST_CASE("dead_neurons: the rescue recycles dead units, and hardly any are left right after it") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "--experiment rescue");
  CHECK(run.says("rescue, seed 0: "));
  CHECK_FALSE(run.says(": 0 units recycled"));
  const auto dead_share = [&](const std::string& variant) {
    for (const std::vector<std::string>& row : rows_in(folder)) {
      if (row[1] == variant) return std::stod(row[4]);
    }
    FAIL("no row ", variant);
    return 0.0;
  };
  CHECK(dead_share("after_lr_0.05") > 0.5);
  CHECK(dead_share("continue") > 0.5);
  CHECK(dead_share("right_after_recycle") < 0.2);
  CHECK(dead_share("recycle") < 0.3);
}

TEST_CASE("dead_neurons: relu+recycle:N recycles every N steps") {
  const TempDir folder;
  run_drawn(folder, "--experiment B --variants relu,relu+recycle:100,relu+recycle:13");
  const std::vector<std::vector<std::string>> rows = rows_in(folder);
  REQUIRE(rows.size() == 3);
  CHECK(rows[1][4] == rows[0][4]);  // there are only 13 steps
  CHECK(std::stod(rows[2][4]) < 0.5 * std::stod(rows[0][4]));
}

TEST_CASE("dead_neurons: LeakyReLU with slope 0 is ReLU") {
  const TempDir folder;
  run_drawn(folder, "--experiment B --variants relu,leaky_relu:0");
  std::vector<std::vector<std::string>> rows = rows_in(folder);
  REQUIRE(rows.size() == 2);
  rows[1][1] = rows[0][1];
  CHECK(rows[0] == rows[1]);
}

TEST_CASE("dead_neurons: options build other cells") {
  const TempDir folder;
  const Outcome run = run_drawn(folder,
                                "--experiment C --variants tanh+clip:0.5 --depth 2 --width 30 --bias 0.1 "
                                "--optimizer sgd --lr 0.2 --batch 64 --epochs 3");
  CHECK(run.says(
      "C: 784-30x2-10, pixels standardised, SGD at 0.2, batch 64, 3 epochs, hidden biases start at 0.1"));
  const std::vector<std::vector<std::string>> rows = rows_in(folder);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].size() == 7);
  CHECK(rows[0][1] == "tanh+clip:0.5");
}

TEST_CASE("dead_neurons: a wrong variant exits 2 and says what there is") {
  const TempDir folder;
  const auto says = [&](const std::string& variants, const std::string& text) {
    const Outcome run = run_drawn(folder, "--variants " + variants);
    CHECK_MESSAGE(run.status == 2, variants);
    CHECK_MESSAGE(run.says(text), run.output);
  };
  says("leaky_rleu:0.1",
       "variant \"leaky_rleu:0.1\": unknown activation \"leaky_rleu\", expected one of relu, "
       "leaky_relu[:NUMBER], elu[:NUMBER], prelu[:NUMBER], gelu");
  says("relu+dropout",
       "variant \"relu+dropout\": unknown cure \"dropout\", expected one of batch_norm, layer_norm, "
       "recycle[:NUMBER], rai, bias:NUMBER, clip:NUMBER, "
       "warmup:NUMBER");
  says("relu:0.1", "variant \"relu:0.1\": relu takes no number, expected \"relu\"");
  says("relu+clip", "variant \"relu+clip\": clip has no number, expected clip:NUMBER");
  says("leaky_relu:x", "variant \"leaky_relu:x\": \"x\" is no number, expected one after leaky_relu:");
  says("leaky_relu:-1", "variant \"leaky_relu:-1\": the number is -1, expected 0 or more");
  says("relu+warmup:0.5", "variant \"relu+warmup:0.5\": warmup has 0.5, expected a whole number of steps");
  says("relu,elu --experiment rescue", "2 variants, expected one for the rescue");
  CHECK(folder.names().empty());
}

TEST_CASE("dead_neurons: wrong numbers and names exit 2") {
  const TempDir folder;
  for (const std::string arguments :
       {"--experiment D", "--seeds 0", "--depth 0", "--width 0", "--bias x", "--optimizer newton", "--lr 0",
        "--batch 1", "--epochs 0", "--threads 0", "--bias nan", "--bias 1e39", "--lr inf", "--lr 1e39",
        "--seed -1", "--seed 18446744073709551616"}) {
    const Outcome run = run_drawn(folder, arguments);
    CHECK_MESSAGE(run.status == 2, arguments);
    CHECK_MESSAGE(run.says(arguments.substr(0, arguments.find(' '))), run.output);
  }
}

TEST_CASE("dead_neurons: output that is lost is a failure") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "--experiment A --variants relu --seeds 1 > /dev/full");
  CHECK(run.status == 1);
  CHECK(run.says("error: standard output: cannot be written"));
}

TEST_CASE("dead_neurons: a folder that cannot be written is told before any training") {
  const TempDir folder;
  folder.write("file", "");
  const Outcome below = run_drawn(folder, "--out file/below");
  CHECK(below.status == 1);
  CHECK_FALSE(below.says("data:"));
  const Outcome full = run_drawn(folder, "--out /dev/full");
  CHECK(full.status == 1);
  std::filesystem::create_directory(folder.file("taken"));
  std::filesystem::create_directory(folder.file("taken/dead_neurons.csv"));
  const Outcome taken = run_drawn(folder, "--out taken");
  CHECK(taken.status == 1);
  CHECK(taken.says("taken/dead_neurons.csv: write failed, expected a writable folder with space left"));
  CHECK_FALSE(taken.says("data:"));
}

TEST_CASE("dead_neurons: missing data exits 1") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "--data nowhere");
  CHECK(run.status == 1);
  CHECK(run.says("error: load_mnist: folder \"nowhere\" has no train-images-idx3-ubyte"));
}

TEST_CASE("dead_neurons: gnuplot draws what was written") {
  const auto shell = [](const std::string& command) {
    return rill::test::run_program("/bin/sh", {"-c", command});
  };
  if (shell("command -v gnuplot").status != 0) return rill::test::skip("gnuplot is not installed");
  const TempDir folder;
  run_drawn(folder, "");
  const Outcome drawn = shell("gnuplot -c examples/dead_neurons.gp " + folder.path());
  CHECK(drawn.status == 0);
  CHECK_MESSAGE(drawn.output.empty(), drawn.output);
  const std::vector<std::string> names = folder.names();
  for (const std::string picture : {"rescue", "units", "death", "activity", "loss", "sweep"}) {
    for (const char* kind : {".svg", ".png"})
      CHECK_MESSAGE(std::ranges::count(names, picture + kind) == 1, picture, kind);
  }
}
