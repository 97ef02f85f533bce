#include <numeric>

#include <rill/core/axis.hpp>
#include <rill/core/ops/groups.hpp>
#include <rill/core/ops/topk.hpp>

namespace rill {
namespace ops {
namespace {

template <bool largest, class T>
bool comes_first(T a, std::int64_t at_a, T b, std::int64_t at_b) {
  const bool nan_a = a != a, nan_b = b != b;
  if (nan_a != nan_b) return largest ? nan_a : nan_b;
  if (!nan_a && a != b) return largest ? a > b : a < b;
  return at_a < at_b;
}

template <bool largest, class T>
void first_k(const Groups& groups, std::int64_t k, const T* x, T* values, std::int64_t* indices) {
  const std::int64_t inner = groups.inner, size = groups.reduced;
  parallel_for(
      groups.count(),
      [=](std::int64_t begin, std::int64_t end) {
        std::vector<std::int64_t, memory::Allocator<std::int64_t>> order(static_cast<std::size_t>(size));
        for (std::int64_t group = begin; group < end; ++group) {
          const std::int64_t o = group / inner, i = group % inner;
          const T* from = x + o * size * inner + i;
          std::iota(order.begin(), order.end(), std::int64_t{0});
          std::partial_sort(order.begin(), order.begin() + k, order.end(),
                            [=](std::int64_t a, std::int64_t b) {
                              return comes_first<largest>(from[a * inner], a, from[b * inner], b);
                            });
          for (std::int64_t r = 0; r < k; ++r) {
            const std::int64_t to = (o * k + r) * inner + i;
            indices[to] = order[static_cast<std::size_t>(r)];
            values[to] = from[indices[to] * inner];
          }
        }
      },
      groups.grain(10));
}

// Calls body(at, there) for every index: where it stands, and the element of x that it names.
template <class Body>
void for_indices(const Shape& shape, const Tensor& indices, int axis, Body body) {
  const Groups groups = groups_along(shape, axis);
  const std::int64_t k = indices.shape()[axis], size = groups.reduced, inner = groups.inner;
  const std::int64_t* index = indices.data<std::int64_t>().data();
  parallel_for(
      groups.outer,
      [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t at = begin * k * inner; at < end * k * inner; ++at)
          body(at, (at / (k * inner) * size + index[at]) * inner + at % inner);
      },
      std::max<std::int64_t>(detail::parallel_grain / std::max<std::int64_t>(size * inner, 1), 1));
}

}  // namespace

std::array<Meta, 2> TopK::infer(const Tensor& x) const {
  const std::int64_t size = x.shape()[axis];
  RILL_CHECK(k >= 0 && k <= size, name, ": k is ", k, ", expected 0 to ", size, " (axis ", axis, " of x ",
             x.shape(), ")");
  const Shape shape = detail::with_size(x.shape(), axis, k);
  return {{{shape, x.dtype()}, {shape, DType::i64}}};
}

void TopK::forward(const Tensor& x, Tensor& values, Tensor& indices) const {
  const Groups groups = groups_along(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = values.mutable_data<T>().data();
    std::int64_t* index = indices.mutable_data<std::int64_t>().data();
    if (largest) {
      first_k<true>(groups, k, in, out, index);
    } else {
      first_k<false>(groups, k, in, out, index);
    }
  });
}

Tensor TopK::gradient(const Incoming& g, Output<1> indices) const {
  return apply(TopKBackward{axis, g.input_shape(0)}, g[0], indices().detach());
}

void TopKBackward::forward(const Tensor& g, const Tensor& indices, Tensor& dx) const {
  dispatch_floating(g.dtype(), name, [&]<class T>(T) {
    const T* in = g.data<T>().data();
    const auto all = dx.mutable_data<T>();
    std::fill(all.begin(), all.end(), T(0));
    T* out = all.data();
    for_indices(shape, indices, axis, [=](std::int64_t at, std::int64_t there) { out[there] = in[at]; });
  });
}

std::array<Tensor, 2> TopKBackward::gradient(const Incoming& v, Input<1> indices) const {
  return {apply(TopKBackwardBackward{axis}, v[0], indices()), Tensor()};
}

void TopKBackwardBackward::forward(const Tensor& v, const Tensor& indices, Tensor& y) const {
  dispatch_floating(v.dtype(), name, [&]<class T>(T) {
    const T* in = v.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for_indices(v.shape(), indices, axis, [=](std::int64_t at, std::int64_t there) { out[at] = in[there]; });
  });
}

std::array<Tensor, 2> TopKBackwardBackward::gradient(const Incoming& u, Input<1> indices) const {
  return {apply(TopKBackward{axis, u.input_shape(0)}, u[0], indices()), Tensor()};
}

std::vector<Sample<TopK>> TopK::samples() {
  return {{{0, 3, true}, {{{7}}}},       {{1, 2, false}, {{{3, 4}}}}, {{0, 2, true}, {{{3, 4}}}},
          {{1, 3, true}, {{{2, 3, 4}}}}, {{0, 0, true}, {{{3, 2}}}},  {{1, 2, true}, {{{0, 3}}}},
          {{0, 1, false}, {{{1}}}}};
}

}  // namespace ops

TopK topk(const Tensor& x, std::int64_t k, int axis, bool largest) {
  const ops::TopK op{normalize_axis(axis, x.shape(), "topk"), k, largest};
  const auto results = apply(op, x);
  return {results[0], results[1].detach()};
}

}  // namespace rill
