#include <cmath>

#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/norm.hpp>

namespace rill::ops {

void sum_blocks(const double* partial, std::int64_t blocks, std::int64_t count, double* sums) {
  std::fill_n(sums, count, 0.0);
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (std::int64_t i = 0; i < count; ++i) sums[i] += partial[block * count + i];
  }
}

Moments::Moments(double shift, const TwoSums& sums, std::int64_t n, double eps) {
  const auto count = static_cast<double>(n);
  const double delta = sums.first / count;
  const double var = sums.second / count - delta * delta;
  mean = shift + delta;
  rstd = 1 / std::sqrt((var < 0 ? 0 : var) + eps);  // a NaN stays one
}

void check_norm(std::string_view name, double eps, const Tensor& x, const Tensor& w, const Tensor& b,
                const Shape& parameters) {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(std::isfinite(eps) && eps >= 0, name, ": eps is ", eps, ", expected a finite number, 0 or more");
  const auto check = [&](const char* what, const Tensor& parameter) {
    if (!parameter.defined()) return;
    RILL_CHECK(parameter.dtype() == x.dtype(), name, ": dtypes are x ", x.dtype(), " and ", what, " ",
               parameter.dtype(), ", expected equal ones; convert one with to()");
    RILL_CHECK(parameter.shape() == parameters, name, ": ", what, " is ", parameter.shape(), ", expected ",
               parameters, " (x ", x.shape(), ")");
  };
  check("weight", w);
  check("bias", b);
}

Tensor as(const Tensor& x, DType dtype) { return x.dtype() == dtype ? x : x.to(dtype); }

namespace {

Tensor plus(const Tensor& a, const Tensor& b) { return !a.defined() ? b : !b.defined() ? a : a + b; }

}  // namespace

std::array<Tensor, 3> NormSecondOrder::operator()(const Tensor& u, const Tensor& p, const Tensor& q) const {
  Tensor to_g, to_x, to_w, to_h, through_r;
  if (u.defined()) {
    const Tensor projected = project(u);
    const Tensor gw = w.defined() ? g * w : g;
    const Tensor mean_uh = mean(u * h), mean_gwh = mean(gw * h);
    to_g = w.defined() ? projected * w : projected;
    to_w = g * projected;
    to_h = -(r * (gw * mean_uh + u * mean_gwh));
    through_r = r * r * h * (mean(u * gw) - mean(u) * mean(gw) - mean_gwh * mean_uh);
  }
  if (p.defined()) {
    to_g = plus(to_g, p * h);
    to_h = plus(to_h, p * g);
  }
  if (q.defined()) to_g = plus(to_g, expand(q, g.shape()));
  if (to_h.defined()) to_x = project(to_h);
  if (through_r.defined()) to_x = to_x - through_r;
  return {to_g, to_x, to_w};
}

}  // namespace rill::ops
