// The quickstart of README.md: the part between the markers is the code shown there.
#include "program.hpp"

// [quickstart]
#include <iostream>

#include <rill/rill.hpp>

void quickstart(std::uint64_t seed) {
  using namespace rill;
  Generator generator(seed);

  // 8,000 images of digits, 28 x 28, which rill draws itself.
  auto digits = nn::data::draw_digits(8000, seed, /*train=*/true);
  auto unseen = nn::data::draw_digits(2000, seed, /*train=*/false);

  nn::Sequential model{nn::Flatten(), nn::Dense(784, 64, generator), nn::LeakyReLU(0.1),
                       nn::Dense(64, 10, generator)};
  optim::AdamW optimizer(model, {.lr = 3e-3, .weight_decay = 0.01});

  nn::data::Loader loader(digits, {.batch_size = 64, .shuffle = true, .seed = seed});
  for (int epoch = 0; epoch < 3; ++epoch) {
    double loss_sum = 0;
    for (const auto& batch : loader.epoch(epoch)) {
      Tensor loss = cross_entropy(model(batch.x), batch.y);
      loss.backward();
      optimizer.step();
      optimizer.zero_grad();
      loss_sum += loss.item();
    }
    std::cout << "epoch " << epoch + 1 << ": loss " << loss_sum / double(loader.batches()) << '\n';
  }

  NoGrad no_grad;
  std::int64_t correct = 0;
  for (const auto& batch : nn::data::Loader(unseen, {.batch_size = 500}).epoch(0)) {
    correct += nn::count_correct(model(batch.x), batch.y);
  }
  std::cout << correct << " of " << unseen->size() << " unseen digits are read correctly\n";

  std::cout << nn::audit(model, *digits, {.samples = 2000});
}
// [/quickstart]

int main(int argc, char** argv) {
  example::Program program("Trains a small network on digits that rill draws itself.");
  return program.run(argc, argv, [&] { quickstart(program.seed); });
}
