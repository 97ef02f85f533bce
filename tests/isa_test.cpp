// Instruction sets: which one runs, and that programs learn the same with each.
#include <cstdio>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/blas.hpp>
#include <rill/core/create.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adam.hpp>

#include "instruction_sets.hpp"
#include "skip.hpp"
#include "subprocess.hpp"

namespace {

using namespace rill;

// The loss after some steps of a net whose sizes fill no vector.
double trained_loss() {
  Generator generator(1);
  nn::Sequential model{nn::Dense(37, 51, generator), nn::ELU(), nn::Dense(51, 29, generator), nn::GELU(),
                       nn::Dense(29, 5, generator)};
  optim::Adam optimizer(model, {.lr = 0.01});
  const Tensor x = randn({23, 37}, generator);
  Tensor y = zeros({23}, DType::i64);
  for (std::int64_t i = 0; i < 23; ++i) y.mutable_data<std::int64_t>()[static_cast<std::size_t>(i)] = i % 5;
  double last = 0;
  for (int step = 0; step < 20; ++step) {
    const Tensor loss = cross_entropy(model(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zero_grad();
    last = loss.item();
  }
  return last;
}

// How many elements of some products are their sum in f64, taken in order and rounded once; of 3 x 400.
int sums_rounded_once() {
  constexpr std::int64_t m = 16, n = 25, k = 200;
  Stream stream(3, Purpose::user);
  std::vector<float> a(m * k), b(k * n), gemm(m * n), first(m * n), second(m * n);
  for (float& value : a) value = static_cast<float>(stream.uniform(-1, 1));
  for (float& value : b) value = static_cast<float>(stream.uniform(-1, 1));
  blas::gemm<float>(false, true, m, n, k, a.data(), b.data(), gemm.data());
  const std::vector<blas::Operands<float>> stack{{a.data(), b.data(), first.data()},
                                                 {a.data(), b.data(), second.data()}};
  blas::gemm_stack<float>({false, true, m, n, k}, stack);
  int count = 0;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t p = 0; p < k; ++p)
        sum += static_cast<double>(a[i * k + p]) * static_cast<double>(b[j * k + p]);
      for (const auto* c : {&gemm, &first, &second}) count += (*c)[i * n + j] == static_cast<float>(sum);
    }
  }
  return count;
}

const std::string child = "isa: child that trains";
const std::string multiplying_child = "isa: child that multiplies";

double loss_in(const std::string& text) {
  const std::size_t place = text.find("loss: ");
  REQUIRE(place != std::string::npos);
  return std::stod(text.substr(place + 6));
}

}  // namespace

TEST_CASE("isa: child that trains" * doctest::skip()) {
  std::printf("isa: %s, loss: %.9g\n", std::string(isa_name(isa())).c_str(), trained_loss());
}

TEST_CASE("isa: child that multiplies" * doctest::skip()) {
  std::printf("isa: %s, rounded once: %d\n", std::string(isa_name(isa())).c_str(), sums_rounded_once());
}

TEST_CASE("isa: with the naive one, every product is its sum in order") {
  CHECK(test::run_case(multiplying_child, {{"RILL_ISA", "naive"}}).says("isa: naive, rounded once: 1200\n"));
  const test::Outcome fast = test::run_case(multiplying_child, {{"RILL_ISA", "plain"}});
  CHECK(fast.says("isa: plain, rounded once: "));
  CHECK_FALSE(fast.says("rounded once: 1200\n"));
}

TEST_CASE("isa: naive and plain code learn the same up to rounding") {
  const test::Outcome naive = test::run_case(child, {{"RILL_ISA", "naive"}});
  const test::Outcome plain = test::run_case(child, {{"RILL_ISA", "plain"}});
  CHECK(naive.says("isa: naive, "));
  CHECK(plain.says("isa: plain, "));
  CHECK(loss_in(naive.output) == doctest::Approx(loss_in(plain.output)).epsilon(1e-4));
}

TEST_CASE("isa: plain code and AVX2 learn the same up to rounding, AVX-512 and AVX2 to the bit") {
  if (!takes_avx2(isa())) return test::skip("this machine has no AVX2, or RILL_ISA forbids it");
  const double plain = loss_in(test::run_case(child, {{"RILL_ISA", "plain"}}).output);
  double avx2 = 0;
  for (const Isa each : test::instruction_sets()) {
    const std::string name(isa_name(each));
    CAPTURE(name);
    const test::Outcome outcome = test::run_case(child, {{"RILL_ISA", name}});
    CHECK(outcome.says("isa: " + name + ", "));
    const double loss = loss_in(outcome.output);
    CHECK(loss == doctest::Approx(plain).epsilon(1e-4));
    if (each == Isa::avx2) avx2 = loss;
    if (each == Isa::avx512) CHECK(loss == avx2);
  }
}

TEST_CASE("isa: an instruction set that is none is refused by name, at the first use") {
  const test::Outcome outcome = test::run_case(child, {{"RILL_ISA", "sse9"}});
  CHECK(outcome.status != 0);
  CHECK(outcome.says("RILL_ISA: unknown instruction set \"sse9\", expected plain, avx2, avx512 or naive"));
}
