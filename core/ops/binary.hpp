// Arithmetic of two tensors that broadcast by NumPy's rule: add, sub, mul, div.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// The shape rule of all binary ops: equal floating dtypes, shapes that broadcast.
Meta infer_binary(std::string_view name, const Tensor& a, const Tensor& b);

/// Shapes that every binary op is tried on.
std::vector<std::vector<SampleInput>> binary_samples();

template <class Op>
std::vector<Sample<Op>> samples_of_binary() {
  std::vector<Sample<Op>> all;
  for (auto& inputs : binary_samples()) all.push_back({Op{}, inputs});
  return all;
}

/// y = a + b.
struct Add {
  static constexpr std::string_view name = "add";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g) const;
  static std::vector<Sample<Add>> samples() { return samples_of_binary<Add>(); }
};

/// y = a - b.
struct Sub {
  static constexpr std::string_view name = "sub";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g) const;
  static std::vector<Sample<Sub>> samples() { return samples_of_binary<Sub>(); }
};

/// y = a · b.
struct Mul {
  static constexpr std::string_view name = "mul";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> a, Input<1> b) const;
  static std::vector<Sample<Mul>> samples() { return samples_of_binary<Mul>(); }
};

/// y = a / b.
struct Div {
  static constexpr std::string_view name = "div";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<1> b, Output<0> y) const;
  static std::vector<Sample<Div>> samples() { return samples_of_binary<Div>(); }
};

}  // namespace ops

namespace detail {
/// sum += term, in place, for tensors of one shape and dtype; nothing is recorded.
void add_into(Tensor& sum, const Tensor& term);
}  // namespace detail

}  // namespace rill
