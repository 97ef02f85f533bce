// Activation layers: that each is the function of its name, with its defaults; softmax layers; refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "gradcheck.hpp"

using namespace rill;

namespace {

Tensor numbers() { return tensor({{-3, -1, -0.5, 0}, {0.25, 1, 2, 5}}); }

// Whether no gradient at all arrives where x is below 0.
bool gradient_is_zero_below(nn::Module& layer) {
  const Tensor x = tensor({-5, -3, -1, -0.5, -0.125}).requires_grad_();
  layer(x).sum().backward();
  for (const float value : x.grad().to_vector<float>()) {
    if (value != 0) return false;
  }
  return true;
}

template <class Layer>
void blocks_as_it_says(Layer layer) {
  const bool says = nn::audit(layer, ones({1, 1})).layers[0].blocks_gradient;
  CHECK_MESSAGE(says == gradient_is_zero_below(layer), layer.type());
}

}  // namespace

TEST_CASE("layers: every activation is the function of its name, with PyTorch's defaults") {
  const Tensor x = numbers();
  CHECK(test::same_bits(nn::GELU()(x), gelu(x)));
  CHECK(test::same_bits(nn::GELU(GeluApproximation::tanh)(x), gelu(x, GeluApproximation::tanh)));
  CHECK(test::same_bits(nn::SELU()(x), x.selu()));
  CHECK(test::same_bits(nn::CELU()(x), x.celu(1)));
  CHECK(test::same_bits(nn::CELU(0.5)(x), x.celu(0.5)));
  CHECK(test::same_bits(nn::SiLU()(x), x.silu()));
  CHECK(test::same_bits(nn::Softplus()(x), x.softplus(1)));
  CHECK(test::same_bits(nn::Softplus(2)(x), x.softplus(2)));
  CHECK(test::same_bits(nn::Tanh()(x), x.tanh()));
  CHECK(test::same_bits(nn::Sigmoid()(x), x.sigmoid()));
  CHECK(test::same_bits(nn::Softmax()(x), x.softmax(-1)));
  CHECK(test::same_bits(nn::Softmax(0)(x), x.softmax(0)));
  CHECK(test::same_bits(nn::LogSoftmax()(x), x.log_softmax(-1)));
  CHECK(test::same_bits(nn::LogSoftmax(0)(x), x.log_softmax(0)));
}

TEST_CASE("layers: attributes are what the constructor was given") {
  CHECK(nn::GELU().approximate() == GeluApproximation::none);
  CHECK(nn::CELU(0.5).alpha() == 0.5);
  CHECK(nn::Softplus(2).beta() == 2);
  CHECK(nn::Softmax(1).axis() == 1);
  CHECK(nn::LogSoftmax().axis() == -1);
}

TEST_CASE("layers: an activation blocks the gradient exactly where it says so") {
  blocks_as_it_says(nn::ReLU());
  blocks_as_it_says(nn::LeakyReLU());
  blocks_as_it_says(nn::LeakyReLU(0));
  blocks_as_it_says(nn::ELU());
  blocks_as_it_says(nn::ELU(0));
  blocks_as_it_says(nn::PReLU());
  blocks_as_it_says(nn::GELU());
  blocks_as_it_says(nn::GELU(GeluApproximation::tanh));
  blocks_as_it_says(nn::SELU());
  blocks_as_it_says(nn::CELU());
  blocks_as_it_says(nn::SiLU());
  blocks_as_it_says(nn::Softplus());
  blocks_as_it_says(nn::Tanh());
  blocks_as_it_says(nn::Sigmoid());
}

TEST_CASE("layers: a model of all kinds trains, evaluates, converts and copies") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(4, 6, generator),
                       nn::Sequential{nn::BatchNorm1d(6), nn::SiLU(), nn::Dropout(0.5, generator)},
                       nn::LayerNorm(6),
                       nn::PReLU(6),
                       nn::Dense(6, 3, generator, {.init = nn::init::orthogonal()}),
                       nn::LogSoftmax()};
  const Tensor x = randn({8, 4}, generator);
  model(x).sum().backward();
  for (const auto& parameter : model.named_parameters())
    CHECK_MESSAGE(parameter.value.grad().defined(), parameter.name);
  model.eval();
  const Tensor y = model(x);
  CHECK(test::same_bits(nn::clone(model)(x), y));
  model.to(DType::f64);
  const Tensor wide = model(x.to(DType::f64));
  CHECK(wide.dtype() == DType::f64);
  CHECK(wide.at({0, 0}) == doctest::Approx(y.at({0, 0})).epsilon(1e-5));
}

TEST_CASE("layers: bad attributes are refused") {
  const auto refused = [](const char* text, auto call) { CHECK_THROWS_WITH_AS(call(), text, Error); };
  refused("CELU: alpha is 0, expected a finite number above 0", [] { nn::CELU{0}; });
  refused("CELU: alpha is nan, expected a finite number above 0", [] { nn::CELU{NAN}; });
  refused("Softplus: beta is -1, expected a finite number above 0", [] { nn::Softplus{-1}; });
  refused("Softplus: beta is inf, expected a finite number above 0", [] { nn::Softplus{INFINITY}; });
}
