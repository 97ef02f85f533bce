// One case of the comparison with libtorch: the same random tensors on both sides.
#pragma once

#include <torch/torch.h>

#include <limits>
#include <utility>
#include <vector>

#include <rill/rill.hpp>

#include "../random_arguments.hpp"

namespace rill::trust {

/// The same tensor, or the result of the same function, on both sides.
struct Both {
  Tensor ours;
  torch::Tensor theirs;
};

inline torch::Tensor copy_of(const Tensor& x) {
  const std::vector<std::int64_t> sizes(x.shape().begin(), x.shape().end());
  const auto type = x.dtype() == DType::f32   ? torch::kFloat32
                    : x.dtype() == DType::f64 ? torch::kFloat64
                                              : torch::kInt64;
  torch::Tensor copy = torch::empty(sizes, type);
  dispatch(x.dtype(), [&]<class T>(T) { std::ranges::copy(x.data<T>(), static_cast<T*>(copy.data_ptr())); });
  return copy;
}

inline Both both_of(const Tensor& x) { return {x, copy_of(x)}; }

inline at::Reduction::Reduction theirs_of(Reduction reduction) {
  return reduction == Reduction::mean  ? at::Reduction::Mean
         : reduction == Reduction::sum ? at::Reduction::Sum
                                       : at::Reduction::None;
}

class Case : public Arguments {
 public:
  Case(Stream stream, DType dtype)
      : Arguments(stream), dtype_(dtype), numbers_(stream.below(std::numeric_limits<std::uint32_t>::max())) {}

  DType dtype() const { return dtype_; }
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(below(1001)) / 1000;
  }

  /// Normal numbers, without a gradient; above 0 for Kind::positive.
  Both constant(const Shape& shape, Kind kind = Kind::real) {
    Tensor x = randn(shape, numbers_, dtype_);
    if (kind == Kind::positive) x = (x.abs() + 0.1).detach();
    return both_of(x);
  }

  /// The same with a gradient, which is compared.
  Both leaf(const Shape& shape, Kind kind = Kind::real) { return watched(constant(shape, kind)); }

  /// Where shape is that of one input of a function of each element alone: at times what is far from 1, and, unless
  /// it has to be finite, infinities and NaN.
  Both wild_leaf(const Shape& shape, bool finite = false) {
    Both x = constant(shape);
    if (!one_in(2)) return watched(x);
    constexpr double inf = std::numeric_limits<double>::infinity(),
                     nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<double> values{0,   -0.0, 1e-8, -1e-8, 1e-30, -1e-30, 1,     -1,  3,    -3, 20,
                                     -20, 90,   -90,  800,   -800,  1e30,   -1e30, inf, -inf, nan};
    dispatch_floating(dtype_, "wild_leaf", [&]<class T>(T) {
      for (T& value : x.ours.mutable_data<T>())
        value =
            static_cast<T>(values[static_cast<std::size_t>(below(std::ssize(values) - (finite ? 3 : 0)))]);
    });
    return watched(both_of(x.ours));
  }

  /// Whole numbers from 0 to `classes` - 1.
  Both labels(const Shape& shape, std::int64_t classes) {
    Tensor x = zeros(shape, DType::i64);
    for (std::int64_t& value : x.mutable_data<std::int64_t>()) value = below(classes);
    return both_of(x);
  }

  const std::vector<Both>& leaves() const { return leaves_; }

 private:
  Both watched(Both x) {
    x.ours.requires_grad_();
    x.theirs.requires_grad_();
    leaves_.push_back(x);
    return x;
  }

  DType dtype_;
  Generator numbers_;
  std::vector<Both> leaves_;
};

/// A function of both libraries, on random arguments.
struct Compared {
  std::string_view name;
  Both (*run)(Case&);
};

const std::vector<Compared>& all_compared();

}  // namespace rill::trust
