#include <algorithm>
#include <cmath>

#include <rill/core/dtype.hpp>
#include <rill/nn/health/moments.hpp>

namespace rill::nn::detail {
namespace {

// Sums run beside each other, so that no addition waits for the one before.
constexpr std::size_t lanes = 8;

double total(const double (&sums)[lanes]) {
  double all = 0;
  for (const double sum : sums) all += sum;
  return all;
}

// Calls body(lane, i) for all i below count.
template <class Body>
void in_lanes(std::size_t count, Body&& body) {
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) body(lane, i + lane);
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) body(lane, i);
}

}  // namespace

Moments moments_of(const Tensor& x) {
  Moments found;
  dispatch(x.dtype(), [&]<class T>(T) {
    const auto data = x.data<T>();
    double sums[lanes] = {}, squares[lanes] = {}, sizes[lanes] = {};
    in_lanes(data.size(), [&](std::size_t lane, std::size_t i) {
      const auto value = static_cast<double>(data[i]);
      sums[lane] += value;
      squares[lane] += value * value;
      const double size = std::abs(value);
      sizes[lane] = sizes[lane] < size ? size : sizes[lane];
    });
    found = {.sum = total(sums), .squares = total(squares), .largest = *std::ranges::max_element(sizes)};
    // Squares of large doubles overflow.
    found.finite = std::isfinite(found.squares) || std::ranges::all_of(data, [](T value) {
                     return std::isfinite(static_cast<double>(value));
                   });
  });
  return found;
}

double update_ratio(const Tensor& before, const Tensor& after) {
  double moved[lanes] = {}, size[lanes] = {};
  dispatch_floating(before.dtype(), "Monitor", [&]<class T>(T) {
    const auto old = before.data<T>(), now = after.data<T>();
    in_lanes(old.size(), [&](std::size_t lane, std::size_t i) {
      const double from = old[i], by = now[i] - from;
      moved[lane] += by * by;
      size[lane] += from * from;
    });
  });
  return std::sqrt(total(moved) / total(size));
}

}  // namespace rill::nn::detail
