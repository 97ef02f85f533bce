#include <rill/nn/metrics.hpp>
#include <rill/optim/metric.hpp>

namespace rill::optim {
namespace {

class MeanMetric final : public Metric {
 public:
  MeanMetric(std::string name, std::function<double(const Tensor&, const Tensor&)> of_batch)
      : name_(std::move(name)), of_batch_(std::move(of_batch)) {}
  std::string name() const override { return name_; }
  void reset() override { sum_ = samples_ = 0; }
  void update(const Tensor& prediction, const Tensor& target) override {
    const auto count = static_cast<double>(target.size(0));
    sum_ += of_batch_(prediction, target) * count;
    samples_ += count;
  }
  double result() const override { return sum_ / samples_; }
  StateDict state_dict() const override { return {.numbers = {{"sum", sum_}, {"samples", samples_}}}; }
  void load_state_dict(const StateDict& state) override {
    const double sum = state.number("sum", name_.c_str());
    samples_ = static_cast<double>(state.count("samples", name_.c_str()));
    sum_ = sum;
  }

 private:
  std::string name_;
  std::function<double(const Tensor&, const Tensor&)> of_batch_;
  double sum_ = 0, samples_ = 0;
};

[[noreturn]] void fail_stateless(const std::string& name, const char* function) {
  rill::detail::fail(rill::detail::concat("metric \"", name, "\": there is no ", function,
                                          "(), expected one for checkpoints; define it, or use mean_metric"));
}

}  // namespace

StateDict Metric::state_dict() const { fail_stateless(name(), "state_dict"); }

void Metric::load_state_dict(const StateDict&) { fail_stateless(name(), "load_state_dict"); }

std::shared_ptr<Metric> mean_metric(std::string name,
                                    std::function<double(const Tensor&, const Tensor&)> of_batch) {
  RILL_CHECK(of_batch, "mean_metric: the function of \"", name, "\" is empty, expected one");
  return std::make_shared<MeanMetric>(std::move(name), std::move(of_batch));
}

std::shared_ptr<Metric> accuracy() {
  return mean_metric("accuracy", [](const Tensor& logits, const Tensor& labels) {
    return static_cast<double>(nn::count_correct(logits, labels)) / static_cast<double>(labels.numel());
  });
}

}  // namespace rill::optim
