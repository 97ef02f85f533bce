// What optimizers remember of their parameters: names, writing to it, putting it into another optimizer; and that
// their steps have the same bits for any number of threads.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"
#include "values.hpp"

using namespace rill;
using test::same_bits;

namespace {

using Make = std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)>;

template <class Optimizer, class Options>
Make maker(const Options& options) {
  return [=](std::vector<Tensor> params) { return std::make_unique<Optimizer>(std::move(params), options); };
}

// Every optimizer in every form that remembers something else, with the names of what it remembers.
struct Form {
  Make make;
  std::vector<std::string> names;
};

std::vector<Form> all_forms() {
  using namespace optim;
  return {
      {maker<SGD>(SGDOptions{.lr = 0.1, .weight_decay = 0.1}), {}},
      {maker<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.5}), {"momentum_buffer"}},
      {maker<Adam>(AdamOptions{}), {"exp_avg", "exp_avg_sq"}},
      {maker<Adam>(AdamOptions{.amsgrad = true}), {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}},
      {maker<AdamW>(AdamWOptions{}), {"exp_avg", "exp_avg_sq"}},
      {maker<RMSprop>(RMSpropOptions{}), {"square_avg"}},
      {maker<RMSprop>(RMSpropOptions{.momentum = 0.9}), {"square_avg", "momentum_buffer"}},
      {maker<RMSprop>(RMSpropOptions{.centered = true}), {"square_avg", "grad_avg"}},
      {maker<RMSprop>(RMSpropOptions{.weight_decay = 0.1, .momentum = 0.5, .centered = true}),
       {"square_avg", "momentum_buffer", "grad_avg"}},
      {maker<Adagrad>(AdagradOptions{.lr_decay = 0.1, .initial_accumulator_value = 0.5}), {"sum"}},
  };
}

Tensor start(std::int64_t count, DType dtype) {
  Generator generator(7);
  return randn({count}, generator, dtype).requires_grad_();
}

// Steps with gradients that follow from the number of the step.
void walk(optim::Optimizer& optimizer, Tensor& param, int from, int to) {
  for (int step = from; step < to; ++step) {
    Generator generator(static_cast<std::uint64_t>(100 + step));
    param.set_grad(randn(param.shape(), generator, param.dtype()));
    optimizer.step();
  }
}

// Steps with small gradients, and then for long with none, as those of a unit that is off.
void fall_silent(optim::Optimizer& optimizer, Tensor& param) {
  Generator generator(1);
  param.set_grad(randn(param.shape(), generator, param.dtype()) * 1e-15);
  optimizer.step();
  param.set_grad(zeros(param.shape(), param.dtype()));
  for (int i = 0; i < 15000; ++i) optimizer.step();
}

}  // namespace

TEST_CASE("optim: what is remembered has PyTorch's names") {
  for (const Form& form : all_forms()) {
    Tensor w = start(3, DType::f32);
    const auto optimizer = form.make({w});
    CHECK(optimizer->state(w).tensors.empty());
    CHECK(optimizer->state(w).steps == 0);
    walk(*optimizer, w, 0, 2);
    const optim::ParamState state = optimizer->state(w);
    std::vector<std::string> names;
    for (const auto& entry : state.tensors) names.push_back(entry.name);
    CHECK(names == form.names);
    CHECK(state.steps == 2);
  }
}

TEST_CASE("optim: an optimizer that takes over another's state goes on along the same path, bit for bit") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Form& form : all_forms()) {
      CAPTURE(form.names.size());
      Tensor whole = start(37, dtype), first = start(37, dtype);
      const auto unbroken = form.make({whole}), before = form.make({first});
      walk(*unbroken, whole, 0, 8);
      walk(*before, first, 0, 4);
      Tensor second = first.detach().clone().requires_grad_();
      const auto after = form.make({second});
      optim::ParamState state = before->state(first);
      std::ranges::reverse(state.tensors);  // names count, not places
      after->set_state(second, state);
      // A copy was taken: what the first one does now changes nothing.
      walk(*before, first, 90, 92);
      walk(*after, second, 4, 8);
      CHECK(same_bits(whole, second));
    }
  }
}

TEST_CASE("optim: to write to the state is to change what the optimizer remembers") {
  Tensor w = tensor({1, 1}).requires_grad_();
  optim::SGD optimizer({w}, {.lr = 1, .momentum = 0.5});
  w.set_grad(ones({2}));
  optimizer.step();
  optimizer.state(w).tensors[0].value.mutable_data<float>()[0] = 0;
  optimizer.step();
  // b = 0.5 · 0 + 1 in the first place, 0.5 · 1 + 1 in the second.
  CHECK(w.data<float>()[0] == -1.0f);
  CHECK(w.data<float>()[1] == -1.5f);
}

TEST_CASE("optim: a state without steps makes an optimizer begin anew") {
  Tensor w = tensor({1}).requires_grad_();
  optim::Adam optimizer({w}, {.lr = 0.5});
  walk(optimizer, w, 0, 3);
  optimizer.set_state(w, {});
  const double before = w.item();
  w.set_grad(full({1}, 3));
  optimizer.step();
  CHECK(w.item() == doctest::Approx(before - 0.5));
}

TEST_CASE("optim: a state that does not fit is refused and changes nothing") {
  Tensor w = tensor({1, 2}).requires_grad_(), other = tensor({1, 2}).requires_grad_();
  optim::Adam optimizer({w});
  walk(optimizer, w, 0, 3);
  const Tensor kept = optimizer.state(w).tensors[0].value;
  const auto refused = [&](const char* text, const Tensor& param, const optim::ParamState& state) {
    CHECK_THROWS_WITH_AS(optimizer.set_state(param, state), text, Error);
    CHECK(optimizer.state(w).steps == 3);
    CHECK(optimizer.state(w).tensors[0].value.data<float>().data() == kept.data<float>().data());
  };
  const Tensor good = ones({2});
  refused("Adam: a tensor [2] is no parameter here, expected one that is being trained", other, {});
  refused("Adam: a parameter is undefined, expected a tensor", Tensor(), {});
  refused("Adam: state of -1 steps, expected 0 or more", w, {-1, {}});
  refused("Adam: state after 1 steps has 1 tensors, expected 2", w, {1, {{"exp_avg", good}}});
  refused("Adam: state after 0 steps has 1 tensors, expected 0", w, {0, {{"exp_avg", good}}});
  refused("Adam: state has no tensor \"exp_avg_sq\", expected one", w,
          {1, {{"exp_avg", good}, {"square_avg", good}}});
  refused("Adam: state \"exp_avg_sq\" is undefined, expected a tensor", w,
          {1, {{"exp_avg", good}, {"exp_avg_sq", Tensor()}}});
  refused("Adam: state \"exp_avg_sq\" is f32 [3], expected the parameter's f32 [2]", w,
          {1, {{"exp_avg", good}, {"exp_avg_sq", ones({3})}}});
  refused("Adam: state \"exp_avg\" is f64 [2], expected the parameter's f32 [2]", w,
          {1, {{"exp_avg", ones({2}, DType::f64)}, {"exp_avg_sq", good}}});
}

TEST_CASE("optim: what is forgotten of gradients is 0, and of squares the mean over the other elements") {
  const std::vector<std::string> squares = {"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum"};
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Form& form : all_forms()) {
      Tensor w = start(5, dtype);
      const auto optimizer = form.make({w});
      walk(*optimizer, w, 0, 4);
      std::vector<std::vector<double>> before;
      for (const auto& entry : optimizer->state(w).tensors) before.push_back(test::values_of(entry.value));
      optimizer->forget(w, std::vector<std::int64_t>{1, 4, 1});
      const optim::ParamState state = optimizer->state(w);
      CHECK(state.steps == 4);
      for (std::size_t i = 0; i < state.tensors.size(); ++i) {
        CAPTURE(state.tensors[i].name);
        const std::vector<double> now = test::values_of(state.tensors[i].value);
        const bool of_squares = std::ranges::find(squares, state.tensors[i].name) != squares.end();
        const double mean = (before[i][0] + before[i][2] + before[i][3]) / 3;
        for (const std::size_t at : {0u, 2u, 3u}) CHECK(now[at] == before[i][at]);
        for (const std::size_t at : {1u, 4u})
          CHECK(now[at] == doctest::Approx(of_squares ? mean : 0.0).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("optim: where all is forgotten, a parameter begins anew") {
  for (const Form& form : all_forms()) {
    Tensor w = start(5, DType::f32);
    const auto optimizer = form.make({w});
    walk(*optimizer, w, 0, 4);
    optimizer->forget(w, std::vector<std::int64_t>{0, 1, 2, 3, 4});
    CHECK(optimizer->state(w).steps == 0);
    CHECK(optimizer->state(w).tensors.empty());
  }
}

TEST_CASE(
    "optim: a parameter that had no gradient for long moves by the rate after all of it was forgotten") {
  Tensor w = zeros({2}).requires_grad_();
  optim::Adam optimizer({w}, {.lr = 1});
  for (int i = 0; i < 10000; ++i) {
    w.set_grad(i < 10 ? ones({2}) : zeros({2}));
    optimizer.step();
  }
  optimizer.forget(w, std::vector<std::int64_t>{0, 1});
  const Tensor before = w.detach().clone();
  w.set_grad(ones({2}));
  optimizer.step();
  CHECK(w.data<float>()[0] - before.data<float>()[0] == doctest::Approx(-1).epsilon(0.01));
}

TEST_CASE("optim: what is not finite counts in no mean of squares") {
  Tensor w = tensor({1, 2, 3, 4}).requires_grad_();
  optim::Adagrad optimizer({w});
  w.set_grad(tensor({1, 2, 4, INFINITY}));
  optimizer.step();
  optimizer.forget(w, std::vector<std::int64_t>{0});
  CHECK(optimizer.state(w).tensors[0].value.data<float>()[0] == 10);
}

TEST_CASE("optim: after forgetting, Adam's step is about a tenth of the rate, and not three times the rate") {
  Tensor w = zeros({4}).requires_grad_();
  optim::Adam optimizer({w}, {.lr = 1});
  for (int i = 0; i < 10000; ++i) {
    w.set_grad(ones({4}));
    optimizer.step();
  }
  optimizer.forget(w, std::vector<std::int64_t>{0});
  optim::ParamState state = optimizer.state(w);
  state.tensors[0].value.mutable_data<float>()[1] = state.tensors[1].value.mutable_data<float>()[1] = 0;
  const Tensor before = w.detach().clone();
  optimizer.step();
  // (1 - beta1) · g / √v, with v = g² and with v = (1 - beta2) · g².
  CHECK(w.data<float>()[0] - before.data<float>()[0] == doctest::Approx(-0.1).epsilon(0.01));
  CHECK(w.data<float>()[1] - before.data<float>()[1] == doctest::Approx(-3.16).epsilon(0.01));
}

TEST_CASE("optim: means of gradients that are 0 for long do not stay at subnormal numbers, which are slow") {
  for (const Form& form : all_forms()) {
    Tensor param = start(37, DType::f32);
    const auto optimizer = form.make({param});
    fall_silent(*optimizer, param);
    for (const auto& [name, value] : optimizer->state(param).tensors) {
      CAPTURE(name);
      CHECK(std::ranges::none_of(value.data<float>(),
                                 [](float x) { return std::fpclassify(x) == FP_SUBNORMAL; }));
    }
  }
}

TEST_CASE("optim: squares do not become 0 where eps would not take their place") {
  for (const double eps : {0.0, 1e-30}) {
    Tensor a = start(37, DType::f32), b = start(37, DType::f32);
    optim::Adam adam({a}, {.eps = eps});
    optim::RMSprop rmsprop({b}, {.eps = eps});
    fall_silent(adam, a);
    fall_silent(rmsprop, b);
    for (const auto& [optimizer, param] : {std::pair<optim::Optimizer&, Tensor&>(adam, a), {rmsprop, b}}) {
      CHECK(std::ranges::all_of(param.data<float>(), [](float x) { return std::isfinite(x); }));
      const optim::ParamState state = optimizer.state(param);
      const Tensor& squares = state.tensors[&param == &a ? 1 : 0].value;
      CHECK(std::ranges::all_of(squares.data<float>(), [](float x) { return x > 0; }));
    }
  }
}

TEST_CASE("optim: with a tiny eps, Adam follows tiny gradients") {
  // v underflows to 0, so that the first step is lr · g / eps.
  Tensor param = zeros({1}).requires_grad_();
  optim::Adam adam({param}, {.lr = 1, .eps = 1e-30});
  param.set_grad(full({1}, 5e-31));
  adam.step();
  CHECK(param.item() == doctest::Approx(-0.5));
}

TEST_CASE("optim: before the first step there is nothing to forget") {
  Tensor w = tensor({1, 2}).requires_grad_();
  optim::Adam optimizer({w});
  optimizer.forget(w, std::vector<std::int64_t>{0});
  CHECK(optimizer.state(w).tensors.empty());
}

TEST_CASE("optim: places that are not there, and parameters of others, are not forgotten") {
  Tensor w = tensor({{1, 2}, {3, 4}}).requires_grad_(), other = tensor({1}).requires_grad_();
  optim::Adam optimizer({w});
  w.set_grad(ones({2, 2}));
  optimizer.step();
  const Tensor before = optimizer.state(w).tensors[0].value.clone();
  for (const std::int64_t place : {-1, 4}) {
    CHECK(test::message_of([&] {
            optimizer.forget(w, std::vector<std::int64_t>{0, place});
          }) ==
          "Adam: there is no element " + std::to_string(place) + " in a parameter [2, 2], expected 0 to 3");
  }
  CHECK(same_bits(optimizer.state(w).tensors[0].value, before));
  CHECK(test::message_of([&] { optimizer.forget(other, {}); }) ==
        "Adam: a tensor [1] is no parameter here, expected one that is being trained");
}

TEST_CASE("optim: an optimizer trains what it was given, unless that is frozen") {
  Tensor w = tensor({1}).requires_grad_(), other = tensor({1}).requires_grad_();
  const optim::SGD optimizer({w}, {.lr = 1});
  CHECK(optimizer.trains(w));
  CHECK_FALSE(optimizer.trains(other));
  CHECK_FALSE(optimizer.trains(Tensor()));
  w.requires_grad_(false);
  CHECK_FALSE(optimizer.trains(w));
}

TEST_CASE("threads: every optimizer's steps have the same bits for 1, 2, 3 and 8 threads") {
  const auto run = [](const Form& form) {
    Tensor w = start(4 * 32768 + 5, DType::f32);
    walk(*form.make({w}), w, 0, 3);
    return w;
  };
  for (const Form& form : all_forms()) {
    Tensor one;
    {
      const test::ThreadCount threads(1);
      one = run(form);
    }
    for (const int n : {2, 3, 8}) {
      const test::ThreadCount threads(n);
      CHECK(same_bits(run(form), one));
    }
  }
}
