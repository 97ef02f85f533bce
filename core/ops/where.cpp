#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/pairs.hpp>
#include <rill/core/ops/where.hpp>

namespace rill {
namespace ops {

Meta Where::infer(const Tensor& condition, const Tensor& a, const Tensor& b) const {
  RILL_CHECK(a.dtype() == b.dtype(), name, ": dtypes are ", a.dtype(), " and ", b.dtype(),
             ", expected equal ones; convert one with to()");
  const Shape chosen = broadcast_shapes(a.shape(), b.shape(), name.data());
  return {broadcast_shapes(condition.shape(), chosen, name.data()), a.dtype()};
}

void Where::forward(const Tensor& condition, const Tensor& a, const Tensor& b, Tensor& y) const {
  dispatch(condition.dtype(), [&]<class C>(C) {
    dispatch(y.dtype(), [&]<class T>(T) {
      for_triples<C, T>(condition, a, b, y, [](C c, T p, T q) { return c != C(0) ? p : q; });
    });
  });
}

std::array<Tensor, 3> Where::gradient(const Incoming& g, Input<0> condition) const {
  const Tensor chosen = condition().detach();
  return {Tensor(), g.needs(1) ? sum_to(where(chosen, g[0], 0.0), g.input_shape(1)) : Tensor(),
          g.needs(2) ? sum_to(where(chosen, 0.0, g[0]), g.input_shape(2)) : Tensor()};
}

std::vector<Sample<Where>> Where::samples() {
  constexpr auto mask = SampleInput::Kind::labels;
  return {{{}, {{{3, 4}, mask, 2}, {{3, 4}}, {{3, 4}}}},
          {{}, {{{4}, mask, 2}, {{3, 4}}, {{3, 1}}}},
          {{}, {{{3, 1}, mask, 2}, {{4}}, {{}}}},
          {{}, {{{2, 3, 4}, mask, 2}, {{}}, {{3, 1}}}},
          {{}, {{{2, 1, 4}, mask, 2}, {{3, 1}}, {{2, 3, 4}}}},
          {{}, {{{}, mask, 2}, {{2, 2}}, {{2, 2}}}},
          {{}, {{{0, 3}, mask, 2}, {{3}}, {{0, 1}}}},
          {{}, {{{1}, mask, 2}, {{1}}, {{1}}}}};
}

}  // namespace ops

namespace {

Tensor number(double value, DType dtype) {
  if (dtype == DType::i64) detail::checked_element<std::int64_t>(ops::Where::name, value);
  return full({}, value, dtype);
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return apply(ops::Where{}, condition, a, b);
}
Tensor where(const Tensor& condition, const Tensor& a, double b) {
  return where(condition, a, number(b, a.dtype()));
}
Tensor where(const Tensor& condition, double a, const Tensor& b) {
  return where(condition, number(a, b.dtype()), b);
}

}  // namespace rill
