#include <rill/core/kernels/exponential.hpp>
#include <rill/core/ops/selu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Selu>;
template struct ops::Elementwise<ops::Selu, true>;
template struct ops::Slope<ops::Selu, false>;
template struct ops::Slope<ops::Selu, true>;

constexpr kernels::ExpLinear selu_in_f32{static_cast<float>(ops::Selu::scale),
                                         static_cast<float>(ops::Selu::scale* ops::Selu::alpha)};

void ops::Selu::values(const float* x, float* y, std::int64_t count) {
  kernels::exp_linear(selu_in_f32, x, y, count, isa());
}

void ops::Selu::slopes(const float* g, const float* x, float* dx, std::int64_t count) {
  kernels::exp_linear_slope(selu_in_f32, g, x, dx, count, isa());
}

Tensor selu(const Tensor& x) { return elementwise(ops::Selu{}, x); }
Tensor Tensor::selu() const { return rill::selu(*this); }
Tensor& Tensor::selu_() { return elementwise_(ops::Selu{}, *this); }

}  // namespace rill
