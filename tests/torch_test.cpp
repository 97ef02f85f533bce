// Weights to and from PyTorch: a state dict written by either is loaded by the other, name by name, and the networks
// compute the same. Skipped where no python3 has PyTorch (Debian: python3-torch); RILL_PYTHON names another one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <rill/core/io/safetensors.hpp>
#include <rill/rill.hpp>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

using namespace rill;

namespace {

// tests/torch/exchange.py's network.
nn::Sequential network(Generator& generator) {
  nn::Sequential inner{nn::Dense(16, 16, generator), nn::ELU(0.7), nn::Dropout(0.25, generator),
                       nn::LayerNorm(16)};
  return nn::Sequential{nn::BatchNorm1d(3),
                        nn::Flatten(),
                        nn::Dense(12, 16, generator),
                        nn::LeakyReLU(0.3),
                        std::move(inner),
                        nn::PReLU(16),
                        nn::Dense(16, 8, generator, {.bias = false}),
                        nn::BatchNorm1d(8, {.eps = 1e-3, .momentum = 0.2}),
                        nn::PReLU(),
                        nn::Dense(8, 3, generator)};
}

// Runs exchange.py with the first Python that has PyTorch; false, and the test case is skipped, if none has.
bool exchanged(const std::vector<std::string>& arguments) {
  std::vector<std::string> pythons{"python3", "/usr/bin/python3"};
  if (const char* own = std::getenv("RILL_PYTHON")) pythons = {own};
  for (const std::string& python : pythons) {
    std::vector<std::string> words{python, "tests/torch/exchange.py"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const test::Outcome run = test::run_program("/usr/bin/env", words);
    if (run.status == 77 || run.status == 127) continue;
    REQUIRE_MESSAGE(run.status == 0, run.output);
    return true;
  }
  test::skip("no python3 has PyTorch; the package python3-torch brings it");
  return false;
}

std::map<std::string, Tensor> tensors(const std::string& path) {
  const auto list = io::load_safetensors(path).tensors;
  return {list.begin(), list.end()};
}

// The largest distance, of the largest number that is expected.
double difference(const Tensor& y, const Tensor& expected) {
  REQUIRE(y.shape() == expected.shape());
  REQUIRE(y.dtype() == expected.dtype());
  const Tensor found = y.to(DType::f64), right = expected.to(DType::f64);
  double worst = 0, unit = 0;
  for (std::size_t i = 0; i < found.data<double>().size(); ++i) {
    worst = std::max(worst, std::abs(found.data<double>()[i] - right.data<double>()[i]));
    unit = std::max(unit, std::abs(right.data<double>()[i]));
    REQUIRE(std::isfinite(found.data<double>()[i]));
  }
  REQUIRE(unit > 0.1);
  return worst / unit;
}

// How far rill is from PyTorch with PyTorch's weights.
double difference_of(const test::TempDir& folder, const std::string& name, DType dtype) {
  Generator generator(1);
  nn::Sequential model = network(generator);
  model.to(dtype);
  nn::load_weights(model, folder.file(name + ".safetensors"));
  model.eval();
  const auto values = tensors(folder.file(name + ".values"));
  return difference(model(values.at("x")), values.at("y"));
}

bool reads_half(const std::string& path) {
  try {
    io::load_safetensors(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("torch: a network trained by rill loads in PyTorch, strictly, and gives the same outputs") {
  Generator generator(1);
  nn::Sequential model = network(generator);
  optim::Adam optimizer(model, {.lr = 0.01});
  for (int step = 0; step < 10; ++step) {
    const Tensor x = randn({32, 3, 4}, generator) * 2.0 + full({}, 1);
    optimizer.zero_grad();
    mse_loss(model(x), randn({32, 3}, generator)).backward();
    optimizer.step();
  }
  model.eval();
  const test::TempDir folder;
  const Tensor x = randn({20, 3, 4}, generator);
  nn::save_weights(model, folder.file("weights"));
  io::save_safetensors(folder.file("input"), {.tensors = {{"x", x}}, .metadata = {}});
  if (!exchanged({"run", folder.file("weights"), folder.file("input"), folder.file("output")})) return;
  CHECK(difference(tensors(folder.file("output")).at("y"), model(x).detach()) < 1e-5);
}

TEST_CASE("torch: a network trained by PyTorch loads in rill and gives the same outputs") {
  const test::TempDir folder;
  if (!exchanged({"make", folder.path()})) return;
  CHECK(difference_of(folder, "F32", DType::f32) < 1e-5);
  CHECK(difference_of(folder, "F64", DType::f64) < 1e-13);
}

TEST_CASE("torch: weights that PyTorch has stored in 16 bits load in rill as the numbers that they are") {
  const test::TempDir folder;
  if (!exchanged({"make", folder.path()})) return;
  if (!reads_half(folder.file("F16.safetensors"))) return test::skip("rill reads no F16 yet");
  CHECK(difference_of(folder, "F16", DType::f32) < 1e-5);
  CHECK(difference_of(folder, "BF16", DType::f32) < 1e-5);
}
