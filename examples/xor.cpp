// XOR, the smallest function that no single layer can learn: two inputs, four hidden units, two classes.
#include <iostream>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

void learn_xor(std::uint64_t seed, int steps) {
  using namespace rill;
  Generator generator(seed);
  const Tensor x = tensor({{0, 0}, {0, 1}, {1, 0}, {1, 1}});
  const Tensor y = tensor({0, 1, 1, 0}, DType::i64);

  nn::Sequential model{nn::Dense(2, 4, generator), nn::LeakyReLU(), nn::Dense(4, 2, generator)};
  optim::Adam optimizer(model, {.lr = 0.05});
  for (int step = 0; step < steps; ++step) {
    Tensor loss = cross_entropy(model(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zero_grad();
    if (step % 50 == 0) std::cout << "step " << step << ": loss " << loss.item() << '\n';
  }

  const NoGrad no_grad;
  const Tensor logits = model(x);
  const auto inputs = x.data<float>(), scores = logits.data<float>();
  for (std::size_t row = 0; row < 4; ++row) {
    const bool is_one = scores[2 * row + 1] > scores[2 * row];
    std::cout << inputs[2 * row] << " xor " << inputs[2 * row + 1] << " = " << is_one << '\n';
  }
  std::cout << nn::count_correct(logits, y) << " of 4 correct\n";
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Learns XOR with four hidden units.");
  return program.run(argc, argv, [&] { learn_xor(program.seed, program.quick ? 100 : 250); });
}
