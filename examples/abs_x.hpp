// What becomes of deep and narrow networks that learn |x|: 10 weight layers of width 2, 48 points of the domain as one
// batch, MSE, Adam at 1e-3, 2,000 steps.
//
// Networks are trained 50 at a time, as one module: a product of stacks for each layer takes 13 µs a network and step on
// one core, against 30 one by one and 15 with all 1,000 at once, which no longer fit into the cache.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "deep_narrow.hpp"

namespace example {

/// Networks of one shape as one module. They learn independently of each other.
class Stack final : public rill::nn::Module {
 public:
  explicit Stack(std::vector<rill::nn::Sequential>& networks) {
    using namespace rill;
    std::vector<std::vector<Tensor>> of_network;
    for (nn::Sequential& network : networks) of_network.push_back(network.parameters());
    for (std::size_t i = 0; i < of_network[0].size(); ++i) {
      std::vector<Tensor> same;
      for (const auto& parameters : of_network) same.push_back(parameters[i].detach());
      Tensor all = rill::stack(same).to(DType::f32);
      if (all.dim() == 2) all = all.reshape({all.size(0), 1, all.size(1)});
      parameters_.push_back(all.clone().requires_grad_());
    }
  }

  /// x [networks, n, 1] to the predictions, of the same shape.
  rill::Tensor forward(const rill::Tensor& x) override {
    rill::Tensor h = x;
    for (std::size_t i = 0; i < parameters_.size(); i += 2)
      h = rill::matmul(i ? h.relu() : h, parameters_[i], false, true) + parameters_[i + 1];
    return h;
  }

  void visit(rill::nn::Visitor& visitor) override {
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      visitor.parameter((i % 2 ? "bias" : "weight") + std::to_string(i / 2), parameters_[i]);
  }

 private:
  std::vector<rill::Tensor> parameters_;  // weights [networks, out, in] and biases [networks, 1, out] in turn
};

/// Numbers of networks.
struct Outcome {
  std::int64_t constant_at_init = 0;
  std::int64_t constant_after =
      0;                        ///< all predictions within 0.01: most the same to the bit, some nearly there
  std::int64_t fitted = 0;      ///< MSE below 0.01
  std::int64_t half_wrong = 0;  ///< not constant, but MSE above 0.05: a constant at its best has 0.25

  Outcome& operator+=(const Outcome& other) {
    constant_at_init += other.constant_at_init;
    constant_after += other.constant_after;
    fitted += other.fitted;
    half_wrong += other.half_wrong;
    return *this;
  }
};

class AbsX {
 public:
  AbsX(std::uint64_t seed, int steps) : seed_(seed), steps_(steps) {}

  /// Trains `count` networks, on all threads.
  Outcome run(const Start& start, std::int64_t count) const {
    constexpr std::int64_t together = 50;
    std::vector<Outcome> outcomes(static_cast<std::size_t>((count + together - 1) / together));
    rill::parallel_tasks(static_cast<std::int64_t>(outcomes.size()), [&](std::int64_t i) {
      outcomes[static_cast<std::size_t>(i)] = train(start, i * together, std::min(count, (i + 1) * together));
    });
    Outcome all;
    for (const Outcome& outcome : outcomes) all += outcome;
    return all;
  }

 private:
  // Networks begin … end - 1.
  Outcome train(const Start& start, std::int64_t begin, std::int64_t end) const {
    using namespace rill;
    Outcome outcome;
    std::vector<nn::Sequential> networks;
    for (std::int64_t index = begin; index < end; ++index) {
      Generator generator = generator_of(seed_, 0, index);
      networks.push_back(deep_narrow(10, 2, start, generator));
      outcome.constant_at_init += nn::born_dead(networks.back(), domain(points)).network;
    }
    const Tensor x = domain(points).to(DType::f32).reshape({1, points, 1}).expand({end - begin, points, 1});
    const Tensor y = x.abs();
    Stack model(networks);
    optim::Adam optimizer(model, {.lr = 1e-3});
    for (int step = 0; step < steps_; ++step) {
      // The sum of the networks' MSEs, so that none scales the gradient of another.
      const Tensor loss = (model(x) - y).square().sum() / points;
      loss.backward();
      optimizer.step();
      optimizer.zero_grad();
    }
    const NoGrad no_grad;
    judge(model(x), y, outcome);
    return outcome;
  }

  static void judge(const rill::Tensor& predictions, const rill::Tensor& y, Outcome& outcome) {
    const rill::Tensor off = (predictions - y).square().mean(1);
    const auto p = predictions.data<float>(), mse = off.data<float>();
    for (std::size_t i = 0; i < mse.size(); ++i) {
      const auto own = p.subspan(i * points, points);
      const auto [low, high] = std::ranges::minmax(own);
      const bool constant = high - low < 0.01F;
      outcome.constant_after += constant;
      outcome.fitted += mse[i] < 0.01F;
      outcome.half_wrong += !constant && mse[i] > 0.05F;
    }
  }

  static constexpr std::int64_t points = 48;
  std::uint64_t seed_;
  int steps_;
};

}  // namespace example
