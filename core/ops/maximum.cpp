#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/maximum.hpp>
#include <rill/core/ops/pairs.hpp>

namespace rill {
namespace ops {

void Maximum::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    for_pairs<T, T>(a, b, y, [](T p, T q) { return p > q || p != p ? p : q; });
  });
}

void Minimum::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    for_pairs<T, T>(a, b, y, [](T p, T q) { return p < q || p != p ? p : q; });
  });
}

namespace {

std::array<Tensor, 2> shares(bool larger, const Incoming& g, const Tensor& a, const Tensor& b) {
  const ShareOfWinner share{larger};
  return {g.needs(0) ? sum_to(apply(share, g[0], a, b), g.input_shape(0)) : Tensor(),
          g.needs(1) ? sum_to(apply(share, g[0], b, a), g.input_shape(1)) : Tensor()};
}

}  // namespace

std::array<Tensor, 2> Maximum::gradient(const Incoming& g, Input<0> a, Input<1> b) const {
  return shares(true, g, a(), b());
}

std::array<Tensor, 2> Minimum::gradient(const Incoming& g, Input<0> a, Input<1> b) const {
  return shares(false, g, a(), b());
}

void ShareOfWinner::forward(const Tensor& g, const Tensor& x, const Tensor& other, Tensor& dx) const {
  dispatch_floating(g.dtype(), name, [&]<class T>(T) {
    if (larger) {
      for_triples<T, T>(g, x, other, dx, [](T of_y, T p, T q) {
        return p < q ? T(0) : p == q ? of_y / T(2) : of_y;
      });
    } else {
      for_triples<T, T>(g, x, other, dx, [](T of_y, T p, T q) {
        return p > q ? T(0) : p == q ? of_y / T(2) : of_y;
      });
    }
  });
}

std::array<Tensor, 3> ShareOfWinner::gradient(const Incoming& v, Input<1> x, Input<2> other) const {
  return {apply(*this, v[0], x(), other()), Tensor(), Tensor()};
}

}  // namespace ops

Tensor maximum(const Tensor& a, const Tensor& b) { return apply(ops::Maximum{}, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply(ops::Minimum{}, a, b); }
Tensor Tensor::maximum(const Tensor& other) const { return rill::maximum(*this, other); }
Tensor Tensor::minimum(const Tensor& other) const { return rill::minimum(*this, other); }

}  // namespace rill
