#include <algorithm>
#include <cmath>

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
  constexpr std::int64_t most = std::int64_t{1} << 32;  // the loader's
  RILL_CHECK(options.epochs >= 1 && options.epochs <= most, "fit: epochs is ", options.epochs,
             ", expected 1 to ", most);
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

// `shape` with another number of rows.
Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::vector<std::int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes[0] = rows;
  return Shape(sizes);
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

const Logs::Entry* Logs::find(std::string_view name) const {
  const auto entry =
      std::ranges::find(entries_, name, [](const Entry& known) -> std::string_view { return known.first; });
  return entry == entries_.end() ? nullptr : &*entry;
}

void Logs::set(std::string_view name, double value) {
  if (const Entry* known = find(name)) {
    entries_[static_cast<std::size_t>(known - entries_.data())].second = value;
  } else {
    entries_.emplace_back(name, value);
  }
}

std::string Logs::names() const {
  std::string text;
  for (const auto& [name, value] : entries_) text += (text.empty() ? "" : ", ") + name;
  return text;
}

double Logs::at(std::string_view name, std::string_view where) const {
  if (const Entry* found = find(name)) return found->second;
  rill::detail::fail(rill::detail::concat(where, ": there is no \"", name, "\" in the logs, expected one of ",
                                          names(), name.starts_with("val_") ? "; pass validation data" : ""));
}

std::vector<double> History::of(std::string_view name) const {
  std::vector<double> numbers;
  for (const Logs& logs : epochs) numbers.push_back(logs.at(name, "history"));
  return numbers;
}

Run::Run(nn::Module& of_model, Optimizer& of_optimizer, const Loss& of_loss)
    : model(of_model), optimizer(of_optimizer), loss(of_loss) {
  for (std::size_t group = 0; group < optimizer.group_count(); ++group)
    std::ranges::copy(optimizer.params(group), std::back_inserter(params));
}

void Run::stop(std::string why) {
  RILL_CHECK(!why.empty(), "stop: the reason is empty, expected one");
  if (!std::exchange(stopped_, true)) reason_ = std::move(why);
}

void Run::diverge(std::string why) {
  RILL_CHECK(!why.empty(), "diverge: the reason is empty, expected one");
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
    run_.schedules = options.schedules;
    run_.batches = options.steps_per_epoch ? options.steps_per_epoch : train.batches();
  }

  History run() {
    run_.step = options_.first_epoch * run_.batches;
    const std::int64_t first_step = run_.step;
    const nn::ModeGuard modes(trainer_.model_, true);
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
    call(&Callback::on_epoch_begin);
    if (run_.stopped()) return;
    const double lr = trainer_.optimizer_.lr();
    train();
    if (run_.diverged()) return;
    if (options_.validation) {
      for (const auto& [name, value] : trainer_.evaluate(*options_.validation))
        run_.logs.set("val_" + name, value);
    }
    run_.logs.set("lr", lr);
    step_schedules(Interval::epoch);
    call(&Callback::on_epoch_end);
    history_.epochs.push_back(run_.logs);
  }

  // The steps of an epoch.
  void train() {
    for (const auto& metric : trainer_.metrics_) metric->reset();
    LossSum loss;
    nn::data::Epoch batches = train_.epoch(run_.epoch);
    for (const nn::data::Batch& batch : batches) {
      run_.batch = &batch;
      step(batch, loss);
      run_.batch = nullptr;
      if (run_.stopped() || batch.index + 1 == run_.batches) break;
    }
  }

  void step(const nn::data::Batch& batch, LossSum& sum) {
    trainer_.optimizer_.zero_grad();
    call(&Callback::on_train_batch_begin);
    if (run_.diverged()) return;
    const Tensor prediction = trainer_.model_(batch.x);
    const Tensor loss = trainer_.loss_(prediction, batch.y);
    for (const auto& callback : options_.callbacks) callback->on_loss(run_, loss);
    if (run_.diverged()) return;
    loss.backward();
    call(&Callback::on_gradients);
    if (run_.diverged()) return trainer_.optimizer_.zero_grad();
    if (options_.clip_grad_norm > 0) clip_grad_norm_(run_.params, options_.clip_grad_norm);
    trainer_.optimizer_.step();
    ++run_.step;
    sum.add(loss.item(), batch.y);
    run_.logs.set("loss", sum.mean());
    measure(prediction.detach(), batch.y);
    step_schedules(Interval::batch);
    call(&Callback::on_train_batch_end);
  }

  void measure(const Tensor& prediction, const Tensor& target) {
    const NoGrad no_grad;
    for (std::size_t i = 0; i < trainer_.metrics_.size(); ++i) {
      trainer_.metrics_[i]->update(prediction, target);
      run_.logs.set(trainer_.metric_names_[i], trainer_.metrics_[i]->result());
    }
  }

  void step_schedules(Interval interval) {
    for (Schedule* schedule : options_.schedules) {
      if (schedule->interval() != interval) continue;
      std::optional<double> metric;
      if (run_.logs.contains(options_.schedule_metric)) metric = run_.logs.at(options_.schedule_metric);
      if (!metric && schedule->wants_metric())
        run_.logs.at(options_.schedule_metric,
                     rill::detail::concat("fit: schedule_metric for the ", schedule->name()));
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
  std::vector<std::string> names;
  for (const auto& metric : metrics) {
    RILL_CHECK(metric, "metrics: a metric is null, expected one");
    std::string name = metric->name();
    const bool taken = name == "loss" || name == "lr" || std::ranges::find(names, name) != names.end();
    RILL_CHECK(!taken, "metrics: the name \"", name, "\" is taken, expected another");
    RILL_CHECK(!name.empty() && !name.starts_with("val_"), "metrics: the name is \"", name,
               "\", expected one that does not begin with val_, as those of the validation do");
    names.push_back(std::move(name));
  }
  metrics_ = std::move(metrics);
  metric_names_ = std::move(names);
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
  for (std::size_t i = 0; i < metrics_.size(); ++i) logs.set(metric_names_[i], metrics_[i]->result());
  return logs;
}

Tensor predict(nn::Module& model, const nn::data::Loader& data) {
  RILL_CHECK(!data.options().shuffle && !data.options().drop_last,
             "predict: the loader shuffles or drops samples, expected one with all of them in their order");
  const nn::EvalMode evaluation(model);
  const NoGrad no_grad;
  Tensor all;
  std::size_t done = 0;
  for (const nn::data::Batch& batch : data.epoch(0)) {
    const Tensor part = model(batch.x);
    const std::int64_t samples = batch.x.size(0);
    RILL_CHECK(part.dim() >= 1 && part.size(0) == samples, "predict: the model gives ", part.shape(), " for ",
               samples, " samples, expected a row for each");
    if (!all.defined()) all = empty(with_rows(part.shape(), data.dataset().size()), part.dtype());
    RILL_CHECK(part.dtype() == all.dtype() && with_rows(part.shape(), all.size(0)) == all.shape(),
               "predict: the model gives ", part.dtype(), " ", part.shape(), " after rows like those of ",
               all.dtype(), " ", all.shape(), ", expected the same for all samples");
    dispatch(part.dtype(), [&]<class T>(T) {
      std::ranges::copy(part.data<T>(), all.mutable_data<T>().begin() + static_cast<std::ptrdiff_t>(done));
    });
    done += static_cast<std::size_t>(part.numel());
  }
  return all;
}

}  // namespace rill::optim
