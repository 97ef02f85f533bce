// Finds out which units of a network die while it trains, why, and brings them back.
#include <iostream>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

using namespace rill;

// [neuron_health]
nn::Sequential make_model(std::uint64_t seed) {
  Generator generator(seed);
  const nn::DenseOptions hidden{.activation = nn::ReLU()};
  return nn::Sequential{nn::Flatten(), nn::Dense(784, 100, generator, hidden),
                        nn::Dense(100, 100, generator, hidden), nn::Dense(100, 10, generator)};
}

// Trains for an epoch, and looks at the units on its way.
void train(nn::Module& model, std::shared_ptr<const nn::data::Dataset> digits, optim::Optimizer& optimizer,
           nn::Monitor& monitor) {
  for (const auto& batch : nn::data::Loader(digits, {.batch_size = 64, .shuffle = true}).epoch(0)) {
    cross_entropy(model(batch.x), batch.y).backward();
    monitor.before_update();
    optimizer.step();
    optimizer.zero_grad();
    monitor.after_update(batch.x.size(0));
  }
}

void rescue(std::uint64_t seed, std::int64_t samples) {
  auto digits = nn::data::draw_digits(samples, seed, /*train=*/true);
  auto loss = [](const Tensor& logits, const Tensor& labels) { return cross_entropy(logits, labels); };
  nn::Sequential model = make_model(seed);
  std::cout << nn::born_dead(model, *digits).dead << " units are dead before the first step\n";

  nn::Monitor monitor(model, digits, {.every = 20, .loss = loss});
  optim::Adam hasty(model, {.lr = 0.05});
  train(model, digits, hasty, monitor);
  std::cout << monitor.report() << nn::diagnose(monitor.history()) << '\n';

  // The advice is to lower the rate and to recycle. What the network computes does not change by that.
  optim::Adam calm(model, {.lr = 0.001});
  Generator generator(seed);
  std::cout << optim::recycle(model, calm, *digits, generator) << '\n';
  train(model, digits, calm, monitor);
  std::cout << nn::audit(model, *digits, {.loss = loss});
}
// [/neuron_health]

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Finds the units that die while a network trains, and brings them back.");
  return program.run(argc, argv, [&] { rescue(program.seed, program.quick ? 2000 : 20000); });
}
