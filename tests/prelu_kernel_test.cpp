// The pass of prelu's gradients in f32, in each instruction set, against the formulas; and that an element has the same
// gradient in every place.

#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/kernels/prelu.hpp>

#include "instruction_sets.hpp"

namespace {

using namespace rill;

struct Gradients {
  std::vector<float> dx;
  double dw;
};

Gradients by_kernel(const std::vector<float>& g, const std::vector<float>& x, Isa isa) {
  Gradients result{std::vector<float>(x.size() + 1, 7), 0};
  result.dw = kernels::prelu_slopes(0.25f, g.data(), x.data(), result.dx.data(), std::ssize(x), isa);
  return result;
}

TEST_CASE(
    "prelu: the kernel's gradients are the formulas', for any length, and nothing behind the last is "
    "written") {
  for (std::size_t count = 0; count < 40; ++count) {
    std::vector<float> x(count), g(count), dx(count + 1, 7);
    double dw = 0;
    for (std::size_t i = 0; i < count; ++i) {
      x[i] = static_cast<float>(static_cast<int>(i * 7 % 11) - 5);  // small integers: sums are exact
      g[i] = static_cast<float>(static_cast<int>(i % 5) - 2);
      dx[i] = x[i] > 0 ? g[i] : 0.25f * g[i];
      if (!(x[i] > 0)) dw += double{x[i]} * double{g[i]};
    }
    CAPTURE(count);
    for (const Isa use : test::instruction_sets()) {
      const Gradients got = by_kernel(g, x, use);
      CHECK(got.dx == dx);
      CHECK(got.dw == dw);
    }
  }
}

TEST_CASE("prelu: the kernel sums in f64, with the same bits in every instruction set") {
  std::vector<float> x(5003), g(5003);
  double exact = 0, total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(static_cast<float>(i));
    g[i] = std::cos(static_cast<float>(3 * i)) * (i % 7 == 0 ? 1e6f : 1);
    if (x[i] > 0) continue;
    exact += double{x[i] * g[i]};
    total += std::abs(double{x[i] * g[i]});
  }
  const double plain = by_kernel(g, x, Isa::plain).dw;
  CHECK(std::abs(plain - exact) <= 1e-15 * total);
  CHECK(by_kernel(g, x, isa()).dw == plain);
}

TEST_CASE("prelu: the kernel's sum leaves out what infinite and NaN numbers above 0 would add") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(16, -1), g(16, 1);
  x[2] = x[13] = inf;
  g[2] = g[5] = 0;
  for (const Isa use : test::instruction_sets()) CHECK(by_kernel(g, x, use).dw == -13);
  x[9] = nan;
  for (const Isa use : test::instruction_sets()) CHECK(std::isnan(by_kernel(g, x, use).dw));
}

}  // namespace
