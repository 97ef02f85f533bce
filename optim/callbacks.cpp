#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include <rill/core/bits.hpp>
#include <rill/optim/callbacks.hpp>

namespace rill::optim::callbacks {

std::optional<Mode> mode_by_name(std::string_view monitor) {
  const auto ends_with_one_of = [&](std::initializer_list<const char*> ends) {
    return std::ranges::any_of(ends, [&](const char* end) { return monitor.ends_with(end); });
  };
  if (ends_with_one_of({"loss", "error", "mse", "mae", "rmse"})) return Mode::min;
  if (ends_with_one_of({"acc", "accuracy", "auc", "precision", "recall", "f1", "r2"})) return Mode::max;
  return std::nullopt;
}

Mode mode_of(const char* where, Mode mode, const std::string& monitor) {
  if (mode != Mode::automatic) return mode;
  const std::optional<Mode> known = mode_by_name(monitor);
  RILL_CHECK(known, where, ": mode is automatic, and \"", monitor,
             "\" does not say whether small numbers are good, expected min or max");
  return *known;
}

namespace {

// Whether `value` is better than `than` by more than `min_delta`; a NaN is not.
bool is_better(Mode mode, double value, double than, double min_delta) {
  return mode == Mode::max ? value - min_delta > than : value + min_delta < than;
}

void check_count(const char* where, const char* key, std::int64_t value, std::int64_t least) {
  RILL_CHECK(value >= least, where, ": ", key, " is ", value, ", expected ", least, " or more");
}

void check_number(const char* where, const char* key, double value) {
  RILL_CHECK(value >= 0 && std::isfinite(value), where, ": ", key, " is ", value,
             ", expected a finite number, 0 or more");
}

// The best of another number says nothing.
void check_monitor(const char* where, const std::string& monitor, const StateDict& state) {
  const std::string& saved = state.text("monitor", where);
  RILL_CHECK(saved == monitor, where, ": monitor is \"", monitor, "\", expected \"", saved,
             "\" as in the state");
}

void check_known(const char* where, const char* key, std::optional<double> value) {
  RILL_CHECK(!value || !std::isnan(*value), where, ": ", key, " is nan, expected a number");
}

}  // namespace

// --- EarlyStopping ----------------------------------------------------------------------------------------------------

EarlyStopping::EarlyStopping(EarlyStoppingOptions options) : options_(std::move(options)) {
  check_number("EarlyStopping", "min_delta", options_.min_delta);
  check_count("EarlyStopping", "patience", options_.patience, 0);
  check_count("EarlyStopping", "start_from_epoch", options_.start_from_epoch, 0);
  check_known("EarlyStopping", "baseline", options_.baseline);
  options_.mode = mode_of("EarlyStopping", options_.mode, options_.monitor);
}

void EarlyStopping::on_train_begin(Run& run) {
  if (run.resumed) return;
  best_.reset();
  best_state_.clear();
  best_epoch_ = wait_ = 0;
}

void EarlyStopping::keep_weights(Run& run) {
  best_epoch_ = run.epoch;
  if (!options_.restore_best_weights) return;
  best_state_.clear();
  for (const auto& [name, value] : run.model.named_state())
    best_state_.push_back({name, value.detach().clone()});
}

StateDict EarlyStopping::state_dict() const {
  StateDict state{
      .numbers = {{"best_epoch", static_cast<double>(best_epoch_)}, {"wait", static_cast<double>(wait_)}},
      .texts = {{"monitor", options_.monitor}}};
  state.set_optional("best", best_);
  for (const auto& [name, value] : best_state_) state.tensors["best." + name] = value;
  return state;
}

void EarlyStopping::load_state_dict(const Run& run, const StateDict& state) {
  check_monitor("EarlyStopping", options_.monitor, state);
  RILL_CHECK(options_.restore_best_weights || state.tensors.empty(),
             "EarlyStopping: state has best weights, expected none without restore_best_weights");
  std::vector<nn::NamedTensor> weights;
  if (!state.tensors.empty()) {
    for (const auto& [name, value] : run.model.named_state()) {
      const Tensor& best = state.tensor("best." + name, "EarlyStopping");
      RILL_CHECK(best.shape() == value.shape() && best.dtype() == value.dtype(), "EarlyStopping: best \"",
                 name, "\" is ", best.dtype(), " ", best.shape(), ", model expects ", value.dtype(), " ",
                 value.shape());
      weights.push_back({name, best});
    }
  }
  const std::int64_t best_epoch = state.count("best_epoch", "EarlyStopping");
  wait_ = state.count("wait", "EarlyStopping");
  best_epoch_ = best_epoch;
  best_ = state.optional("best");
  best_state_ = std::move(weights);
}

void EarlyStopping::on_epoch_end(Run& run) {
  const double current = run.logs.at(options_.monitor, "EarlyStopping");
  if (run.epoch < options_.start_from_epoch) return;
  // Also where no epoch is ever a good one.
  if (options_.restore_best_weights && best_state_.empty()) keep_weights(run);
  ++wait_;
  const auto better = [&](double than) {
    return is_better(options_.mode, current, than, options_.min_delta);
  };
  if (!std::isnan(current) && (!best_ || better(*best_))) {
    best_ = current;
    keep_weights(run);
    if (!options_.baseline || better(*options_.baseline)) wait_ = 0;
    return;
  }
  if (wait_ >= options_.patience && run.epoch > 0) {
    const std::string best = best_ ? fmt::format("best was {:.6g} in epoch {}", *best_, best_epoch_ + 1)
                                   : "it has never been a number";
    run.stop(fmt::format("EarlyStopping: {} is {:.6g} and was not better for {} epochs; {}", options_.monitor,
                         current, wait_, best));
  }
}

void EarlyStopping::on_train_end(Run& run) {
  if (best_state_.empty()) return;
  auto state = run.model.named_state();
  for (std::size_t i = 0; i < state.size(); ++i) {
    rill::detail::copy_values(best_state_[i].value, state[i].value);
  }
  best_state_.clear();
}

// --- ModelCheckpoint --------------------------------------------------------------------------------------------------

ModelCheckpoint::ModelCheckpoint(std::string file, ModelCheckpointOptions options)
    : file_(std::move(file)), options_(std::move(options)), best_(options_.initial_value_threshold) {
  RILL_CHECK(!file_.empty(), "ModelCheckpoint: the file has no name, expected one");
  check_count("ModelCheckpoint", "every", options_.every, 1);
  check_known("ModelCheckpoint", "initial_value_threshold", best_);
  if (options_.save_best_only) options_.mode = mode_of("ModelCheckpoint", options_.mode, options_.monitor);
}

void ModelCheckpoint::on_epoch_end(Run& run) {
  if ((run.epoch + 1) % options_.every != 0) return;
  std::optional<double> best = best_;
  if (options_.save_best_only) {
    const double current = run.logs.at(options_.monitor, "ModelCheckpoint");
    if (std::isnan(current) || (best && !is_better(options_.mode, current, *best, 0))) return;
    best = current;
  }
  fmt::dynamic_format_arg_store<fmt::format_context> named;
  named.push_back(fmt::arg("epoch", run.epoch + 1));
  for (const auto& [name, value] : run.logs) named.push_back(fmt::arg(name.c_str(), value));
  std::string path;
  try {
    path = fmt::vformat(file_, named);
  } catch (const fmt::format_error& error) {
    rill::detail::fail(rill::detail::concat("ModelCheckpoint: the file's name \"", file_, "\" is no format (",
                                            error.what(),
                                            "), expected {epoch} and names in the logs: ", run.logs.names()));
  }
  nn::save_weights(run.model, path);
  last_file_ = path;
  best_ = best;
}

StateDict ModelCheckpoint::state_dict() const {
  StateDict state{.texts = {{"monitor", options_.monitor}, {"last_file", last_file_}}};
  state.set_optional("best", best_);
  return state;
}

void ModelCheckpoint::load_state_dict(const Run&, const StateDict& state) {
  check_monitor("ModelCheckpoint", options_.monitor, state);
  last_file_ = state.text("last_file", "ModelCheckpoint");
  best_ = state.optional("best");
}

// --- ReduceLROnPlateau ------------------------------------------------------------------------------------------------

ReduceLROnPlateau::ReduceLROnPlateau(ReduceLROnPlateauOptions options) : options_(std::move(options)) {
  RILL_CHECK(options_.factor > 0 && options_.factor < 1, "ReduceLROnPlateau: factor is ", options_.factor,
             ", expected more than 0 and less than 1");
  check_count("ReduceLROnPlateau", "patience", options_.patience, 0);
  check_count("ReduceLROnPlateau", "cooldown", options_.cooldown, 0);
  check_number("ReduceLROnPlateau", "min_delta", options_.min_delta);
  check_number("ReduceLROnPlateau", "min_lr", options_.min_lr);
  options_.mode = mode_of("ReduceLROnPlateau", options_.mode, options_.monitor);
}

void ReduceLROnPlateau::on_train_begin(Run& run) {
  RILL_CHECK(!run.schedule || run.schedule->scales_initial_lr(), "ReduceLROnPlateau: the schedule ",
             run.schedule->name(), " sets the learning rate whatever it was, expected one that scales it");
  if (run.resumed) return;
  best_.reset();
  wait_ = cooldown_ = 0;
}

StateDict ReduceLROnPlateau::state_dict() const {
  StateDict state{
      .numbers = {{"wait", static_cast<double>(wait_)}, {"cooldown", static_cast<double>(cooldown_)}},
      .texts = {{"monitor", options_.monitor}}};
  state.set_optional("best", best_);
  return state;
}

void ReduceLROnPlateau::load_state_dict(const Run&, const StateDict& state) {
  check_monitor("ReduceLROnPlateau", options_.monitor, state);
  const std::int64_t wait = state.count("wait", "ReduceLROnPlateau");
  cooldown_ = state.count("cooldown", "ReduceLROnPlateau");
  wait_ = wait;
  best_ = state.optional("best");
}

void ReduceLROnPlateau::on_epoch_end(Run& run) {
  const double current = run.logs.at(options_.monitor, "ReduceLROnPlateau");
  if (cooldown_ > 0) {
    --cooldown_;
    wait_ = 0;
  }
  if (!std::isnan(current) && (!best_ || is_better(options_.mode, current, *best_, options_.min_delta))) {
    best_ = current;
    wait_ = 0;
  } else if (cooldown_ == 0 && ++wait_ >= options_.patience) {
    for (std::size_t group = 0; group < run.optimizer.group_count(); ++group) {
      const double lr = run.optimizer.lr(group);
      if (lr > options_.min_lr)
        run.optimizer.scale_lr(group, std::max(options_.factor, options_.min_lr / lr));
    }
    cooldown_ = options_.cooldown;
    wait_ = 0;
  }
}

// --- TerminateOnNaN ---------------------------------------------------------------------------------------------------

void TerminateOnNaN::on_loss(Run& run, const Tensor& loss) {
  if (!nn::all_finite(loss)) end(run, "the loss is not finite");
}

void TerminateOnNaN::on_gradients(Run& run) {
  if (!gradients_) return;
  const auto finite = [](const Tensor& param) { return nn::all_finite(param.grad()); };
  if (std::ranges::all_of(run.params, finite)) return;
  // The last one is the nearest to the loss.
  const auto broken = nn::non_finite_gradients(run.model);
  end(run, "the gradient of " + (broken.empty() ? "a parameter" : broken.back()) + " is not finite");
}

void TerminateOnNaN::end(Run& run, const std::string& what) {
  const nn::data::Batch& batch = *run.batch;
  before_.restore();
  std::string why;
  if (!nn::all_finite(batch.x)) {
    why = "the batch's inputs hold NaN or infinity";
  } else if (!nn::all_finite(batch.y)) {
    why = "the batch's targets hold NaN or infinity";
  } else {
    why = nn::explain_non_finite(run.model, [&] { return run.loss(run.model(batch.x), batch.y); });
  }
  run.diverge(fmt::format("TerminateOnNaN: {} in epoch {}/{}, batch {}/{}{}{}", what, run.epoch + 1,
                          run.epochs, batch.index + 1, run.batches, why.empty() ? "" : ": ", why));
}

}  // namespace rill::optim::callbacks
