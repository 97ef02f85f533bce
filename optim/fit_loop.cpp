#include <rill/optim/clip.hpp>
#include <rill/optim/fit_loop.hpp>

namespace rill::optim {

Trainer::Loop::Loop(Trainer& trainer, const nn::data::Loader& train, const FitOptions& options)
    : trainer_(trainer),
      train_(train),
      options_(options),
      run_(trainer.model_, trainer.optimizer_, trainer.loss_) {
  run_.epochs = options.epochs;
  run_.epoch = options.first_epoch;
  run_.schedule = options.schedule;
  run_.batches = options.steps_per_epoch ? options.steps_per_epoch : train.batches();
  run_.step = first_step_ = options.first_epoch * run_.batches;
}

History Trainer::Loop::run() {
  if (writes()) check_checkpoint();
  if (!options_.resume.empty()) resume();
  const nn::ModeGuard modes(trainer_.model_, true);
  call(&Callback::on_train_begin);
  epochs();
  // Before on_train_end, which may put the best weights in the place of the last ones.
  const bool stopped_at_begin =
      run_.stopped() && options_.checkpoint.every_epochs > 0 && written_step_ != run_.step;
  if (writes() && !run_.diverged() && (run_.interrupted() || stopped_at_begin)) write();
  call(&Callback::on_train_end);
  history_.steps = run_.step - first_step_;
  history_.diverged = run_.diverged();
  history_.interrupted = run_.interrupted() && !run_.diverged();
  history_.reason = run_.reason();
  return std::move(history_);
}

// --- checkpoints -------------------------------------------------------------------------------------------------------

void Trainer::Loop::check_checkpoint() { detail::capture(training(), true); }

void Trainer::Loop::resume() {
  const std::string& path = options_.resume;
  const detail::Checkpoint checkpoint = detail::load_checkpoint(path);
  const detail::Position& at = checkpoint.position;
  const std::int64_t begun = at.epoch + (at.epoch_step > 0);
  RILL_CHECK(begun <= run_.epochs, path, ": ", begun, " epochs are done or begun, expected at most epochs, ",
             run_.epochs, "; raise epochs to go on");
  RILL_CHECK(at.epoch_step <= run_.batches, path, ": ", at.epoch_step,
             " steps of the epoch are done, expected ", run_.batches, " at most");
  detail::restore(training(), checkpoint, path);
  run_.resumed = true;
  run_.epoch = at.epoch;
  run_.epoch_step = at.epoch_step;
  run_.step = written_step_ = at.step;
  run_.logs = checkpoint.so_far.logs;
  if (!at.stopped.empty()) run_.stop(at.stopped);
  first_step_ = at.first_step;
  epoch_lr_ = checkpoint.so_far.lr;
  loss_ = detail::LossSum(checkpoint.so_far.loss_sum, checkpoint.so_far.loss_weight);
  history_.epochs = checkpoint.history;
}

void Trainer::Loop::write() {
  const bool within_epoch = run_.epoch_step > 0;
  detail::Checkpoint checkpoint = detail::capture(training(), within_epoch);
  checkpoint.position = {run_.epoch, run_.epoch_step, run_.step, first_step_,
                         run_.stopped() ? run_.reason() : std::string()};
  if (within_epoch) checkpoint.so_far = {epoch_lr_, loss_.sum(), loss_.weight(), run_.logs};
  checkpoint.history = history_.epochs;
  checkpoint.metadata = options_.checkpoint.metadata;
  detail::save_checkpoint(options_.checkpoint.file, checkpoint);
  written_step_ = run_.step;
}

// --- epochs ------------------------------------------------------------------------------------------------------------

void Trainer::Loop::epochs() {
  while (run_.epoch < run_.epochs) {
    // Of an epoch that is resumed the begin is past, and the end is still to come if the run was stopped in it.
    if (run_.epoch_step == 0 && (run_.ended() || !begin_epoch())) return;
    steps();
    if (run_.diverged() || run_.interrupted()) return;
    end_epoch();
  }
}

bool Trainer::Loop::begin_epoch() {
  run_.logs = Logs();
  call(&Callback::on_epoch_begin);
  if (run_.ended()) return false;
  epoch_lr_ = trainer_.optimizer_.lr();
  for (const auto& metric : trainer_.metrics_) metric->reset();
  loss_ = {};
  return true;
}

void Trainer::Loop::end_epoch() {
  if (options_.validation) {
    for (const auto& [name, value] : trainer_.evaluate(*options_.validation))
      run_.logs.set("val_" + name, value);
  }
  run_.logs.set("lr", epoch_lr_);
  step_schedule(Interval::epoch);
  call(&Callback::on_epoch_end);
  history_.epochs.push_back(run_.logs);
  ++run_.epoch;
  run_.epoch_step = 0;
  if (!writes() || run_.diverged() || run_.interrupted()) return;
  const std::int64_t every = options_.checkpoint.every_epochs;
  const bool last = run_.stopped() || run_.epoch == run_.epochs;
  if (every > 0 && (last || run_.epoch % every == 0)) write();
}

// --- steps -------------------------------------------------------------------------------------------------------------

void Trainer::Loop::steps() {
  if (run_.ended() || run_.epoch_step == run_.batches) return;
  nn::data::Epoch batches = train_.epoch(run_.epoch, run_.epoch_step);
  for (const nn::data::Batch& batch : batches) {
    run_.batch = &batch;
    step(batch);
    run_.batch = nullptr;
    if (!run_.diverged()) after_step();
    if (run_.ended() || batch.index + 1 == run_.batches) break;
  }
}

void Trainer::Loop::step(const nn::data::Batch& batch) {
  trainer_.optimizer_.zero_grad();
  call(&Callback::on_train_batch_begin);
  if (run_.diverged()) return;
  const Tensor prediction = trainer_.model_(batch.x);
  const Tensor loss = trainer_.loss_(prediction, batch.y);
  const double weight = trainer_.loss_.weight(batch.y);
  if (weight != 0) {
    for (const auto& callback : options_.callbacks) callback->on_loss(run_, loss);
  }
  if (run_.diverged()) return;
  loss.backward();
  call(&Callback::on_gradients);
  if (run_.diverged()) return trainer_.optimizer_.zero_grad();
  if (options_.clip_grad_norm > 0) clip_grad_norm_(run_.params, options_.clip_grad_norm);
  trainer_.optimizer_.step();
  ++run_.step;
  ++run_.epoch_step;
  loss_.add(loss.item(), weight);
  run_.logs.set("loss", loss_.mean());
  measure(prediction.detach(), batch.y);
  step_schedule(Interval::batch);
  call(&Callback::on_train_batch_end);
}

void Trainer::Loop::after_step() {
  if (options_.interrupted && options_.interrupted()) run_.interrupt("interrupted");
  const std::int64_t every = options_.checkpoint.every_steps;
  if (writes() && !run_.interrupted() && every > 0 && run_.step % every == 0) write();
}

void Trainer::Loop::measure(const Tensor& prediction, const Tensor& target) {
  const NoGrad no_grad;
  for (std::size_t i = 0; i < trainer_.metrics_.size(); ++i) {
    trainer_.metrics_[i]->update(prediction, target);
    run_.logs.set(trainer_.metric_names_[i], trainer_.metrics_[i]->result());
  }
}

void Trainer::Loop::step_schedule(Interval interval) {
  Schedule* const schedule = options_.schedule;
  if (!schedule || schedule->interval() != interval) return;
  std::optional<double> metric;
  if (run_.logs.contains(options_.schedule_metric)) metric = run_.logs.at(options_.schedule_metric);
  if (!metric && schedule->wants_metric())
    run_.logs.at(options_.schedule_metric,
                 rill::detail::concat("fit: schedule_metric for the ", schedule->name()));
  schedule->step(metric);
}

}  // namespace rill::optim
