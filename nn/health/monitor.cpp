#include <algorithm>
#include <cmath>

#include <rill/core/bits.hpp>
#include <rill/nn/health/monitor.hpp>

namespace rill::nn {
namespace {

constexpr std::int64_t trained_per_probed = 30;

// ‖after - before‖ / ‖before‖.
double update_ratio(const Tensor& before, const Tensor& after) {
  double moved = 0, size = 0;
  dispatch_floating(before.dtype(), "Monitor", [&]<class T>(T) {
    const auto old = before.data<T>(), now = after.data<T>();
    for (std::size_t i = 0; i < old.size(); ++i) {
      const double from = old[i], by = now[i] - from;
      moved += by * by;
      size += from * from;
    }
  });
  return std::sqrt(moved / size);
}

}  // namespace

Monitor::Monitor(Module& model, std::shared_ptr<const data::Dataset> probe, const MonitorOptions& options)
    : model_(model), probe_(std::move(probe)), options_(options), step_(options.first_step) {
  RILL_CHECK(probe_, "Monitor: the probe is null, expected a data set");
  RILL_CHECK(options.probe_samples >= 1, "Monitor: probe_samples is ", options.probe_samples,
             ", expected 1 or more");
  RILL_CHECK(options.every >= 0, "Monitor: every is ", options.every,
             ", expected a number of steps, or 0 to choose one");
  RILL_CHECK(options.first_step >= 0, "Monitor: first_step is ", options.first_step, ", expected 0 or more");
  measure(Statistics::batch);
}

bool Monitor::due(std::int64_t steps, std::int64_t samples) const {
  if (options_.every > 0) return steps % options_.every == 0;
  return samples >= trained_per_probed * std::min(options_.probe_samples, probe_->size());
}

void Monitor::before_update() {
  kept_.clear();
  if (!due(step_ + 1, samples_since_ + last_batch_)) return;
  const NoGrad no_grad;
  for (const auto& [name, value] : model_.named_parameters()) kept_.push_back({name, value.detach().clone()});
}

bool Monitor::after_update(std::int64_t samples) {
  RILL_CHECK(samples >= 1, "Monitor: after_update with ", samples, " samples, expected 1 or more");
  ++step_;
  samples_since_ += samples;
  last_batch_ = samples;
  if (!due(step_, samples_since_)) return false;
  measure(options_.statistics);
  return true;
}

const HealthReport& Monitor::report() {
  if (history_.back().step != step_) measure(options_.statistics);
  return history_.back();
}

void Monitor::measure(Statistics statistics) {
  HealthReport report = audit(
      model_, *probe_, {.samples = options_.probe_samples, .loss = options_.loss, .statistics = statistics});
  report.step = step_;
  if (!kept_.empty()) {
    for (const auto& [name, value] : model_.named_parameters()) {
      const auto before = std::ranges::find(kept_, name, &NamedTensor::name);
      const auto row = std::ranges::find(report.parameters, name, &ParameterHealth::name);
      if (before != kept_.end() && before->value.shape() == value.shape())
        row->update_ratio = update_ratio(before->value, value);
    }
    kept_.clear();
  }
  history_.push_back(std::move(report));
  samples_since_ = 0;
}

}  // namespace rill::nn
