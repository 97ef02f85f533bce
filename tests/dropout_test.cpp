// dropout: which elements it keeps, their scale, gradients, and the layer's masks in a run.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

using namespace rill;

namespace {

std::int64_t kept(const Tensor& y) {
  std::int64_t count = 0;
  for (const float value : y.data<float>()) count += value != 0;
  return count;
}

// Reads or sets the counter of a layer.
struct Counter final : nn::Visitor {
  std::uint64_t value = 0;
  bool set = false;
  void counter(std::string_view name, std::uint64_t& position) override {
    if (name == "seed") return;
    CHECK(name == "calls");
    (set ? position : value) = set ? value : position;
  }
};

}  // namespace

TEST_CASE("dropout: element i is kept by draw i of its stream, also beyond the vectorised part") {
  const std::uint64_t seed = 0x123456789abcdef0, call = (std::uint64_t{5} << 32) + 7;
  const Tensor y = dropout(ones({1001}), 0.3, seed, call);
  Stream stream(seed, Purpose::dropout, 5, 7);
  for (std::size_t i = 0; i < 1001; ++i)
    CHECK((y.data<float>()[i] != 0) == (stream.next() >= std::llround(0.3 * 0x1p32)));
}

TEST_CASE("dropout: the kept share is within five binomial deviations of 1 - p") {
  constexpr std::int64_t n = 1 << 20;
  const Tensor x = ones({n});
  for (const double p : {0.1, 0.2, 0.5, 0.9}) {
    const double deviation = std::sqrt(p * (1 - p) * static_cast<double>(n));
    CHECK(std::abs(static_cast<double>(kept(dropout(x, p, 1))) - (1 - p) * n) < 5 * deviation);
  }
}

TEST_CASE("dropout: what is kept is multiplied by 1/(1 - p) exactly") {
  const Tensor x = full({1000}, 3.0, DType::f64), y = dropout(x, 0.2, 1);
  for (const double value : y.data<double>()) CHECK((value == 0 || value == 3.0 * (1 / (1 - 0.2))));
}

TEST_CASE("dropout: p = 0 keeps all, p = 1 gives zeros and no infinity") {
  Generator generator(1);
  const Tensor x = randn({100}, generator);
  CHECK(test::same_bits(dropout(x, 0, 1), x));
  const Tensor none = dropout(x, 1, 1);
  for (const float value : none.data<float>()) CHECK(value == 0);
}

TEST_CASE("dropout: NaN and infinity do not vanish where they are dropped") {
  const Tensor y = dropout(tensor({NAN, INFINITY, -INFINITY}), 1, 1);
  for (const float value : y.data<float>()) CHECK(std::isnan(value));
}

TEST_CASE("dropout: the gradient passes where the element did, with its factor") {
  const Tensor x = ones({64}).requires_grad_();
  const Tensor y = dropout(x, 0.5, 3, 4);
  y.sum().backward();
  CHECK(test::same_bits(x.grad(), y.detach()));
}

TEST_CASE("dropout: the mask is the same for any number of threads") {
  const Tensor x = ones({300, 1001});
  const auto run = [&](int threads) {
    const test::ThreadCount count(threads);
    return dropout(x, 0.4, 1, 2);
  };
  const Tensor one = run(1);
  for (const int threads : {2, 3, 7}) CHECK(test::same_bits(one, run(threads)));
}

TEST_CASE("Dropout: evaluation mode gives x itself and counts nothing") {
  Generator generator(1);
  nn::Dropout layer(0.5, generator);
  layer.eval();
  const Tensor x = ones({8});
  const Tensor y = layer(x);
  CHECK(y.data<float>().data() == x.data<float>().data());
  Counter counter;
  layer.visit(counter);
  CHECK(counter.value == 0);
}

TEST_CASE("Dropout: every call in training has another mask, and two layers have different ones") {
  Generator generator(1);
  nn::Dropout layer(0.5, generator), other(0.5, generator);
  const Tensor x = ones({256});
  const Tensor first = layer(x), second = layer(x);
  CHECK_FALSE(test::same_bits(first, second));
  CHECK_FALSE(test::same_bits(first, other(x)));
}

TEST_CASE("Dropout: a run that restores seed and counter goes on with the same masks") {
  Generator one(7), two(7);
  nn::Dropout layer(0.5, one), resumed(0.5, two);
  const Tensor x = ones({256});
  layer(x);
  layer(x);
  Counter counter;
  layer.visit(counter);
  CHECK(counter.value == 2);
  counter.set = true;
  resumed.visit(counter);
  CHECK(test::same_bits(layer(x), resumed(x)));
}

TEST_CASE("Dropout: a clone goes through the same masks with a counter of its own") {
  Generator generator(1);
  nn::Dropout layer(0.5, generator);
  nn::Dropout copy = nn::clone(layer);
  const Tensor x = ones({256});
  const Tensor first = layer(x), second = layer(x);
  CHECK(test::same_bits(copy(x), first));
  CHECK(test::same_bits(copy(x), second));
}

TEST_CASE("dropout: a bad p and a bad dtype are refused") {
  Generator generator(1);
  const auto refused = [](const char* text, auto call) { CHECK_THROWS_WITH_AS(call(), text, Error); };
  refused("dropout: p is 1.5, expected 0 to 1", [] { dropout(ones({2}), 1.5, 1); });
  refused("dropout: p is nan, expected 0 to 1", [] { dropout(ones({2}), NAN, 1); });
  refused("dropout: x is i64, expected f32 or f64", [] { dropout(ones({2}, DType::i64), 0.5, 1); });
  for (const double p : {0.0, 0.5}) {
    nn::Dropout layer(p, generator);
    refused("Dropout: x is i64, expected f32 or f64", [&] { layer(ones({2}, DType::i64)); });
    layer.eval();
    refused("Dropout: x is i64, expected f32 or f64", [&] { layer(ones({2}, DType::i64)); });
  }
  refused("Dropout: p is -0.1, expected 0 to 1", [&] { nn::Dropout(-0.1, generator); });
}
