// Comparisons of two tensors that broadcast: eq, ne, lt, le, gt, ge, which are also the operators == != < <= > >=.
// What they return requires no gradient.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// The shape rule of comparisons: equal dtypes, shapes that broadcast; f32 for i64 operands.
Meta infer_comparison(std::string_view name, const Tensor& a, const Tensor& b);

std::vector<std::vector<SampleInput>> comparison_samples();

/// y = 1 where F holds for a and b, else 0. Only != holds for NaN.
template <class F>
struct Compare {
  static constexpr std::string_view name = F::name;
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_comparison(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  static std::vector<Sample<Compare>> samples() {
    std::vector<Sample<Compare>> all;
    for (auto& inputs : comparison_samples()) all.push_back({{}, inputs});
    return all;
  }
};

struct IsEqual {
  static constexpr std::string_view name = "eq";
  template <class T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct IsNotEqual {
  static constexpr std::string_view name = "ne";
  template <class T>
  bool operator()(T a, T b) const {
    return a != b;
  }
};
struct IsLess {
  static constexpr std::string_view name = "lt";
  template <class T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct IsLessOrEqual {
  static constexpr std::string_view name = "le";
  template <class T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct IsGreater {
  static constexpr std::string_view name = "gt";
  template <class T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct IsGreaterOrEqual {
  static constexpr std::string_view name = "ge";
  template <class T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
/// Equal, or both NaN: where a maximum stands.
struct IsSame {
  static constexpr std::string_view name = "same";
  template <class T>
  bool operator()(T a, T b) const {
    return a == b || (a != a && b != b);
  }
};

extern template struct Compare<IsEqual>;
extern template struct Compare<IsNotEqual>;
extern template struct Compare<IsLess>;
extern template struct Compare<IsLessOrEqual>;
extern template struct Compare<IsGreater>;
extern template struct Compare<IsGreaterOrEqual>;
extern template struct Compare<IsSame>;

}  // namespace ops

// 1 where the comparison holds, else 0: in the dtype of floating operands, in f32 for i64 ones. Shapes broadcast, dtypes
// are equal; a number takes the dtype of floating operands, and is compared with i64 ones as it is. They throw Error for
// shapes or dtypes that do not fit.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor eq(const Tensor& a, double b);
Tensor ne(const Tensor& a, double b);
Tensor lt(const Tensor& a, double b);
Tensor le(const Tensor& a, double b);
Tensor gt(const Tensor& a, double b);
Tensor ge(const Tensor& a, double b);

}  // namespace rill
