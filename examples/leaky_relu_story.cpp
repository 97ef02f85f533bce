// LeakyReLU, told twice: as the layer of tf.keras.layers.LeakyReLU (slope 0.3) and as the function of PyTorch
// (slope 0.01), with the story of the units that ReLU silences.
#include <iostream>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

using namespace rill;

// The share of exact zeros.
double zero_share(const Tensor& x) {
  std::int64_t zeros = 0;
  for (const float value : x.data<float>()) zeros += value == 0.0f;
  return static_cast<double>(zeros) / static_cast<double>(x.numel());
}

void the_layer() {
  std::cout << "The layer, as in Keras: nn::LeakyReLU\n";
  const Tensor x = tensor({-3.0, -1.0, 0.0, 2.0});

  nn::LeakyReLU layer;
  std::cout << "  slope 0.3 (default)  " << layer(x) << '\n';

  nn::LeakyReLU gentle(0.1);
  std::cout << "  slope 0.1            " << gentle(x) << '\n';
}

void the_function() {
  std::cout << "The function, as in PyTorch: leaky_relu\n";
  const Tensor x = tensor({-2, -1, 0, 1, 2});
  std::cout << "  slope 0.01 (default) " << x.leaky_relu() << '\n';
  std::cout << "  slope 0.2            " << x.leaky_relu(0.2) << '\n';
  std::cout << "  slope 1 (identity)   " << x.leaky_relu(1.0) << '\n';
}

// A layer that a user writes: a dense map and a leaky_relu in one module.
struct DenseLayer final : nn::Module {
  Tensor weight, bias;
  double negative_slope;

  DenseLayer(std::int64_t in, std::int64_t out, double slope, Generator& generator)
      : weight(empty({out, in})), bias(zeros({out})), negative_slope(slope) {
    nn::init::kaiming_normal(nn::init::gain("leaky_relu", slope))(weight, generator);
    weight.requires_grad_();
    bias.requires_grad_();
  }

  Tensor forward(const Tensor& x) override { return linear(x, weight, bias).leaky_relu(negative_slope); }

  void visit(nn::Visitor& visitor) override {
    visitor.parameter("weight", weight);
    visitor.parameter("bias", bias);
  }
};

void the_dead_units(Generator& generator) {
  std::cout << "What ReLU silences\n";
  const Tensor x = randn({32, 64}, generator), w = randn({64, 128}, generator);
  const Tensor hidden = x.mm(w);
  std::cout << "  zeros after relu             " << 100 * zero_share(hidden.relu()) << " %\n";
  std::cout << "  zeros after leaky_relu(0.1)  " << 100 * zero_share(hidden.leaky_relu(0.1)) << " %\n";

  // The same for gradients: where the output is 0, nothing is learnt.
  for (const double slope : {0.0, 0.01, 0.1, 0.2, 0.3, 1.0}) {
    Tensor leaf = hidden.clone().requires_grad_();
    leaf.leaky_relu(slope).sum().backward();
    std::cout << "  slope " << slope << ": mean output " << hidden.leaky_relu(slope).mean().item()
              << ", no gradient for " << 100 * zero_share(leaf.grad()) << " % of the inputs\n";
  }
}

void the_users_layer(Generator& generator) {
  std::cout << "A layer of one's own\n";
  nn::Sequential model{DenseLayer(64, 32, 0.1, generator), DenseLayer(32, 10, 0.1, generator)};
  const Tensor x = randn({8, 64}, generator);
  model(x).mean().backward();
  for (const auto& [name, value] : model.named_parameters()) {
    std::cout << "  " << name << ' ' << value.shape()
              << ", zeros in the gradient: " << 100 * zero_share(value.grad()) << " %\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("LeakyReLU as layer and as function, and what it is good for.");
  return program.run(argc, argv, [&] {
    Generator generator(program.seed);
    the_layer();
    the_function();
    the_dead_units(generator);
    the_users_layer(generator);
  });
}
