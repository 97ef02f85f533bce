#include <algorithm>

#include <rill/nn/health/moments.hpp>
#include <rill/nn/health/monitor.hpp>

namespace rill::nn {
namespace {

constexpr std::int64_t trained_per_probed = 30;

// By then a running statistic with the usual momentum of 0.1 holds less than 1 % of what it began with.
constexpr std::int64_t settled = 50;

}  // namespace

Monitor::Monitor(Module& model, std::shared_ptr<const data::Dataset> probe, const MonitorOptions& options)
    : model_(model), probe_(std::move(probe)), options_(options), step_(options.first_step) {
  RILL_CHECK(probe_, "Monitor: the probe is null, expected a data set");
  RILL_CHECK(options.probe_samples >= 1, "Monitor: probe_samples is ", options.probe_samples,
             ", expected 1 or more");
  RILL_CHECK(options.every >= 0, "Monitor: every is ", options.every,
             ", expected a number of steps, or 0 to choose one");
  RILL_CHECK(options.first_step >= 0, "Monitor: first_step is ", options.first_step, ", expected 0 or more");
  measure();
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
  measure();
  return true;
}

const HealthReport& Monitor::report() {
  if (history_.back().step != step_) measure();
  return history_.back();
}

void Monitor::measure() {
  const Statistics statistics = step_ < settled ? Statistics::batch : options_.statistics;
  HealthReport report = audit(
      model_, *probe_, {.samples = options_.probe_samples, .loss = options_.loss, .statistics = statistics});
  report.step = step_;
  if (!kept_.empty()) {
    for (const auto& [name, value] : model_.named_parameters()) {
      const auto before = std::ranges::find(kept_, name, &NamedTensor::name);
      const auto row = std::ranges::find(report.parameters, name, &ParameterHealth::name);
      if (before != kept_.end() && before->value.shape() == value.shape())
        row->update_ratio = detail::update_ratio(before->value, value);
    }
    kept_.clear();
  }
  history_.push_back(std::move(report));
  samples_since_ = 0;
}

}  // namespace rill::nn
