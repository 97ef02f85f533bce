#include <algorithm>
#include <cmath>

#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/row_exp.hpp>
#include <rill/core/ops/softmax.hpp>
#include <rill/core/ops/where.hpp>
#include <rill/core/parallel.hpp>

namespace rill {
namespace ops {
namespace {

// What the kernels share: q of a row, and the factor of its loss.
template <class T>
class Rows {
 public:
  Rows(const CrossEntropyOptions& options, const Shape& shape, const Tensor& target, const Tensor& weight)
      : options_(options),
        rows_(shape[0]),
        classes_(shape[1]),
        target_(target.data<std::int64_t>().data()),
        weight_(weight.defined() ? weight.data<T>().data() : nullptr),
        spread_(options.label_smoothing / static_cast<double>(classes_)) {
    for (std::int64_t c = 0; c < classes_; ++c) total_weight_ += class_weight(c);
    if (options.reduction != Reduction::mean) return;
    double sum = 0;
    for (std::int64_t row = 0; row < rows_; ++row) sum += ignored(row) ? 0 : class_weight(target_[row]);
    scale_ = 1 / sum;
  }

  std::int64_t count() const { return rows_; }
  std::int64_t classes() const { return classes_; }
  bool ignored(std::int64_t row) const { return target_[row] == options_.ignore_index; }
  double scale() const { return scale_; }
  /// Of gradients: a mean over rows that all have weight 0 asks for nothing. A weight that is NaN stays one.
  double slope_scale() const { return std::isinf(scale_) ? 0 : scale_; }
  double q(std::int64_t row, std::int64_t c) const {
    const double own = c == target_[row] ? (1 - options_.label_smoothing) * class_weight(c) : 0;
    return own + spread_ * class_weight(c);
  }
  double sum_of_q(std::int64_t row) const {
    return (1 - options_.label_smoothing) * class_weight(target_[row]) + spread_ * total_weight_;
  }
  bool smooth() const { return spread_ > 0; }
  std::int64_t target(std::int64_t row) const { return target_[row]; }
  std::int64_t grain() const {
    return std::max<std::int64_t>(detail::parallel_grain / (10 * (classes_ + 1)), 1);
  }

 private:
  double class_weight(std::int64_t c) const { return weight_ ? static_cast<double>(weight_[c]) : 1.0; }

  CrossEntropyOptions options_;
  std::int64_t rows_, classes_;
  const std::int64_t* target_;
  const T* weight_;
  double spread_;
  double total_weight_ = 0;
  double scale_ = 1;
};

// The loss of a row x where Σ exp(x - top) has the logarithm log_sum. The difference of logits comes first: a large top would
// swallow log_sum.
template <class T>
double row_loss(const Rows<T>& rows, const T* x, std::int64_t row, T top, double log_sum) {
  if (rows.ignored(row)) return 0;
  const auto term = [&](std::int64_t c) {
    const double q = rows.q(row, c);
    return q == 0 ? 0 : q * (static_cast<double>(top) - static_cast<double>(x[c]) + log_sum);
  };
  if (!rows.smooth()) return term(rows.target(row));
  double loss = 0;
  for (std::int64_t c = 0; c < rows.classes(); ++c) loss += term(c);
  return loss;
}

// The losses of rows [begin, end) of x.
template <class T, class Out>
void row_losses(const Rows<T>& rows, const T* x, std::int64_t begin, std::int64_t end, Out* out) {
  const std::int64_t classes = rows.classes();
  const auto put = [&](std::int64_t row, T top, double log_sum) {
    out[row] = static_cast<Out>(row_loss(rows, x + row * classes, row, top, log_sum));
  };
  if (classes > exps_at_once) {
    for (std::int64_t row = begin; row < end; ++row) {
      T top{};
      const double log_sum = log_sum_exp(x + row * classes, classes, top);
      put(row, top, log_sum);
    }
    return;
  }
  for_exps_of_rows<T>(x, begin, end, classes, nullptr, [&](std::int64_t row, const T* e, T top) {
    put(row, top, std::log(detail::sum_run(e, classes)));
  });
}

// e = exp(x - top) of a row becomes factor · (p Σ q - q).
template <class T>
void row_slope(const Rows<T>& rows, std::int64_t row, double factor, T* e) {
  const std::int64_t classes = rows.classes(), target = rows.target(row);
  if (rows.ignored(row)) {
    std::fill_n(e, classes, T(0));
    return;
  }
  const double of_p = rows.sum_of_q(row) / detail::sum_run(e, classes);
  if (rows.smooth()) {
    for (std::int64_t c = 0; c < classes; ++c)
      e[c] = static_cast<T>(factor * (static_cast<double>(e[c]) * of_p - rows.q(row, c)));
    return;
  }
  // q is 0 but for the target.
  const double of_target = factor * (static_cast<double>(e[target]) * of_p - rows.q(row, target));
  for (std::int64_t c = 0; c < classes; ++c)
    e[c] = static_cast<T>(factor * (static_cast<double>(e[c]) * of_p));
  e[target] = static_cast<T>(of_target);
}

}  // namespace

void check_class_loss(std::string_view name, const char* what, const Tensor& x, const Tensor& target,
                      const Tensor& weight, std::int64_t ignore_index) {
  RILL_CHECK(is_floating(x.dtype()), name, ": ", what, " are ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(x.dim() == 2 && x.shape()[1] > 0, name, ": ", what, " are ", x.shape(),
             ", expected [n, classes]");
  RILL_CHECK(target.dtype() == DType::i64, name, ": target is ", target.dtype(), ", expected i64 labels");
  RILL_CHECK(target.shape() == Shape{x.shape()[0]}, name, ": target is ", target.shape(), ", expected [",
             x.shape()[0], "] (", what, " ", x.shape(), ")");
  if (weight.defined()) {
    RILL_CHECK(weight.shape() == Shape{x.shape()[1]} && weight.dtype() == x.dtype(), name, ": weight is ",
               weight.dtype(), " ", weight.shape(), ", expected ", x.dtype(), " [", x.shape()[1], "]");
    RILL_CHECK(!weight.requires_grad(), name,
               ": weight requires a gradient, expected constants; use detach()");
  }
  const std::int64_t classes = x.shape()[1];
  const auto labels = target.data<std::int64_t>();
  for (std::size_t row = 0; row < labels.size(); ++row) {
    RILL_CHECK((labels[row] >= 0 && labels[row] < classes) || labels[row] == ignore_index, name, ": label ",
               labels[row], " in row ", row, " is out of range, expected 0 to ", classes - 1);
  }
}

Meta CrossEntropy::infer(const Tensor& x, const Tensor& target, const Tensor& weight) const {
  RILL_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1, name, ": label_smoothing is ",
             options.label_smoothing, ", expected 0 to 1");
  check_class_loss(name, "logits", x, target, weight, options.ignore_index);
  return {options.reduction == Reduction::none ? Shape{x.shape()[0]} : Shape{}, x.dtype()};
}

void CrossEntropy::forward(const Tensor& x, const Tensor& target, const Tensor& weight, Tensor& y) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const Rows<T> rows(options, x.shape(), target, weight);
    const T* in = x.data<T>().data();
    Tensor losses = options.reduction == Reduction::none ? y : empty({rows.count()}, DType::f64);
    const auto fill = [&]<class L>(L* out) {
      parallel_for(
          rows.count(),
          [&, out](std::int64_t begin, std::int64_t end) { row_losses(rows, in, begin, end, out); },
          rows.grain());
    };
    if (options.reduction == Reduction::none) return fill(y.mutable_data<T>().data());
    double* out = losses.mutable_data<double>().data();
    fill(out);
    double total = 0;
    for (std::int64_t row = 0; row < rows.count(); ++row) total += out[row];
    y.mutable_data<T>()[0] = static_cast<T>(total * rows.scale());
  });
}

std::array<Tensor, 3> CrossEntropy::gradient(const Incoming& g, Input<0> x, Input<1> target,
                                             Input<2> weight) const {
  return {apply(CrossEntropyBackward{options}, g[0], x(), target(), weight()), {}, {}};
}

void CrossEntropyBackward::forward(const Tensor& g, const Tensor& x, const Tensor& target,
                                   const Tensor& weight, Tensor& dx) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const Rows<T> rows(options, x.shape(), target, weight);
    const T *in = x.data<T>().data(), *in_g = g.data<T>().data();
    const bool one_g = options.reduction != Reduction::none;
    T* out = dx.mutable_data<T>().data();
    parallel_for(
        rows.count(),
        [&, in, in_g, out](std::int64_t begin, std::int64_t end) {
          for_exps_of_rows(in, begin, end, rows.classes(), out, [&](std::int64_t row, T* e, T) {
            row_slope(rows, row, rows.slope_scale() * static_cast<double>(in_g[one_g ? 0 : row]), e);
          });
        },
        rows.grain());
  });
}

// In g the op is linear; in x, the derivative of p Σ q along v is Σ q · p (v - Σ p v), row by row.
std::array<Tensor, 4> CrossEntropyBackward::gradient(const Incoming& v, Input<0> g, Input<1> x,
                                                     Input<2> target, Input<3> weight) const {
  constexpr Axes last{0b10, true};
  Tensor to_g, to_x;
  if (v.needs(0)) {
    const Shape& shape = v.input_shape(0);
    const Tensor unit = apply(*this, ones(shape, v[0].dtype()), x(), target(), weight());
    const Tensor products = v[0] * unit;
    to_g = shape.rank() == 0 ? sum(products) : apply(Sum{Axes{0b10, false}}, products);
  }
  if (v.needs(1)) {
    Tensor factors = empty({x().shape()[0], 1}, v[0].dtype());
    dispatch_floating(factors.dtype(), name, [&]<class T>(T) {
      const Rows<T> rows(options, x().shape(), target(), weight());
      const auto out = factors.mutable_data<T>();
      for (std::int64_t row = 0; row < rows.count(); ++row) {
        const double factor = rows.ignored(row) ? 0 : rows.slope_scale() * rows.sum_of_q(row);
        out[static_cast<std::size_t>(row)] = static_cast<T>(factor);
      }
    });
    const Tensor p = softmax(x());
    const Tensor along = p * (v[0] - apply(Sum{last}, p * v[0]));
    const Tensor by_row = g().dim() == 0 ? g() : g().reshape({g().numel(), 1});
    // Chosen, not multiplied by 0: an ignored row may hold NaN.
    to_x = where(factors, along * (factors * by_row), 0.0);
  }
  return {to_g, to_x, {}, {}};
}

std::vector<Sample<CrossEntropy>> CrossEntropy::samples() {
  using Kind = SampleInput::Kind;
  std::vector<Sample<CrossEntropy>> all;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    for (const double smoothing : {0.0, 0.1}) {
      for (const Kind weights : {Kind::absent, Kind::positive}) {
        const CrossEntropyOptions options{reduction, smoothing, weights == Kind::absent ? -100 : 1};
        all.push_back({{options}, {{{6, 4}}, {{6}, Kind::labels, 4}, {{4}, weights}}});
      }
    }
  }
  all.push_back({{}, {{{1, 1}}, {{1}, Kind::labels, 1}, {{}, Kind::absent}}});
  return all;
}

}  // namespace ops

Tensor cross_entropy(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options,
                     const Tensor& weight) {
  return apply(ops::CrossEntropy{options}, x, target, weight);
}

}  // namespace rill
