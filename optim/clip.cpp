#include <algorithm>
#include <cmath>
#include <limits>

#include <rill/core/elementwise.hpp>
#include <rill/optim/clip.hpp>

namespace rill::optim {

namespace {

// Elements that are reduced at a time: what a norm is made of follows from the sizes alone.
constexpr std::int64_t block_size = 16384;

struct Plus {
  double operator()(double a, double b) const { return a + b; }
};

// NaN is larger than anything.
struct Larger {
  double operator()(double a, double b) const { return b > a || b != b ? b : a; }
};

// f(|x|) of all elements, joined in 8 interleaved lanes.
template <class T, class Join, class F>
double reduce_run(const T* x, std::int64_t count, Join join, F f) {
  double lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane)
      lanes[lane] = join(lanes[lane], f(std::abs(static_cast<double>(x[i + lane]))));
  }
  for (int lane = 0; i < count; ++i, ++lane)
    lanes[lane] = join(lanes[lane], f(std::abs(static_cast<double>(x[i]))));
  return join(join(join(lanes[0], lanes[4]), join(lanes[1], lanes[5])),
              join(join(lanes[2], lanes[6]), join(lanes[3], lanes[7])));
}

// The same for all gradients: each in blocks on the threads, the blocks in their order.
template <class Join, class F>
double reduce_grads(const std::vector<Tensor>& params, Join join, F f) {
  double total = 0;
  for (const Tensor& param : params) {
    const Tensor grad = param.grad();
    if (!grad.defined()) continue;
    const std::int64_t count = grad.numel(), blocks = (count + block_size - 1) / block_size;
    Tensor parts = empty({blocks}, DType::f64);
    double* out = parts.mutable_data<double>().data();
    dispatch_floating(grad.dtype(), "clip_grad_norm_", [&]<class T>(T) {
      const T* x = grad.data<T>().data();
      parallel_for(
          blocks,
          [=](std::int64_t begin, std::int64_t end) __attribute__((noinline)) {
            for (std::int64_t block = begin; block < end; ++block) {
              const std::int64_t first = block * block_size;
              on_isa(
                  [=] { out[block] = reduce_run(x + first, std::min(block_size, count - first), join, f); });
            }
          },
          2);
    });
    for (std::int64_t block = 0; block < blocks; ++block) total = join(total, out[block]);
  }
  return total;
}

// The p-norm of all gradients divided by `unit`, times `unit`.
double norm_in(double unit, const std::vector<Tensor>& params, double p) {
  if (p == 1) return unit * reduce_grads(params, Plus(), [=](double g) { return g / unit; });
  if (p == 2 && unit == 1) return std::sqrt(reduce_grads(params, Plus(), [](double g) { return g * g; }));
  if (p == 2) {
    return unit * std::sqrt(reduce_grads(params, Plus(), [=](double g) { return (g / unit) * (g / unit); }));
  }
  return unit *
         std::pow(reduce_grads(params, Plus(), [=](double g) { return std::pow(g / unit, p); }), 1 / p);
}

double total_norm(const std::vector<Tensor>& params, double p) {
  const auto largest = [&] { return reduce_grads(params, Larger(), [](double g) { return g; }); };
  if (std::isinf(p)) return largest();
  const double norm = norm_in(1, params, p);
  if (std::isnan(norm) || std::abs(std::log2(norm) * p) < 900) return norm;
  // Powers may have left the range of f64 where the norm itself does not.
  const double unit = largest();
  return unit > 0 && std::isfinite(unit) ? norm_in(unit, params, p) : unit;
}

void check_params(const char* where, const std::vector<Tensor>& params) {
  for (const Tensor& param : params)
    RILL_CHECK(param.defined(), where, ": a parameter is undefined, expected a tensor");
}

// f of every element of all gradients, in place; f is called with the dtype first.
template <class F>
void change_grads(const std::vector<Tensor>& params, const char* where, F make) {
  for (const Tensor& param : params) {
    Tensor grad = param.grad();
    if (!grad.defined()) continue;
    dispatch_floating(grad.dtype(), where, [&]<class T>(T) {
      T* g = grad.mutable_data<T>().data();
      const auto f = make(T());
      parallel_for(grad.numel(), [=](std::int64_t begin, std::int64_t end) {
        rill::detail::independent_loop(begin, end, [=](std::int64_t i) { g[i] = f(g[i]); });
      });
    });
  }
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  RILL_CHECK(max_norm >= 0, "clip_grad_norm_: max_norm is ", max_norm, ", expected 0 or more");
  RILL_CHECK(norm_type > 0, "clip_grad_norm_: norm_type is ", norm_type, ", expected more than 0");
  check_params("clip_grad_norm_", params);
  const double norm = total_norm(params, norm_type);
  RILL_CHECK(!error_if_nonfinite || std::isfinite(norm), "clip_grad_norm_: the norm of the gradients is ",
             norm, ", expected a finite number; pass error_if_nonfinite = false to scale by it all the same");
  const double scale = max_norm / (norm + 1e-6);
  if (scale >= 1 || std::isinf(max_norm)) return norm;
  change_grads(params, "clip_grad_norm_",
               [=]<class T>(T) { return [factor = static_cast<T>(scale)](T g) { return g * factor; }; });
  return norm;
}

double clip_grad_norm_(nn::Module& model, double max_norm, double norm_type, bool error_if_nonfinite) {
  return clip_grad_norm_(model.parameters(), max_norm, norm_type, error_if_nonfinite);
}

void clip_grad_value_(const std::vector<Tensor>& params, double clip_value) {
  RILL_CHECK(clip_value >= 0, "clip_grad_value_: clip_value is ", clip_value, ", expected 0 or more");
  check_params("clip_grad_value_", params);
  change_grads(params, "clip_grad_value_", [=]<class T>(T) {
    return
        [bound = static_cast<T>(clip_value)](T g) { return g < -bound ? -bound : (g > bound ? bound : g); };
  });
}

void clip_grad_value_(nn::Module& model, double clip_value) {
  clip_grad_value_(model.parameters(), clip_value);
}

}  // namespace rill::optim
