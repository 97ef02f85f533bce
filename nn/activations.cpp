#include <cmath>

#include <rill/nn/activations.hpp>

namespace rill::nn {
namespace {

double checked_slope(const char* layer, const char* key, double value) {
  RILL_CHECK(std::isfinite(value) && value >= 0, layer, ": ", key, " is ", value,
             ", expected a finite number, 0 or more");
  return value;
}

double checked_positive(const char* layer, const char* key, double value) {
  RILL_CHECK(std::isfinite(value) && value > 0, layer, ": ", key, " is ", value,
             ", expected a finite number above 0");
  return value;
}

}  // namespace

ReLU::ReLU(const ReLUOptions& options)
    : options_(options),
      plain_(options.negative_slope == 0 && options.max_value == ReLUOptions{}.max_value &&
             options.threshold == 0) {
  ops::BoundedRelu{options}.check(DType::f32);
}

LeakyReLU::LeakyReLU(double negative_slope)
    : negative_slope_(checked_slope("LeakyReLU", "negative_slope", negative_slope)) {}

ELU::ELU(double alpha) : alpha_(checked_slope("ELU", "alpha", alpha)) {}

PReLU::PReLU(std::int64_t num_parameters, double initial_slope, DType dtype) : initial_slope_(initial_slope) {
  RILL_CHECK(is_floating(dtype), "PReLU: dtype is ", dtype, ", expected f32 or f64");
  RILL_CHECK(num_parameters >= 1, "PReLU: num_parameters is ", num_parameters, ", expected 1 or more");
  RILL_CHECK(std::isfinite(initial_slope), "PReLU: initial_slope is ", initial_slope,
             ", expected a finite number");
  weight = full({num_parameters}, initial_slope, dtype).requires_grad_();
}

CELU::CELU(double alpha) : alpha_(checked_positive("CELU", "alpha", alpha)) {}

Softplus::Softplus(double beta) : beta_(checked_positive("Softplus", "beta", beta)) {}

AnyActivation::AnyActivation(detail::Owned held) : held_(std::move(held)) {
  Module::set_training(held_.get()->training());
}

AnyActivation::AnyActivation(const AnyActivation& other) : Activation(other) {
  if (other.held_) held_ = other.held_.copy();
}

AnyActivation& AnyActivation::operator=(const AnyActivation& other) {
  AnyActivation copy(other);
  Activation::operator=(other);
  held_ = std::move(copy.held_);
  return *this;
}

Tensor AnyActivation::forward(const Tensor& x) {
  RILL_CHECK(held_, "AnyActivation: it is empty, expected an activation");
  return get()->forward(x);
}

void AnyActivation::visit(Visitor& visitor) {
  if (held_) get()->visit(visitor);
}

void AnyActivation::set_training(bool training) {
  Module::set_training(training);
  if (held_) static_cast<Module*>(get())->set_training(training);
}

}  // namespace rill::nn
