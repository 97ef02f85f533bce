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

// The number that follows `before`.
double number_after(const std::string& output, const std::string& before) {
  const std::size_t at = output.find(before);
  REQUIRE_MESSAGE(at != std::string::npos, before, output);
  return std::stod(output.substr(at + before.size()));
}

// What stands in a text between two others.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  REQUIRE(from != std::string::npos);
  const std::size_t to = text.find(end, from + begin.size());
  REQUIRE(to != std::string::npos);
  return text.substr(from + begin.size(), to - from - begin.size());
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
    const TempDir out;
    std::vector<std::string> arguments{"--quick", "--seed", "7", "--threads", "1"};
    if (help.says("--out")) arguments.insert(arguments.end(), {"--out", out.path()});
    const Outcome run = run_example(name, arguments);
    CHECK_MESSAGE(run.status == 0, name, run.output);
  }
  CHECK(programs >= 8);
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

TEST_CASE("examples: load_config trains the model of a JSON file, and what it saves reads raw pixels") {
  const TempDir out;
  const Outcome run =
      run_example("load_config", {"--quick", "--out", out.path()}, {{"RILL_DATA", std::nullopt}});
  CHECK(run.status == 0);
  CHECK(accuracy_in(run.output) > 80);
  CHECK(run.says("the first test image is a "));
  CHECK(out.names() == std::vector<std::string>{"model.json", "model.safetensors"});
}

TEST_CASE("mnist_recipes: every recipe trains at a tiny size, augmented or not") {
  const TempDir out;
  const Outcome run =
      rill::test::run_program("/bin/sh",
                              {"-c", "cd " + out.path() + " && exec " + example("mnist_recipes") +
                                         " --quick --out . --seed 3 --seeds 2 --recipe R2,R2-01,R6,R8,R10"},
                              {{"RILL_DATA", std::nullopt}});
  CHECK_MESSAGE(run.status == 0, run.output);
  const std::string csv = out.read("recipes.csv");
  CHECK(csv.starts_with(
      "recipe,seed,accuracy,cpu_seconds,to_98,to_98_5,goal_accuracy,goal_cpu_seconds\nR2,3,0."));
  CHECK(std::ranges::count(csv, '\n') == 1 + 5 * 2);
  for (const char* recipe : {"R2", "R2-01", "R6", "R8", "R10"}) {
    const std::string head = std::string("\n") + recipe + ",4,";
    REQUIRE_MESSAGE(csv.find(head) != std::string::npos, recipe);
    CHECK_MESSAGE(number_after(csv, head) > 0.2, recipe);
    CHECK_MESSAGE(run.says(std::string("recipe ") + recipe + ": 784-"), recipe);
  }
  CHECK(run.says("goal      98.00 %     3.00   not judged: not all of MNIST"));
}

TEST_CASE("mnist_recipes: an unknown recipe is refused with those that there are") {
  const Outcome run = run_example("mnist_recipes", {"--recipe", "R2,R9"});
  CHECK(run.status == 2);
  CHECK(run.says("unknown recipe \"R9\", expected some of R2, R2-01, R6, R8, R10"));
}

TEST_CASE("examples: xor is learnt") {
  const Outcome run = run_example("xor", {});
  CHECK(run.says("0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n4 of 4 correct\n"));
}

TEST_CASE("regression: the error is little more than the noise, and the fit is drawn") {
  const TempDir out;
  const Outcome run = run_example("regression", {"--out", out.path()});
  CHECK(run.status == 0);
  CHECK(run.says("epoch 30/30  loss "));
  CHECK(number_after(run.output, "test error: RMSE ") < 0.28);
  CHECK(number_after(run.output, ", R2 ") > 0.85);
  CHECK(run.says("#####"));
  CHECK(out.names() == std::vector<std::string>{"curve.csv", "points.csv"});
  const std::string points = out.read("points.csv"), curve = out.read("curve.csv");
  CHECK(std::ranges::count(points, '\n') == 1 + 1000);
  CHECK(std::ranges::count(curve, '\n') == 1 + 301);
  CHECK(curve.starts_with("x,truth,fit\n-3,-0.720585,"));
}

TEST_CASE("regression: gnuplot draws what was written") {
  const auto shell = [](const std::string& command) {
    return rill::test::run_program("/bin/sh", {"-c", command});
  };
  if (shell("command -v gnuplot").status != 0) return rill::test::skip("gnuplot is not installed");
  const TempDir out;
  run_example("regression", {"--quick", "--out", out.path()});
  const Outcome drawn = shell("gnuplot -c examples/regression.gp " + out.path());
  CHECK(drawn.status == 0);
  CHECK_MESSAGE(drawn.output.find("warning") == std::string::npos, drawn.output);
  CHECK(out.names() == std::vector<std::string>{"curve.csv", "fit.png", "fit.svg", "points.csv"});
}

TEST_CASE("custom_op: its gradients are right, and training with it finds the spiral") {
  const Outcome run = run_example("custom_op", {});
  CHECK(run.status == 0);
  CHECK(number_after(run.output, "gradients of the first order are right, to ") < 1e-8);
  CHECK(number_after(run.output, "gradients of the second order are right, to ") < 1e-8);
  CHECK(number_after(run.output, "centre (") == doctest::Approx(3).epsilon(0.01));
  CHECK(number_after(run.output, "\nr = ") == doctest::Approx(2).epsilon(0.02));
}

TEST_CASE("custom_module: ties, freezing, hook, file and profile do what the program says") {
  const TempDir out;
  const Outcome run = run_example("custom_module", {"--out", out.path()});
  CHECK(run.status == 0);
  CHECK(run.says("1220 parameters"));
  CHECK(run.says("\n2.dense.bias [32]\n2.gate [1]\n3.gate [1]\n4.weight [2, 32]\n"));
  const double accuracy = number_after(run.output, "accuracy on unseen points ");
  CHECK(accuracy > 0.95);
  CHECK(run.says("hook: gated_block moves [1000, 32] by "));
  CHECK(run.says("parameters of the copy that have moved: 4.weight 4.bias\n"));
  CHECK(number_after(run.output, "net.safetensors: accuracy ") == accuracy);
  CHECK(run.says("\n2 gated_block "));
  CHECK(out.names() == std::vector<std::string>{"net.safetensors"});
}

TEST_CASE("csv_classifier: without --data it learns from a file that it writes") {
  const TempDir one, three;
  const Outcome run = run_example("csv_classifier", {"--out", one.path(), "--threads", "1"});
  CHECK(run.status == 0);
  CHECK(run.says("galaxy.csv: 3000 rows; arm from x_ly y_ly\n"));
  CHECK(run.says("stopped: EarlyStopping: val_loss is "));
  CHECK(run.says("taken for:        Orion      Perseus  Sagittarius\n"));
  CHECK(accuracy_in(run.output) > 92);
  CHECK(one.names() == std::vector<std::string>{"best.safetensors", "galaxy.csv", "log.csv"});
  CHECK(one.read("log.csv").starts_with("epoch,loss,accuracy,val_loss,val_accuracy,lr\n0,"));
  run_example("csv_classifier", {"--out", three.path(), "--threads", "3"});
  for (const std::string& name : one.names()) CHECK_MESSAGE(one.read(name) == three.read(name), name);
}

TEST_CASE("csv_classifier: columns of a given file can be chosen") {
  const TempDir folder;
  std::string rows = "class,noise,x\n";
  for (int i = 0; i < 60; ++i)
    rows += (i % 2 ? "up,7," : "down,7,") + std::to_string(i % 2 * 10 + i % 3) + '\n';
  const std::string file = folder.write("data.csv", rows);
  const Outcome run = run_example(
      "csv_classifier", {"--data", file, "--target", "class", "--features", "x", "--out", folder.path()});
  CHECK(run.says("data.csv: 60 rows; class from x\n"));
  CHECK(accuracy_in(run.output) == 100);
  const Outcome all =
      run_example("csv_classifier", {"--data", file, "--target", "class", "--out", folder.path()});
  CHECK(all.says("class from noise x\n"));
}

TEST_CASE("csv_classifier: columns of text become features where they are named") {
  const TempDir folder;
  std::string table = "x,town,class\n";
  for (int i = 0; i < 120; ++i) table += std::to_string(i % 7) + (i % 2 == 0 ? ",Ulm,a\n" : ",Bonn,b\n");
  const Outcome run = run_example("csv_classifier", {"--data", folder.write("t.csv", table), "--one-hot",
                                                     "town", "--out", folder.path()});
  CHECK(run.status == 0);
  CHECK(run.says("class from x town=Bonn town=Ulm\n"));
  CHECK(run.says("test accuracy: 100 %"));
}

TEST_CASE("csv_classifier: a bad file exits 1 with its place, a diverged run 3 with its cause") {
  const TempDir folder;
  const std::string file = folder.write("bad.csv", "a,b,class\n1,2,yes\n3,x,no\n");
  const Outcome bad = run_example("csv_classifier", {"--data", file, "--out", folder.path()});
  CHECK(bad.status == 1);
  CHECK(bad.says("error: " + file + ":3: column \"b\" is \"x\", expected a number"));
  const Outcome diverged = run_example("csv_classifier", {"--lr", "1e30", "--out", folder.path()});
  CHECK(diverged.status == 3);
  CHECK(diverged.says("error: TerminateOnNaN: the loss is not finite in epoch 1/"));
}

TEST_CASE("examples: the code in README.md is that of quickstart and neuron_health, to the letter") {
  const std::string source = text_of("examples/quickstart.cpp"), readme = text_of("README.md");
  CHECK(between(readme, "```cpp\n", "```") ==
        between(source, "// [quickstart]\n", "// [/quickstart]") + "\nint main() { quickstart(42); }\n");
  CHECK(between(readme, "```c++\n", "```") ==
        between(text_of("examples/neuron_health.cpp"), "// [neuron_health]\n", "// [/neuron_health]"));
}

TEST_CASE("mnist_mlp: without MNIST it trains on drawn digits and says so") {
  const TempDir folder;
  const Outcome run = run_drawn(folder, "");
  CHECK(run.status == 0);
  CHECK(run.says("these are NOT MNIST"));
  CHECK(run.says("RILL_DATA"));
  CHECK(run.says("6000 samples; "));
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
