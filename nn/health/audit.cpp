#include <algorithm>
#include <cmath>
#include <limits>
#include <list>
#include <utility>

#include <rill/nn/dropout.hpp>
#include <rill/nn/health/audit.hpp>
#include <rill/nn/health/moments.hpp>
#include <rill/nn/health/nan_trap.hpp>
#include <rill/nn/health/recorder.hpp>

namespace rill::nn {
namespace {

// Mean, spread and largest size of all numbers that are fed in.
class InputStatistics {
 public:
  void add(const Tensor& x, std::int64_t first_sample) {
    const detail::Moments part = detail::moments_of(x);
    if (!part.finite) refuse(x, first_sample);
    all_.sum += part.sum;
    all_.squares += part.squares;
    all_.largest = std::max(all_.largest, part.largest);
    count_ += static_cast<double>(x.numel());
  }
  void write(HealthReport& report) const {
    report.input_mean = all_.sum / count_;
    report.input_std =
        std::sqrt(std::max(0.0, all_.squares / count_ - report.input_mean * report.input_mean));
    report.input_max = all_.largest;
  }

 private:
  [[noreturn]] static void refuse(const Tensor& x, std::int64_t first_sample) {
    const Tensor values = x.to(DType::f64);
    const auto data = values.data<double>();
    const auto bad = std::ranges::find_if_not(data, [](double value) { return std::isfinite(value); });
    const std::int64_t sample = first_sample + (bad - data.begin()) / (x.numel() / x.size(0));
    rill::detail::fail(rill::detail::concat("audit: sample ", sample, " of the probe holds ", *bad,
                                            ", expected finite numbers"));
  }

  detail::Moments all_;
  double count_ = 0;
};

// Whether all rows are the same, up to the rounding of a matrix product, which differs between rows of one value. One
// row alone does not tell.
class Constancy {
 public:
  void add(const Tensor& y) {
    if (!varies_ && y.dim() > 0 && y.numel() > 0) compare(y.detach().reshape({y.size(0), -1}));
  }
  bool constant() const { return rows_ > 1 && !varies_; }

 private:
  void compare(const Tensor& rows) {
    if (!first_.defined()) first_ = rows.select(0, 0).clone();
    rows_ += rows.size(0);
    varies_ = first_.numel() != rows.size(1) || first_.dtype() != rows.dtype();
    dispatch(rows.dtype(), [&]<class T>(T) {
      const double precision = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
      const auto first = first_.data<T>(), all = rows.data<T>();
      for (std::size_t i = 0; !varies_ && i < all.size(); ++i) {
        const auto one = static_cast<double>(first[i % first.size()]), other = static_cast<double>(all[i]);
        varies_ = !(std::abs(one - other) <= precision * std::max(std::abs(one), std::abs(other)));
      }
    });
  }

  Tensor first_;
  std::int64_t rows_ = 0;
  bool varies_ = false;
};

// The gradients of the mean loss, summed over passes.
class GradientSums {
 public:
  explicit GradientSums(Module& model) {
    for (NamedTensor& parameter : model.named_parameters()) {
      if (parameter.value.requires_grad()) parameters_.push_back(std::move(parameter));
    }
    sums_.resize(parameters_.size());
  }
  void add(const Tensor& loss, double weight) {
    loss_ += loss.item() * weight;
    if (!loss.requires_grad()) return;
    std::vector<Tensor> wanted;
    for (const NamedTensor& parameter : parameters_) wanted.push_back(parameter.value);
    std::vector<Tensor> grads = grad({loss}, wanted, {}, {.allow_unused = true});
    const NoGrad no_grad;
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i].defined()) continue;
      const Tensor part = weight == 1 ? grads[i] : grads[i] * weight;
      sums_[i] = sums_[i].defined() ? sums_[i] + part : part;
    }
  }
  double loss() const { return loss_; }
  /// 0 for a parameter that the loss does not depend on, NaN for one that is frozen.
  double norm(const std::string& name, bool& finite) const {
    const auto found = std::ranges::find(parameters_, name, &NamedTensor::name);
    if (found == parameters_.end()) return NAN;
    const Tensor& sum = sums_[static_cast<std::size_t>(found - parameters_.begin())];
    if (!sum.defined()) return 0;
    const detail::Moments moments = detail::moments_of(sum);
    finite = finite && moments.finite;
    return std::sqrt(moments.squares);
  }

 private:
  std::vector<NamedTensor> parameters_;
  std::vector<Tensor> sums_;
  double loss_ = 0;
};

// The modes in which a model is judged, and all that its passes would move.
class Judged {
 public:
  Judged(Module& model, Statistics statistics) : modes_(model, statistics == Statistics::batch) {
    if (statistics != Statistics::batch) return;
    for (const NamedModule& part : model.named_modules()) {
      if (dynamic_cast<Dropout*>(part.module)) dropouts_.emplace_back(*part.module);
    }
    moved_.take(model);
    restore_ = true;
  }
  ~Judged() {
    if (restore_) moved_.restore();
    while (!dropouts_.empty()) dropouts_.pop_back();
  }
  Judged(const Judged&) = delete;
  Judged& operator=(const Judged&) = delete;

 private:
  ModeGuard modes_;
  std::list<EvalMode> dropouts_;
  BufferSnapshot moved_;
  bool restore_ = false;
};

// Fills in the samples of a pass, and their targets where there are some.
using Fetch = std::function<void(std::int64_t begin, std::int64_t end, Tensor& x, Tensor& y)>;

class Audit {
 public:
  Audit(Module& model, const AuditOptions& options) : model_(model), options_(options) {
    RILL_CHECK(options.samples >= 0, "audit: samples is ", options.samples, ", expected 0 for all, or more");
    RILL_CHECK(options.batch_size >= 1, "audit: batch_size is ", options.batch_size, ", expected 1 or more");
    const std::vector<Tensor> parameters = model.parameters();
    dtype_ = parameters.empty() ? DType::f32 : parameters[0].dtype();
  }

  HealthReport run(std::int64_t available, const Fetch& fetch) {
    const std::int64_t count = options_.samples ? std::min(options_.samples, available) : available;
    RILL_CHECK(count >= 1, "audit: the probe has no samples, expected at least one");
    const std::int64_t passes = (count + options_.batch_size - 1) / options_.batch_size;
    const Judged judged(model_, options_.statistics);
    detail::Recorder recorder(model_);
    for (std::int64_t pass = 0; pass < passes; ++pass)
      run_pass(recorder, count * pass / passes, count * (pass + 1) / passes, count, fetch);
    HealthReport report{.samples = count,
                        .constant_output = output_.constant() && !same_inputs_.constant(),
                        .finite_output = finite_output_};
    report.layers = recorder.layers();
    RILL_CHECK(!report.layers.empty(),
               "audit: no activation runs in the model, expected one such as relu or nn::LeakyReLU");
    input_.write(report);
    if (options_.loss) report.loss = gradients_.loss();
    for (const auto& [name, value] : model_.named_parameters()) {
      const detail::Moments moments = detail::moments_of(value);
      ParameterHealth health{.name = name,
                             .finite = moments.finite,
                             .norm = std::sqrt(moments.squares),
                             .mean = moments.sum / static_cast<double>(value.numel()),
                             .shape = value.shape()};
      if (options_.loss) health.gradient_norm = gradients_.norm(name, health.finite);
      report.parameters.push_back(std::move(health));
    }
    return report;
  }

 private:
  void run_pass(detail::Recorder& recorder, std::int64_t begin, std::int64_t end, std::int64_t count,
                const Fetch& fetch) {
    Tensor x, y;
    fetch(begin, end, x, y);
    input_.add(x, begin);
    same_inputs_.add(x);
    for (Tensor* part : {&x, &y}) {
      if (part->defined() && part->dtype() != dtype_ && is_floating(part->dtype())) *part = part->to(dtype_);
    }
    recorder.begin_pass(end - begin);
    const GradMode recording(static_cast<bool>(options_.loss));
    const Tensor prediction = model_(x);
    output_.add(prediction);
    finite_output_ = finite_output_ && all_finite(prediction);
    if (!options_.loss) return;
    const Tensor loss = options_.loss(prediction, y);
    recorder.begin_walk();
    gradients_.add(loss, static_cast<double>(end - begin) / static_cast<double>(count));
  }

  Module& model_;
  const AuditOptions& options_;
  DType dtype_ = DType::f32;
  InputStatistics input_;
  Constancy output_, same_inputs_;
  bool finite_output_ = true;
  GradientSums gradients_{model_};
};

}  // namespace

HealthReport audit(Module& model, const data::Dataset& probe, const AuditOptions& options) {
  return Audit(model, options)
      .run(probe.size(), [&](std::int64_t begin, std::int64_t end, Tensor& x, Tensor& y) {
        data::Samples samples = probe.range(begin, end);
        x = std::move(samples.x);
        y = std::move(samples.y);
      });
}

HealthReport audit(Module& model, const Tensor& probe, const AuditOptions& options) {
  RILL_CHECK(!options.loss, "audit: a loss was given for a probe without targets, expected a data set");
  RILL_CHECK(probe.defined() && probe.dim() >= 1, "audit: the probe is ",
             probe.defined() ? "a scalar" : "undefined", ", expected samples [n, ...]");
  return Audit(model, options)
      .run(probe.size(0), [&](std::int64_t begin, std::int64_t end, Tensor& x, Tensor&) {
        const NoGrad no_grad;
        x = probe.slice(0, begin, end).detach();
      });
}

namespace {

BornDead judge(HealthReport report) {
  BornDead found{.network = report.constant_output,
                 .dead = report.dead(),
                 .units = report.units(),
                 .non_finite = report.non_finite()};
  found.report = std::move(report);
  return found;
}

constexpr std::int64_t born_dead_samples = 10000;

}  // namespace

BornDead born_dead(Module& model, const data::Dataset& probe) {
  return judge(audit(model, probe, {.samples = born_dead_samples, .statistics = Statistics::batch}));
}

BornDead born_dead(Module& model, const Tensor& probe) {
  return judge(audit(model, probe, {.statistics = Statistics::batch}));
}

}  // namespace rill::nn
