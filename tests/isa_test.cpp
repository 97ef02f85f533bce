// Instruction sets: which one runs, and that programs learn the same with each.
#include <cstdio>
#include <string>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adam.hpp>

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

const std::string child = "isa: child that trains";

double loss_in(const std::string& text) {
  const std::size_t place = text.find("loss: ");
  REQUIRE(place != std::string::npos);
  return std::stod(text.substr(place + 6));
}

}  // namespace

TEST_CASE("isa: child that trains" * doctest::skip()) {
  std::printf("isa: %s, loss: %.9g\n", std::string(isa_name(isa())).c_str(), trained_loss());
}

TEST_CASE("isa: plain code and AVX2 learn the same up to rounding") {
  if (isa() != Isa::avx2) return test::skip("this machine has no AVX2, or RILL_ISA forbids it");
  const test::Outcome plain = test::run_case(child, {{"RILL_ISA", "plain"}});
  const test::Outcome avx2 = test::run_case(child, {{"RILL_ISA", "avx2"}});
  CHECK(plain.says("isa: plain, "));
  CHECK(avx2.says("isa: avx2, "));
  CHECK(loss_in(plain.output) == doctest::Approx(loss_in(avx2.output)).epsilon(1e-4));
}

TEST_CASE("isa: an instruction set that is none is refused by name, at the first use") {
  const test::Outcome outcome = test::run_case(child, {{"RILL_ISA", "sse9"}});
  CHECK(outcome.status != 0);
  CHECK(outcome.says("RILL_ISA: unknown instruction set \"sse9\", expected plain or avx2"));
}
