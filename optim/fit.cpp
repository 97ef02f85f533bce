#include <algorithm>
#include <cmath>

#include <rill/core/ops/concat.hpp>
#include <rill/nn/metrics.hpp>
#include <rill/optim/clip.hpp>
#include <rill/optim/fit.hpp>

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

 private:
  std::string name_;
  std::function<double(const Tensor&, const Tensor&)> of_batch_;
  double sum_ = 0, samples_ = 0;
};

// Gives every module its own mode back.
class ModeKeeper {
 public:
  explicit ModeKeeper(nn::Module& model) {
    for (const auto& part : model.named_modules()) {
      if (!part.module->training()) in_evaluation_.push_back(part.module);
    }
    model.train();
  }
  ~ModeKeeper() {
    for (nn::Module* module : in_evaluation_) module->eval();
  }
  ModeKeeper(const ModeKeeper&) = delete;
  ModeKeeper& operator=(const ModeKeeper&) = delete;

 private:
  std::vector<nn::Module*> in_evaluation_;
};

// The mean of a loss over samples.
class LossSum {
 public:
  void add(double loss, const Tensor& targets) {
    sum_ += loss * static_cast<double>(targets.size(0));
    samples_ += targets.size(0);
  }
  double mean() const { return sum_ / static_cast<double>(samples_); }

 private:
  double sum_ = 0;
  std::int64_t samples_ = 0;
};

void check(const FitOptions& options, const nn::data::Loader& train) {
  RILL_CHECK(options.epochs >= 1, "fit: epochs is ", options.epochs, ", expected 1 or more");
  RILL_CHECK(options.first_epoch >= 0 && options.first_epoch <= options.epochs, "fit: first_epoch is ",
             options.first_epoch, ", expected 0 to epochs, ", options.epochs);
  RILL_CHECK(options.steps_per_epoch >= 0 && options.steps_per_epoch <= train.batches(),
             "fit: steps_per_epoch is ", options.steps_per_epoch, ", expected 0 to ", train.batches());
  RILL_CHECK(options.clip_grad_norm >= 0 && std::isfinite(options.clip_grad_norm), "fit: clip_grad_norm is ",
             options.clip_grad_norm, ", expected a finite number, 0 or more");
  for (const auto& callback : options.callbacks)
    RILL_CHECK(callback, "fit: a callback is null, expected one");
  for (const Schedule* schedule : options.schedules)
    RILL_CHECK(schedule, "fit: a schedule is null, expected one");
}

}  // namespace

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

const double* Logs::find(std::string_view name) const {
  const auto entry =
      std::ranges::find(entries_, name, [](const auto& pair) -> std::string_view { return pair.first; });
  return entry == entries_.end() ? nullptr : &entry->second;
}

void Logs::set(const std::string& name, double value) {
  if (const double* known = find(name)) {
    *const_cast<double*>(known) = value;
  } else {
    entries_.emplace_back(name, value);
  }
}

double Logs::at(std::string_view name, std::string_view where) const {
  const double* found = find(name);
  if (found) return *found;
  std::string names;
  for (const auto& [known, value] : entries_) names += (names.empty() ? "" : ", ") + known;
  rill::detail::fail(rill::detail::concat(where, ": there is no \"", name, "\" in the logs, expected one of ",
                                          names, name.starts_with("val_") ? "; pass validation data" : ""));
}

void Run::stop(std::string why) {
  if (!std::exchange(stopped_, true)) reason_ = std::move(why);
}

void Run::diverge(std::string why) {
  if (!std::exchange(diverged_, true)) {
    stopped_ = true;
    reason_ = std::move(why);
  }
}

// One call of fit().
class Trainer::Loop {
 public:
  Loop(Trainer& trainer, const nn::data::Loader& train, const FitOptions& options)
      : trainer_(trainer),
        train_(train),
        options_(options),
        run_(trainer.model_, trainer.optimizer_, trainer.loss_) {
    run_.epochs = options.epochs;
    run_.batches = options.steps_per_epoch ? options.steps_per_epoch : train.batches();
  }

  History run() {
    run_.step = options_.first_epoch * run_.batches;
    const std::int64_t first_step = run_.step;
    const ModeKeeper modes(trainer_.model_);
    call(&Callback::on_train_begin);
    for (run_.epoch = options_.first_epoch; run_.epoch < options_.epochs && !run_.stopped(); ++run_.epoch) {
      epoch();
    }
    call(&Callback::on_train_end);
    history_.steps = run_.step - first_step;
    history_.diverged = run_.diverged();
    history_.reason = run_.reason();
    return std::move(history_);
  }

 private:
  void call(void (Callback::*function)(Run&)) {
    for (const auto& callback : options_.callbacks) ((*callback).*function)(run_);
  }

  void epoch() {
    run_.logs = Logs();
    for (const auto& metric : trainer_.metrics_) metric->reset();
    LossSum loss;
    call(&Callback::on_epoch_begin);
    const double lr = trainer_.optimizer_.lr();
    nn::data::Epoch batches = train_.epoch(run_.epoch);
    for (const nn::data::Batch& batch : batches) {
      if (batch.index == run_.batches || run_.stopped()) break;
      run_.batch = &batch;
      step(batch, loss);
      run_.batch = nullptr;
    }
    if (run_.stopped()) return;
    if (options_.validation) {
      for (const auto& [name, value] : trainer_.evaluate(*options_.validation))
        run_.logs.set("val_" + name, value);
    }
    run_.logs.set("lr", lr);
    call(&Callback::on_epoch_end);
    history_.epochs.push_back(run_.logs);
    step_schedules(Interval::epoch);
  }

  void step(const nn::data::Batch& batch, LossSum& sum) {
    trainer_.optimizer_.zero_grad();
    call(&Callback::on_train_batch_begin);
    const Tensor prediction = trainer_.model_(batch.x);
    const Tensor loss = trainer_.loss_(prediction, batch.y);
    for (const auto& callback : options_.callbacks) callback->on_loss(run_, loss);
    if (run_.diverged()) return;
    loss.backward();
    call(&Callback::on_gradients);
    if (run_.diverged()) return trainer_.optimizer_.zero_grad();
    if (options_.clip_grad_norm > 0) clip_grad_norm_(trainer_.model_, options_.clip_grad_norm);
    trainer_.optimizer_.step();
    ++run_.step;
    step_schedules(Interval::batch);
    sum.add(loss.item(), batch.y);
    run_.logs.set("loss", sum.mean());
    const NoGrad no_grad;
    for (const auto& metric : trainer_.metrics_) {
      metric->update(prediction.detach(), batch.y);
      run_.logs.set(metric->name(), metric->result());
    }
    call(&Callback::on_train_batch_end);
  }

  void step_schedules(Interval interval) {
    for (Schedule* schedule : options_.schedules) {
      if (schedule->interval() != interval) continue;
      std::optional<double> metric;
      if (run_.logs.contains(options_.schedule_metric)) metric = run_.logs.at(options_.schedule_metric);
      schedule->step(metric);
    }
  }

  Trainer& trainer_;
  const nn::data::Loader& train_;
  const FitOptions& options_;
  Run run_;
  History history_;
};

Trainer::Trainer(nn::Module& model, Optimizer& optimizer, Loss loss)
    : model_(model), optimizer_(optimizer), loss_(std::move(loss)) {
  RILL_CHECK(loss_, "Trainer: the loss is empty, expected a function");
}

Trainer& Trainer::metrics(std::vector<std::shared_ptr<Metric>> metrics) {
  std::vector<std::string> names{"loss", "lr"};
  for (const auto& metric : metrics) {
    RILL_CHECK(metric, "metrics: a metric is null, expected one");
    RILL_CHECK(std::ranges::find(names, metric->name()) == names.end(), "metrics: the name \"",
               metric->name(), "\" is taken, expected another");
    names.push_back(metric->name());
  }
  metrics_ = std::move(metrics);
  return *this;
}

History Trainer::fit(const nn::data::Loader& train, const FitOptions& options) {
  check(options, train);
  return Loop(*this, train, options).run();
}

Logs Trainer::evaluate(const nn::data::Loader& data) {
  const nn::EvalMode evaluation(model_);
  const NoGrad no_grad;
  for (const auto& metric : metrics_) metric->reset();
  LossSum loss;
  for (const nn::data::Batch& batch : data.epoch(0)) {
    const Tensor prediction = model_(batch.x);
    loss.add(loss_(prediction, batch.y).item(), batch.y);
    for (const auto& metric : metrics_) metric->update(prediction, batch.y);
  }
  Logs logs;
  logs.set("loss", loss.mean());
  for (const auto& metric : metrics_) logs.set(metric->name(), metric->result());
  return logs;
}

Tensor predict(nn::Module& model, const nn::data::Loader& data) {
  RILL_CHECK(!data.options().shuffle && !data.options().drop_last,
             "predict: the loader shuffles or drops samples, expected one with all of them in their order");
  const nn::EvalMode evaluation(model);
  const NoGrad no_grad;
  std::vector<Tensor> parts;
  for (const nn::data::Batch& batch : data.epoch(0)) parts.push_back(model(batch.x));
  return concat(parts, 0);
}

}  // namespace rill::optim
