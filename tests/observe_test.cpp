// Observers: which ops they are told of, for which module, and that a thread without one does not notice.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <rill/rill.hpp>

using namespace rill;

namespace {

struct Log final : Observer {
  std::string text;
  void after(const OpRun& run) override {
    text += std::string(run.backward ? "<" : "") + std::string(run.name) + " ";
    modules.push_back(run.module);
  }
  void failed(std::string_view op) noexcept override { text += "!" + std::string(op) + " "; }
  std::vector<const void*> modules;
};

// Σ of two tensors: an op on any number of inputs, from outside of the library.
struct SumAll {
  static constexpr std::string_view name = "sum_all";
  Meta infer(std::span<const Tensor> in) const {
    RILL_CHECK(!in.empty(), "sum_all: no inputs, expected one or more");
    return {in[0].shape(), in[0].dtype()};
  }
  void forward(std::span<const Tensor> in, Tensor& y) const {
    const auto out = y.mutable_data<double>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = 0;
      for (const Tensor& input : in) out[i] += input.data<double>()[i];
    }
  }
  TensorList gradient(const Incoming& g) const {
    TensorList grads(inputs);
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (g.needs(static_cast<int>(i))) grads[i] = g[0];
    }
    return grads;
  }
  std::size_t inputs = 0;
};

}  // namespace

TEST_CASE("observe: an observer sees every op, forward, backward and in place, in order") {
  const Tensor x = tensor({-1, 2}).requires_grad_();
  Log log;
  Tensor y = (x * 2.0).relu_();
  y.sum().backward();
  CHECK(log.text == "mul relu sum <reshape <expand <relu_backward <mul ");
}

TEST_CASE("observe: a gradient that is added to a leaf's is seen") {
  const Tensor x = tensor({1, 2}).requires_grad_();
  x.sum().backward();
  Log log;
  x.sum().backward();
  CHECK(log.text == "sum <reshape <expand add_ ");
}

TEST_CASE("observe: ops are told of with the innermost module that they run for, backward too") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU()};
  Log log;
  const Tensor loss = model(ones({1, 2})).sum();
  loss.backward();
  CHECK(log.text == "linear relu sum <reshape <expand <relu_backward <matmul <sum ");
  const void *dense = &model[0], *relu = &model[1];
  CHECK(log.modules == std::vector<const void*>{dense, relu, nullptr, nullptr, nullptr, relu, dense, dense});
}

TEST_CASE("observe: observers nest, and what one computes itself goes unseen") {
  struct Computing final : Observer {
    int calls = 0;
    void after(const OpRun& run) override { calls += run.results[0].sum().numel() == 1; }
  };
  Log outer;
  {
    Computing inner;
    ones({2}).relu();
    CHECK(inner.calls == 1);
  }
  ones({2}).relu();
  CHECK(outer.text == "relu relu ");
}

TEST_CASE("observe: an op that throws is told of as failed") {
  Log log;
  CHECK_THROWS_AS(ones({2}) + ones({3}), Error);
  CHECK(log.text == "!add ");
}

TEST_CASE("observe: another thread's ops are not seen") {
  Log log;
  std::thread([] { ones({2}).relu(); }).join();
  CHECK(log.text.empty());
}

TEST_CASE("observe: what an observer throws comes out of the op") {
  struct Refusing final : Observer {
    void after(const OpRun&) override { throw Error("refused"); }
  };
  const Refusing refusing;
  CHECK_THROWS_WITH(ones({2}).relu(), "refused");
}

TEST_CASE("observe: observers may go in any order, and the others see on") {
  auto first = std::make_unique<Log>(), second = std::make_unique<Log>(), third = std::make_unique<Log>();
  second.reset();
  ones({2}).relu();
  first.reset();
  ones({2}).relu();
  CHECK(third->text == "relu relu ");
  third.reset();
  CHECK(detail::thread_mode.observer == nullptr);
}

TEST_CASE("observe: where an observer throws, the op has failed for the others that know of it") {
  struct Refusing final : Observer {
    explicit Refusing(bool at_start) : at_start_(at_start) {}
    void before(const OpRun&) override {
      if (at_start_) throw Error("refused");
    }
    void after(const OpRun&) override { throw Error("refused"); }
    bool at_start_;
  };
  for (const bool at_start : {true, false}) {
    CAPTURE(at_start);
    Log outer;
    const Refusing refusing(at_start);
    Log inner;
    CHECK_THROWS_WITH(ones({2}).relu(), "refused");
    CHECK(inner.text == (at_start ? "!relu " : "relu "));
    CHECK(outer.text == (at_start ? "" : "!relu "));
  }
}

TEST_CASE("graph: an op on any number of inputs passes both gradient checks") {
  const TensorFunction sum_all = [](const std::vector<Tensor>& in) {
    const Tensor y = apply_list(SumAll{in.size()}, in);
    return std::vector<Tensor>{y * y};
  };
  Generator generator(2);
  std::vector<Tensor> inputs;
  for (int i = 0; i < 5; ++i) {
    inputs.push_back(randn({2, 3}, generator, DType::f64));
    if (i != 2) inputs.back().requires_grad_();
  }
  CHECK(gradcheck(sum_all, inputs).failure == "");
  CHECK(gradgradcheck(sum_all, inputs).failure == "");
}

TEST_CASE("graph: an op on any number of inputs that returns too few gradients is refused") {
  const std::vector<Tensor> in{ones({2}, DType::f64).requires_grad_(),
                               ones({2}, DType::f64).requires_grad_()};
  const Tensor y = apply_list(SumAll{1}, in).sum();
  CHECK_THROWS_WITH(y.backward(), "backward: sum_all returned 1 gradients for 2 inputs, expected one each");
}

TEST_CASE("graph: an undefined tensor among any number of inputs is refused, with its place") {
  const std::vector<Tensor> in{ones({2}, DType::f64), Tensor()};
  CHECK_THROWS_WITH(apply_list(SumAll{2}, in),
                    "sum_all: input 1 is undefined, expected a tensor with elements");
}
