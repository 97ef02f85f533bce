#include <algorithm>
#include <cmath>
#include <filesystem>

#include <rill/optim/fit_loop.hpp>

namespace rill::optim {
namespace {

void check(const CheckpointOptions& options) {
  RILL_CHECK(options.every_steps >= 0, "fit: checkpoint.every_steps is ", options.every_steps,
             ", expected 0 or more");
  RILL_CHECK(options.every_epochs >= 0, "fit: checkpoint.every_epochs is ", options.every_epochs,
             ", expected 0 or more");
  for (const auto& [name, value] : options.metadata)
    RILL_CHECK(detail::is_free_metadata(name), "fit: checkpoint.metadata names \"", name,
               "\", expected another name; checkpoints write that one themselves");
  const std::filesystem::path folder = std::filesystem::path(options.file).parent_path();
  std::error_code ignored;
  RILL_CHECK(folder.empty() || std::filesystem::is_directory(folder, ignored), "fit: checkpoint.file is ",
             options.file, ", in a folder that is not there, expected one");
}

void check(const FitOptions& options, const nn::data::Loader& train, const Optimizer& optimizer) {
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
  RILL_CHECK(!options.schedule || &options.schedule->optimizer() == &optimizer,
             "fit: the schedule drives another optimizer, expected that of the trainer");
  RILL_CHECK(!options.schedule || !options.schedule->wants_metric() || options.validation ||
                 !options.schedule_metric.starts_with("val_"),
             "fit: schedule_metric for the ", options.schedule->name(), " is \"", options.schedule_metric,
             "\", expected a number of the training, or validation data");
  RILL_CHECK(options.resume.empty() || options.first_epoch == 0, "fit: first_epoch is ", options.first_epoch,
             " of a run that is resumed, expected 0; the checkpoint knows");
  check(options.checkpoint);
}

// `shape` with another number of rows.
Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::vector<std::int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes[0] = rows;
  return Shape(sizes);
}

}  // namespace

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
  check(options, train, optimizer_);
  const std::vector<Tensor> parameters = model_.parameters();
  RILL_CHECK(
      std::ranges::none_of(parameters, &Tensor::requires_grad) ||
          std::ranges::any_of(parameters, [&](const Tensor& p) { return optimizer_.trains(p); }),
      "fit: the optimizer trains no parameter of the model, expected one that was made for it; make the "
      "optimizer after to() and replace()");
  return Loop(*this, train, options).run();
}

Logs Trainer::evaluate(const nn::data::Loader& data) {
  const nn::EvalMode evaluation(model_);
  const NoGrad no_grad;
  for (const auto& metric : metrics_) metric->reset();
  detail::LossSum loss;
  for (const nn::data::Batch& batch : data.epoch(0)) {
    const Tensor prediction = model_(batch.x);
    const double mean = loss_(prediction, batch.y).item();  // which checks the targets
    loss.add(mean, loss_.weight(batch.y));
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
