// dead_units: which activations it finds, the mode and batches it runs them in, and that the model stays as it was.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <rill/rill.hpp>

using namespace rill;

namespace {

nn::data::TensorDataset probe_of(Tensor x) {
  const std::int64_t n = x.shape()[0];
  return {std::move(x), zeros({n}, DType::i64)};
}

// One activation of its own, and one that it uses twice: on x and on -x.
struct Block final : nn::Module {
  nn::ReLU own, shared;
  Tensor forward(const Tensor& x) override { return own(x) + shared(x) + shared(-x); }
  void visit(nn::Visitor& visitor) override {
    visitor.child("own", own);
    visitor.child("shared", shared);
  }
};

struct Sizes final : nn::Module {
  std::vector<std::int64_t>* seen;
  explicit Sizes(std::vector<std::int64_t>& to) : seen(&to) {}
  Tensor forward(const Tensor& x) override {
    seen->push_back(x.shape()[0]);
    return x;
  }
};

struct Throwing final : nn::Module {
  Tensor forward(const Tensor&) override { throw Error("throwing: as it should"); }
};

}  // namespace

TEST_CASE("dead_units: activations in nested models and user modules are found, named by their paths") {
  nn::Sequential model{nn::ReLU(), nn::Sequential{nn::Flatten(), nn::ELU()}, Block()};
  const auto layers = nn::dead_units(model, probe_of(tensor({{1, -1, 0}, {2, -2, 0}})), 2);
  REQUIRE(layers.size() == 4);
  const char* names[] = {"0", "1.1", "2.own", "2.shared"};
  for (std::size_t i = 0; i < 4; ++i) CHECK(layers[i].name == names[i]);
  CHECK(layers[0].never_on == 2);
  CHECK(layers[1].type == "elu");
  CHECK_FALSE(layers[1].blocks_gradient);
  CHECK(layers[1].units == 3);
}

TEST_CASE("dead_units: an activation that runs several times has one row, on where it is on in any run") {
  Block model;
  const auto layers = nn::dead_units(model, probe_of(tensor({{1, -1, 0}, {2, -2, NAN}})), 2);
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].never_on == 1);
  CHECK(layers[0].non_finite == 1);
  CHECK(layers[1].never_on == 0);
  CHECK(layers[1].units == 3);
}

TEST_CASE(
    "dead_units: a model that is an activation has the empty name, and one that is not called no units") {
  struct Idle final : nn::Module {
    nn::ReLU idle;
    Tensor forward(const Tensor& x) override { return x; }
    void visit(nn::Visitor& visitor) override { visitor.child("idle", idle); }
  };
  nn::ReLU whole;
  Idle idle;
  const auto probe = probe_of(tensor({{1, -1}}));
  CHECK(nn::dead_units(whole, probe, 1).at(0).name.empty());
  CHECK(nn::dead_units(whole, probe, 1).at(0).never_on == 1);
  CHECK(nn::dead_units(idle, probe, 1).at(0).units == 0);
}

TEST_CASE("dead_units: the model runs in evaluation mode, and keeps modes, statistics and counters") {
  Generator generator(1);
  nn::Sequential model{nn::BatchNorm1d(2), nn::Dropout(1, generator), nn::ReLU()};
  const auto layers = nn::dead_units(model, probe_of(tensor({{1, 2}, {3, 4}})), 2);
  CHECK(layers.at(0).never_on == 0);  // dropped, or centred, both would be off somewhere
  CHECK(model.training());
  CHECK(model[1].training());
  CHECK(grad_enabled());
  struct Calls final : nn::Visitor {
    std::uint64_t calls = 7;
    void counter(std::string_view, std::uint64_t& value) override { calls = value; }
  } counter;
  model[1].visit(counter);
  CHECK(counter.calls == 0);
  for (const auto& [name, value] : model.named_buffers()) {
    CAPTURE(name);
    CHECK(value.to(DType::f64).sum().item() == (name == "0.running_var" ? 2 : 0));
  }
}

TEST_CASE("dead_units: samples are spread evenly over passes of at most 500") {
  std::vector<std::int64_t> sizes;
  nn::Sequential model{Sizes(sizes), nn::ReLU()};
  Tensor x = zeros({1201, 1});
  x.set({1000, 0}, 1);  // the last of 1001
  const auto probe = probe_of(x);
  CHECK(nn::dead_units(model, probe, 1001).at(0).never_on == 0);
  CHECK(sizes == std::vector<std::int64_t>{333, 334, 334});
  CHECK(nn::dead_units(model, probe, 1000).at(0).never_on == 1);
  sizes.clear();
  CHECK(nn::dead_units(model, probe, 501).at(0).samples == 501);
  CHECK(sizes == std::vector<std::int64_t>{250, 251});
}

TEST_CASE("dead_units: the samples are converted to the model's dtype") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU()};
  model.to(DType::f64);
  CHECK(nn::dead_units(model, probe_of(tensor({{1, 2}})), 1).at(0).units == 3);
}

TEST_CASE("dead_units: what the model throws is passed on, with hooks removed and modes restored") {
  nn::Sequential model{nn::ReLU(), Throwing()};
  CHECK_THROWS_WITH_AS(nn::dead_units(model, probe_of(ones({2, 3})), 2), "throwing: as it should", Error);
  CHECK(model.training());
  CHECK(grad_enabled());
  // A hook left behind would read a table that is gone, and refuse this batch.
  CHECK(model[0](ones({1, 3})).shape() == Shape{1, 3});
}

TEST_CASE("dead_units: no samples, inputs without units and inputs of several widths are refused") {
  const auto refused = [](const char* text, auto call) { CHECK_THROWS_WITH_AS(call(), text, Error); };
  struct Two final : nn::Module {
    nn::ReLU shared;
    Tensor forward(const Tensor& x) override {
      const Tensor narrow = shared(x.sum({1}, true));
      return narrow + shared(x);
    }
    void visit(nn::Visitor& visitor) override { visitor.child("shared", shared); }
  } two;
  struct Mixed final : nn::Module {
    nn::ReLU relu;
    Tensor forward(const Tensor& x) override { return relu(x.sum({0})); }
    void visit(nn::Visitor& visitor) override { visitor.child("relu", relu); }
  } mixed;
  const auto probe = probe_of(ones({2, 3}));
  refused("dead_units: samples is 0, expected 1 or more", [&] { nn::dead_units(two, probe, 0); });
  refused(
      "dead_units: the input of layer shared (relu) has 3 features, expected 1 as before; give each place in "
      "the model an activation of its own",
      [&] { nn::dead_units(two, probe, 2); });
  refused("dead_units: the input of layer relu (relu) is [3], expected [2, ...]",
          [&] { nn::dead_units(mixed, probe, 2); });
}
