// What every module can do: modes, hooks, freezing, conversion, copies, and state that is saved but not trained.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "temp_dir.hpp"

using namespace rill;

namespace {

// Counts its calls in training mode in a buffer, and draws from a stream whose position is a counter.
struct Counting final : nn::Module {
  Tensor scale = ones({1}).requires_grad_();
  Tensor calls = zeros({}, DType::i64);
  std::uint64_t position = 0;
  Tensor forward(const Tensor& x) override {
    if (training()) {
      ++calls.mutable_data<std::int64_t>()[0];
      ++position;
    }
    return x * scale;
  }
  void visit(nn::Visitor& visitor) override {
    visitor.parameter("scale", scale);
    visitor.buffer("calls", calls);
    visitor.counter("position", position);
  }
  std::string_view type() const override { return "counting"; }
};

// Holds its one dense layer by pointer, so that C++ cannot copy it.
struct Uncopyable final : nn::Module {
  std::unique_ptr<nn::Dense> dense;
  Tensor forward(const Tensor& x) override { return x; }
};

std::vector<std::string> names_of(const std::vector<nn::NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, value] : tensors) names.push_back(name);
  return names;
}

bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.data<float>(), b.data<float>());
}

nn::Sequential nested(Generator& generator) {
  return nn::Sequential{nn::Dense(3, 4, generator), nn::Sequential{nn::ReLU(), Counting()},
                        nn::Dense(4, 2, generator)};
}

}  // namespace

TEST_CASE("module: buffers are state but no parameters, and keep their place among them") {
  Generator generator(1);
  nn::Sequential model = nested(generator);
  CHECK(names_of(model.named_buffers()) == std::vector<std::string>{"1.1.calls"});
  CHECK(names_of(model.named_state()) ==
        std::vector<std::string>{"0.weight", "0.bias", "1.1.scale", "1.1.calls", "2.weight", "2.bias"});
  CHECK(names_of(model.named_parameters()).size() == 5);
}

TEST_CASE("module: named_modules gives every module with its path, each before its children") {
  Generator generator(1);
  nn::Sequential model = nested(generator);
  std::string text;
  for (const auto& [name, module] : model.named_modules())
    text += name + "=" + std::string(module->type()) + " ";
  CHECK(text == "=sequential 0=dense 1=sequential 1.0=relu 1.1=counting 2=dense ");
}

TEST_CASE("module: train and eval reach every module below") {
  Generator generator(1);
  nn::Sequential model = nested(generator);
  CHECK(model.training());
  model.eval();
  for (const auto& part : model.named_modules()) CHECK_MESSAGE(!part.module->training(), part.name);
  model.train();
  for (const auto& part : model.named_modules()) CHECK_MESSAGE(part.module->training(), part.name);
}

TEST_CASE("module: EvalMode gives every module back its own mode") {
  Generator generator(1);
  nn::Sequential model = nested(generator);
  model[0].eval();
  {
    const nn::EvalMode evaluation(model);
    for (const auto& part : model.named_modules()) CHECK_MESSAGE(!part.module->training(), part.name);
  }
  CHECK(model.training());
  CHECK(!model[0].training());
  CHECK(model[1].training());
}

TEST_CASE("module: a forward hook sees input and output of a layer deep inside, and may replace the output") {
  Generator generator(1);
  nn::Sequential model = nested(generator);
  const Tensor x = ones({2, 3});
  const Tensor before = model(x);
  nn::Module& relu = static_cast<nn::Sequential&>(model[1])[0];
  Shape seen_x, seen_y;
  nn::ForwardHookHandle watching =
      relu.register_forward_hook([&](nn::Module& module, const Tensor& in, const Tensor& out) {
        CHECK(&module == &relu);
        seen_x = in.shape();
        seen_y = out.shape();
        return Tensor();
      });
  CHECK(same_values(model(x), before));
  CHECK(seen_x == Shape{2, 4});
  CHECK(seen_y == Shape{2, 4});
  nn::ForwardHookHandle replacing = relu.register_forward_hook(
      [](nn::Module&, const Tensor&, const Tensor& out) { return zeros(out.shape()); });
  CHECK(!same_values(model(x), before));
  replacing.remove();
  watching.remove();
  seen_x = Shape{};
  CHECK(same_values(model(x), before));
  CHECK(seen_x == Shape{});
}

TEST_CASE("module: a forward hook may take itself off while it runs") {
  nn::ReLU relu;
  int calls = 0;
  nn::ForwardHookHandle handle;
  handle = relu.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) {
    ++calls;
    handle.remove();
    return Tensor();
  });
  relu(ones({2}));
  relu(ones({2}));
  CHECK(calls == 1);
}

TEST_CASE("module: an empty forward hook is refused") {
  nn::ReLU relu;
  CHECK_THROWS_WITH(relu.register_forward_hook({}),
                    "register_forward_hook: the hook is empty, expected a function");
}

TEST_CASE("module: a frozen layer gets no gradient and stays as it is, the others learn") {
  Generator generator(2);
  nn::Sequential model{nn::Dense(3, 4, generator), nn::ReLU(), nn::Dense(4, 2, generator)};
  model[0].requires_grad_(false);
  const nn::Sequential before = nn::clone(model);
  optim::SGD optimizer(model, {.lr = 0.1});
  model(ones({2, 3})).sum().backward();
  optimizer.step();
  auto now = model.named_parameters(), then = nn::Sequential(before).named_parameters();
  CHECK(!now[0].value.grad().defined());
  CHECK(same_values(now[0].value, then[0].value));
  CHECK(!same_values(now[2].value, then[2].value));
  model.requires_grad_();
  for (const auto& each : model.named_parameters()) CHECK_MESSAGE(each.value.requires_grad(), each.name);
}

TEST_CASE("module: a copy shares its parameters, a clone has its own with the same values") {
  Generator generator(3);
  nn::Sequential model = nested(generator);
  nn::Sequential copy = model, own = nn::clone(model);
  const Tensor x = ones({2, 3}), before = model(x);
  CHECK(same_values(own(x), before));
  for (auto& [name, value] : model.named_parameters()) value.mutable_data<float>()[0] += 1;
  CHECK(same_values(copy(x), model(x)));
  CHECK(same_values(own(x), before));
  CHECK(own.named_buffers()[0].value.data<std::int64_t>()[0] == 2);
}

TEST_CASE("module: a clone keeps ties, frozen parameters and modes, and drops hooks") {
  Generator generator(4);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  nn::Sequential model{first, nn::ReLU(), second};
  model[1].eval();
  model.named_parameters()[1].value.requires_grad_(false);
  int calls = 0;
  model.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) { return ++calls, Tensor(); });
  nn::Sequential own = nn::clone(model);
  CHECK(names_of(own.named_parameters()) == std::vector<std::string>{"0.weight", "0.bias", "2.bias"});
  CHECK(own.parameter_count() == 9 + 3 + 3);
  CHECK(!own.named_parameters()[1].value.requires_grad());
  CHECK(!own[1].training());
  CHECK(own[0].training());
  own(ones({1, 3}));
  CHECK(calls == 0);
}

TEST_CASE("module: a Sequential with a module that C++ cannot copy is not copied") {
  nn::Sequential model;
  model.add(nn::ReLU()).add(Uncopyable());
  CHECK_THROWS_WITH(nn::clone(model),
                    "Sequential: module 1 (module) cannot be copied, expected one with a copy "
                    "constructor, added as what it is");
}

TEST_CASE("module: to() converts parameters, keeps ties and frozen ones, and leaves integer buffers") {
  Generator generator(5);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  nn::Sequential model{first, Counting(), second};
  model[0].requires_grad_(false);
  const Tensor x = ones({2, 3}), before = model(x);
  model.to(DType::f64);
  CHECK(names_of(model.named_parameters()).size() == 4);
  for (const auto& each : model.named_parameters())
    CHECK_MESSAGE(each.value.dtype() == DType::f64, each.name);
  CHECK(!model.named_parameters()[0].value.requires_grad());
  CHECK(model.named_parameters()[2].value.requires_grad());
  CHECK(model.named_buffers()[0].value.dtype() == DType::i64);
  const Tensor after = model(x.to(DType::f64));
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(after.data<double>()[i] == doctest::Approx(double(before.data<float>()[i])).epsilon(1e-6));
  CHECK_THROWS_WITH(model.to(DType::i64), "to: dtype is i64, expected f32 or f64 for a module");
}

TEST_CASE("module: weights files hold buffers") {
  const test::TempDir folder;
  Generator generator(6);
  nn::Sequential model = nested(generator), other = nested(generator);
  model(ones({2, 3}));
  nn::save_weights(model, folder.path() + "/w.safetensors");
  nn::load_weights(other, folder.path() + "/w.safetensors");
  CHECK(other.named_buffers()[0].value.data<std::int64_t>()[0] == 1);
  CHECK(same_values(other.parameters()[0], model.parameters()[0]));
}

TEST_CASE("module: copy_state copies values, and changes nothing where a shape differs") {
  Generator generator(7);
  nn::Sequential from{nn::Dense(3, 4, generator), nn::Dense(4, 2, generator)};
  nn::Sequential to{nn::Dense(3, 4, generator), nn::Dense(4, 2, generator)};
  nn::copy_state(from, to);
  CHECK(same_values(to(ones({1, 3})), from(ones({1, 3}))));
  nn::Sequential wider{nn::Dense(3, 4, generator), nn::Dense(4, 3, generator)};
  const Tensor before = wider(ones({1, 3}));
  CHECK_THROWS_WITH(nn::copy_state(from, wider),
                    "copy_state: parameter \"1.weight\" is [2, 4], model expects [3, 4]");
  CHECK(same_values(wider(ones({1, 3})), before));
}

TEST_CASE(
    "module: a clone of a model that holds a module by shared_ptr is refused, and the original is as it "
    "was") {
  struct Sharing final : nn::Module {
    std::shared_ptr<nn::Dense> dense;
    Tensor forward(const Tensor& x) override { return (*dense)(x); }
    void visit(nn::Visitor& visitor) override { visitor.child("dense", *dense); }
  };
  Generator generator(8);
  Sharing model;
  model.dense = std::make_shared<nn::Dense>(2, 2, generator);
  const Tensor weight = model.dense->weight;
  CHECK_THROWS_WITH(
      nn::clone(model),
      "clone: module \"dense\" is shared by the copy and the original, expected one that is copied "
      "with the model");
  CHECK(rill::detail::Access::handle(model.dense->weight).get() ==
        rill::detail::Access::handle(weight).get());
}

TEST_CASE("module: what was added as a pointer to its base is not cut down in a copy, but refused") {
  nn::Sequential model;
  model.add(std::unique_ptr<nn::Module>(std::make_unique<nn::ReLU>()));
  CHECK_THROWS_WITH(
      nn::clone(model),
      "Sequential: module 0 (relu) cannot be copied, expected one with a copy constructor, added as "
      "what it is");
}

TEST_CASE("module: a copied handle removes its own hook only") {
  nn::ReLU relu;
  int calls = 0;
  const nn::ForwardHook count = [&](nn::Module&, const Tensor&, const Tensor&) { return ++calls, Tensor(); };
  nn::ForwardHookHandle first = relu.register_forward_hook(count), same = first;
  first.remove();
  const nn::ForwardHookHandle other = relu.register_forward_hook(count);
  same.remove();
  relu(ones({2}));
  CHECK(calls == 1);
}

TEST_CASE("module: an assigned Sequential keeps its own hooks, as every module does") {
  Generator generator(9);
  nn::Sequential a{nn::ReLU(), nn::ReLU()}, b{nn::Dense(2, 2, generator), nn::ReLU()};
  int calls = 0;
  a.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) { return ++calls, Tensor(); });
  a = b;
  CHECK(a[0].type() == "dense");
  a(ones({1, 2}));
  CHECK(calls == 1);
}

TEST_CASE("module: a file holds a tied tensor under each name, and either model reads the other's") {
  const test::TempDir folder;
  const std::string path = folder.path() + "/w.safetensors";
  Generator generator(10);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  nn::Sequential tied{first, second}, untied{nn::Dense(3, 3, generator), nn::Dense(3, 3, generator)};
  nn::save_weights(tied, path);
  nn::load_weights(untied, path);
  CHECK(same_values(untied.parameters()[2], first.weight));
  nn::copy_state(tied, untied);
  untied.parameters()[0].mutable_data<float>()[0] += 1;
  const Tensor before = first.weight.clone();
  CHECK_THROWS_WITH(
      nn::copy_state(untied, tied),
      "copy_state: parameters \"0.weight\" and \"1.weight\" differ, model expects one value, because "
      "it ties them");
  CHECK(same_values(first.weight, before));
}

TEST_CASE("module: to() with the dtype that it has leaves tensors and optimizers alone") {
  Generator generator(11);
  nn::Dense dense(2, 2, generator);
  const Tensor weight = dense.weight;
  dense.to(DType::f32);
  CHECK(rill::detail::Access::handle(dense.weight).get() == rill::detail::Access::handle(weight).get());
}

TEST_CASE("module: EvalMode gives modes back that were changed inside") {
  nn::Sequential model{nn::ReLU(), nn::ReLU()};
  model[0].eval();
  {
    const nn::EvalMode evaluation(model);
    model.train();
  }
  CHECK(!model[0].training());
  CHECK(model[1].training());
}

TEST_CASE("module: freezing drops a gradient that has arrived") {
  Generator generator(12);
  nn::Dense dense(2, 2, generator);
  dense(ones({1, 2})).sum().backward();
  dense.requires_grad_(false);
  CHECK(!dense.weight.grad().defined());
}

TEST_CASE("module: two tensors with one name are refused") {
  struct Twice final : nn::Module {
    Tensor a = ones({1}).requires_grad_(), b = ones({1}).requires_grad_();
    Tensor forward(const Tensor& x) override { return x; }
    void visit(nn::Visitor& visitor) override {
      visitor.parameter("w", a);
      visitor.parameter("w", b);
    }
  };
  Twice model;
  CHECK_THROWS_WITH(model.parameters(), "visit: two tensors are named \"w\", expected a name for each");
}

TEST_CASE("module: a module that is met twice is listed once") {
  struct Both final : nn::Module {
    nn::ReLU relu;
    Tensor forward(const Tensor& x) override { return relu(relu(x)); }
    void visit(nn::Visitor& visitor) override {
      visitor.child("first", relu);
      visitor.child("second", relu);
    }
  };
  Both model;
  CHECK(model.named_modules().size() == 2);
}

TEST_CASE("layers: an initialiser that puts another tensor in the weight's place is refused") {
  Generator generator(13);
  const nn::DenseOptions options{.init = [](Tensor& weight, Generator&) { weight = ones({5, 7}); }};
  CHECK_THROWS_WITH(
      nn::Dense(2, 3, generator, options),
      "Dense: init has put another tensor in the weight's place, expected it to fill the f32 [3, 2] "
      "that it was given");
}
