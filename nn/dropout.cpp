#include <rill/core/ops/dropout.hpp>
#include <rill/nn/dropout.hpp>

namespace rill::nn {

Dropout::Dropout(double p, Generator& generator) : p_(p) {
  RILL_CHECK(p >= 0 && p <= 1, "Dropout: p is ", p, ", expected 0 to 1");
  Stream stream = generator.stream(Purpose::dropout);
  const std::uint64_t high = stream.next();
  seed_ = high << 32 | stream.next();
}

Tensor Dropout::forward(const Tensor& x) {
  RILL_CHECK(is_floating(x.dtype()), "Dropout: x is ", x.dtype(), ", expected f32 or f64");
  if (!training() || p_ == 0) return x;
  Tensor y = dropout(x, p_, seed_, calls_);
  ++calls_;
  return y;
}

}  // namespace rill::nn
