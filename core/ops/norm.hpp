// What layer_norm and batch_norm share: sums, and the gradient of their gradients.
//
// Both compute y = h · w + b with h = (x - mean) · rstd and rstd = 1/√(var + eps), where mean and var belong to the set
// of elements that are normalised together: a row, or a channel.
#pragma once

#include <algorithm>
#include <functional>

#include <rill/core/elementwise.hpp>
#include <rill/core/sum.hpp>

namespace rill::ops {

struct TwoSums {
  double first = 0, second = 0;
};

/// Σ of body(i) over [begin, end), in an order that follows from the length alone.
template <class Body>
TwoSums sum_of_terms(std::int64_t begin, std::int64_t end, Body body) {
  // The terms go through a small buffer: one loop that computes and one that sums are both vectorised, the two in one
  // are not.
  constexpr std::int64_t chunk = 256;
  double first[chunk], second[chunk];
  TwoSums total;
  for (; begin < end; begin += chunk) {
    const std::int64_t count = std::min(chunk, end - begin);
    detail::independent_loop(0, count, [=, to_first = &first[0], to_second = &second[0]](std::int64_t i) {
      const TwoSums term = body(begin + i);
      to_first[i] = term.first;
      to_second[i] = term.second;
    });
    total.first += detail::sum_run(first, count);
    total.second += detail::sum_run(second, count);
  }
  return total;
}

/// sums [count] = Σ over blocks of partial [blocks, count], in the order of the blocks.
void sum_blocks(const double* partial, std::int64_t blocks, std::int64_t count, double* sums);

/// The mean and rstd of n elements from Σ (x - shift) and Σ (x - shift)². With a shift that is one of the elements, the
/// error of the variance is at most some n roundings: (shift - mean)² <= n · var.
struct Moments {
  double mean, rstd;
  Moments(double shift, const TwoSums& sums, std::int64_t n, double eps);
};

/// Checks dtypes, shapes and eps of x and of the optional w and b, which are to have the shape `parameters`.
void check_norm(std::string_view name, double eps, const Tensor& x, const Tensor& w, const Tensor& b,
                const Shape& parameters);

/// x itself where it has the dtype, else converted.
Tensor as(const Tensor& x, DType dtype);

/// What the gradient of a norm's backward op reads; w is undefined or broadcasts to x, and so do h and r.
struct NormSecondOrder {
  Tensor g, w, h, r;
  std::function<Tensor(const Tensor& v)> mean;     ///< over the set, broadcasting to it
  std::function<Tensor(const Tensor& v)> project;  ///< r · (v - mean(v) - h · mean(v · h))

  /// For cotangents u of dx, p of dw and q of db (p and q broadcast to x; each may be undefined): what arrives at g and
  /// x, and for w what is still to be summed. With gw = g · w, P = project / r and m = mean:
  ///   to g: w · r P(u) + p · h + q        to w: Σ g · r P(u)
  ///   to x: r P(e) - r² h · (m(u gw) - m(u) m(gw) - m(gw h) m(u h)), e = p · g - r (gw · m(u h) + u · m(gw h))
  std::array<Tensor, 3> operator()(const Tensor& u, const Tensor& p, const Tensor& q) const;
};

}  // namespace rill::ops
