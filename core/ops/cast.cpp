#include <rill/core/ops/cast.hpp>
#include <rill/core/parallel.hpp>

namespace rill {

Meta ops::Cast::infer(const Tensor& x) const {
  if (!is_floating(dtype) && is_floating(x.dtype())) {
    dispatch_floating(x.dtype(), name, [&]<class T>(T) {
      for (const T value : x.data<T>()) {
        // -2^63 is representable in both types, 2^63 is the first number above the range.
        RILL_CHECK(value >= T(-0x1p63) && value < T(0x1p63), name, ": x ", x.shape(), " contains ", value,
                   ", expected numbers in the range of i64");
      }
    });
  }
  return {x.shape(), dtype};
}

void ops::Cast::forward(const Tensor& x, Tensor& y) const {
  dispatch(x.dtype(), [&]<class From>(From) {
    dispatch(y.dtype(), [&]<class To>(To) {
      const From* in = x.data<From>().data();
      To* out = y.mutable_data<To>().data();
      parallel_for(y.numel(), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<To>(in[i]);
      });
    });
  });
}

Tensor ops::Cast::gradient(const Incoming& g) const { return to(g[0], g.input_dtype(0)); }

Tensor to(const Tensor& x, DType dtype) { return apply(ops::Cast{dtype}, x); }

Tensor Tensor::to(DType dtype) const { return rill::to(*this, dtype); }
Tensor Tensor::clone() const { return rill::to(*this, dtype()); }

}  // namespace rill
