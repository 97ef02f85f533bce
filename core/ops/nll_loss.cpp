#include <rill/core/ops/groups.hpp>
#include <rill/core/ops/nll_loss.hpp>

namespace rill {
namespace ops {
namespace {

// The factor of each row's element at its label: -w_t, scaled for a mean, and 0 for a row that is ignored, as for all where
// their weights come to 0.
using Factors = std::vector<double, memory::Allocator<double>>;

template <class T>
Factors factors_of(const NllLossOptions& options, const Tensor& target, const Tensor& weight) {
  const auto labels = target.data<std::int64_t>();
  Factors factors(labels.size());
  double total = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] == options.ignore_index) continue;
    const double own =
        weight.defined() ? static_cast<double>(weight.data<T>()[static_cast<std::size_t>(labels[row])]) : 1;
    factors[row] = -own;
    total += own;
  }
  if (options.reduction != Reduction::mean) return factors;
  for (double& factor : factors) factor = total == 0 ? 0 : factor / total;
  return factors;
}

}  // namespace

Meta NllLoss::infer(const Tensor& x, const Tensor& target, const Tensor& weight) const {
  check_class_loss(name, "log-probabilities", x, target, weight, options.ignore_index);
  return {options.reduction == Reduction::none ? Shape{x.shape()[0]} : Shape{}, x.dtype()};
}

void NllLoss::forward(const Tensor& x, const Tensor& target, const Tensor& weight, Tensor& y) const {
  const std::int64_t classes = x.shape()[1];
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const Factors factors = factors_of<T>(options, target, weight);
    const T* in = x.data<T>().data();
    const std::int64_t* labels = target.data<std::int64_t>().data();
    const auto term = [&, in, labels](std::int64_t row) {
      if (labels[row] == options.ignore_index) return 0.0;
      const double factor = factors[static_cast<std::size_t>(row)];
      return factor == 0 ? 0.0 : factor * static_cast<double>(in[row * classes + labels[row]]);
    };
    const auto out = y.mutable_data<T>();
    if (options.reduction == Reduction::none) {
      for (std::int64_t row = 0; row < std::ssize(out); ++row)
        out[static_cast<std::size_t>(row)] = static_cast<T>(term(row));
      return;
    }
    const bool nothing = std::ranges::all_of(factors, [](double factor) { return factor == 0; });
    const double sum = sum_terms(0, target.numel(), term);
    out[0] = nothing && options.reduction == Reduction::mean ? std::numeric_limits<T>::quiet_NaN()
                                                             : static_cast<T>(sum);
  });
}

std::array<Tensor, 3> NllLoss::gradient(const Incoming& g, Input<1> target, Input<2> weight) const {
  return {apply(NllLossBackward{options, g.input_shape(0)}, g[0], target(), weight()), Tensor(), Tensor()};
}

void NllLossBackward::forward(const Tensor& g, const Tensor& target, const Tensor& weight, Tensor& dx) const {
  dispatch_floating(g.dtype(), name, [&]<class T>(T) {
    const Factors factors = factors_of<T>(options, target, weight);
    const T* in = g.data<T>().data();
    const auto labels = target.data<std::int64_t>();
    const auto out = dx.mutable_data<T>();
    std::fill(out.begin(), out.end(), T(0));
    const auto classes = static_cast<std::size_t>(shape[1]);
    for (std::size_t row = 0; row < labels.size(); ++row) {
      if (labels[row] == options.ignore_index) continue;
      const double of_row = static_cast<double>(in[options.reduction == Reduction::none ? row : 0]);
      out[row * classes + static_cast<std::size_t>(labels[row])] = static_cast<T>(of_row * factors[row]);
    }
  });
}

std::array<Tensor, 3> NllLossBackward::gradient(const Incoming& v, Input<1> target, Input<2> weight) const {
  return {apply(NllLoss{options}, v[0], target(), weight()), Tensor(), Tensor()};
}

std::vector<Sample<NllLoss>> NllLoss::samples() {
  using Kind = SampleInput::Kind;
  std::vector<Sample<NllLoss>> all;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    for (const Kind weights : {Kind::absent, Kind::positive}) {
      const NllLossOptions options{reduction, weights == Kind::absent ? -100 : 1};
      all.push_back({{options}, {{{6, 4}}, {{6}, Kind::labels, 4}, {{4}, weights}}});
    }
  }
  all.push_back({{{Reduction::none}}, {{{0, 3}}, {{0}, Kind::labels, 3}, {{}, Kind::absent}}});
  all.push_back({{}, {{{1, 1}}, {{1}, Kind::labels, 1}, {{}, Kind::absent}}});
  return all;
}

}  // namespace ops

Tensor nll_loss(const Tensor& x, const Tensor& target, const NllLossOptions& options, const Tensor& weight) {
  return apply(ops::NllLoss{options}, x, target, weight);
}

}  // namespace rill
