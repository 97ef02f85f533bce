// The summary table: rows, shapes, counts, and that it leaves the model as it was.
#include <doctest/doctest.h>

#include <string>

#include <rill/rill.hpp>

using namespace rill;

namespace {

nn::Sequential small(Generator& generator) {
  return nn::Sequential{nn::Flatten(), nn::Dense(784, 20, generator),
                        nn::Sequential{nn::BatchNorm1d(20), nn::ReLU(), nn::Dropout(0.5, generator)},
                        nn::Dense(20, 10, generator)};
}

struct Throwing final : nn::Module {
  Tensor forward(const Tensor&) override { throw Error("throwing: as it should"); }
};

}  // namespace

TEST_CASE("summary: a row a module, with path, type, output shape and its own parameters; then totals") {
  Generator generator(1);
  nn::Sequential model = small(generator);
  CHECK(nn::summary(model, {28, 28}) ==
        "layer    type        output    parameters\n"
        "(model)  sequential  [n, 10]            0\n"
        "0        flatten     [n, 784]           0\n"
        "1        dense       [n, 20]       15,700\n"
        "2        sequential  [n, 20]            0\n"
        "2.0      batch_norm  [n, 20]           40\n"
        "2.1      relu        [n, 20]            0\n"
        "2.2      dropout     [n, 20]            0\n"
        "3        dense       [n, 10]          210\n"
        "parameters 15,950 (trainable 15,950, frozen 0), buffers 41, 63,968 bytes\n");
}

TEST_CASE("summary: modes, running statistics, dropout's counter, gradients and hooks are as before") {
  Generator generator(1);
  nn::Sequential model = small(generator);
  model[3].eval();
  int calls = 0;
  model.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  const std::string first = nn::summary(model, {28, 28});
  CHECK(nn::summary(model, {28, 28}) == first);
  CHECK(calls == 4);  // two passes each
  CHECK(model.training());
  CHECK_FALSE(model[3].training());
  for (const auto& [name, value] : model.named_buffers()) {
    if (name == "2.0.num_batches_tracked") CHECK(value.item() == 0);
  }
  CHECK(grad_enabled());
}

TEST_CASE("summary: an axis is the batch if it follows the batch, whatever its size and place") {
  struct Total final : nn::Module {
    Tensor forward(const Tensor& x) override { return x.sum({0}); }
  };
  struct Turned final : nn::Module {
    Tensor forward(const Tensor& x) override { return x.t(); }
  };
  for (const std::int64_t width : {2, 3}) {
    nn::Sequential model{nn::Sequential{Turned(), Turned()}, Total()};
    const std::string text = nn::summary(model, {width}), digit = std::to_string(width);
    CHECK(text.find("0.0      module      [" + digit + ", n]") != std::string::npos);
    CHECK(text.find("0.1      module      [n, " + digit + "]") != std::string::npos);
    CHECK(text.find("1        module      [" + digit + "]") != std::string::npos);
  }
}

TEST_CASE("summary: a parameter that is tied counts once, and its row says so") {
  Generator generator(1);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  nn::Sequential model(std::move(first), std::move(second));
  const std::string text = nn::summary(model, {3});
  CHECK(text.find("1        dense       [n, 3]      3 tied\n") != std::string::npos);
  CHECK(text.find("parameters 15 (trainable 15, frozen 0), buffers 0, 60 bytes\n") != std::string::npos);
}

TEST_CASE("summary: frozen parameters are counted apart, and f64 models get f64 zeros") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 2, generator, {.dtype = DType::f64}), nn::PReLU(1, 0.25, DType::f64)};
  model[0].requires_grad_(false);
  CHECK(nn::summary(model, {3}).find("parameters 9 (trainable 1, frozen 8), buffers 0, 72 bytes\n") !=
        std::string::npos);
}

TEST_CASE("summary: what the model throws is passed on, with its hooks removed and its modes restored") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 3, generator), Throwing()};
  CHECK_THROWS_WITH_AS(nn::summary(model, {3}), "throwing: as it should", Error);
  CHECK(model.training());
  CHECK(grad_enabled());
  // A hook left behind would write into a table that is gone; the address sanitizer sees that.
  CHECK(model[0](zeros({1, 3})).requires_grad());
}
