// What a thread does while ops run: whether they are recorded, who watches them, and for which module they run.
//
// apply() and apply_inplace() tell an Observer of every op, forward and backward: profilers and traps for NaN are
// observers, and a thread without one pays one comparison an op. All of it belongs to one thread.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace rill {

class Observer;
class Tensor;

namespace detail {

struct ThreadMode {
  bool grad_enabled = true;
  Observer* observer = nullptr;  // the innermost one
  const void* module = nullptr;  // the innermost module that runs, or whose gradients do
  bool walking = false;          // a backward walk is under way
  bool telling = false;          // an observer's own code runs, which is not watched
};
extern thread_local constinit ThreadMode thread_mode;

}  // namespace detail

/// What an activation says of itself, for those who watch its units. It is flat where its slope is under 0.05, which lets
/// no gradient worth the name through; tanh and sigmoid where they are within 0.01 of an end.
struct ActivationInfo {
  bool blocks_gradient = false;  ///< no gradient passes wherever the input is not positive
  double flat_below = -std::numeric_limits<double>::infinity();
  double flat_above = std::numeric_limits<double>::infinity();
  std::optional<double> parameter = {};  ///< its slope, alpha or beta, where it has one
};

/// One op that runs. The pointers are valid during the call only.
struct OpRun {
  std::string_view name;                  ///< "relu", "relu_backward", …
  const void* module;                     ///< address of the nn::Module that it ran for; null outside of any
  bool backward;                          ///< whether a walk called it
  std::span<const Tensor* const> inputs;  ///< some may be undefined
  std::span<const Tensor> results;        ///< empty before the op has run
  /// Set for an activation; and for its slope op, which turns the gradient of the output (input 0) into that of the
  /// input (result 0), and reads as input 1 what the activation read or wrote.
  std::optional<ActivationInfo> activation;
};

/// Sees every op of the thread that made it, from construction to destruction. Observers nest: each one sees what runs
/// while it lives; they may go in any order, but not while one of them is being told of an op.
class Observer {
 public:
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// Before an op is checked, when inputs may be anything, and after it is done; an op that throws is told to failed()
  /// instead. Both may throw, and the op has failed then for the others that know of it.
  virtual void before(const OpRun&) {}
  virtual void after(const OpRun& run) = 0;
  /// The op that before() announced has thrown.
  virtual void failed(std::string_view) noexcept {}

  Observer* outer() const { return outer_; }

 protected:
  Observer() : outer_(std::exchange(detail::thread_mode.observer, this)) {}

 private:
  Observer* outer_;
};

namespace detail {

/// While it lives, ops of this thread run for `module`.
class [[nodiscard]] ModuleScope {
 public:
  explicit ModuleScope(const void* module) noexcept : before_(std::exchange(thread_mode.module, module)) {}
  ~ModuleScope() { thread_mode.module = before_; }
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  const void* before_;
};

void tell_before(const OpRun& run);
void tell_after(const OpRun& run);
void tell_failed(std::string_view op) noexcept;

/// What an op, or the formula in it, says of itself as an activation.
template <class Op>
std::optional<ActivationInfo> activation_of(const Op& op) {
  if constexpr (requires { op.activation(); }) {
    return op.activation();
  } else {
    return std::nullopt;
  }
}

/// One op that is about to run, as observers are told of it.
class [[nodiscard]] Observed {
 public:
  explicit Observed(std::string_view op)
      : op_(op), watched_(thread_mode.observer != nullptr && !thread_mode.telling) {
    if (watched_) [[unlikely]]
      tell_before(run({}, {}, {}));
  }
  template <class Op>
  Observed(const Op& op, std::span<const Tensor* const> inputs)
      : op_(Op::name), watched_(thread_mode.observer != nullptr && !thread_mode.telling) {
    if (watched_) [[unlikely]]
      tell_before(run(inputs, {}, activation_of(op)));
  }
  ~Observed() {
    if (watched_) [[unlikely]]
      tell_failed(op_);
  }
  Observed(const Observed&) = delete;
  Observed& operator=(const Observed&) = delete;

  void done(std::span<const Tensor* const> inputs = {}, std::span<const Tensor> results = {}) {
    if (std::exchange(watched_, false)) [[unlikely]]
      tell_after(run(inputs, results, {}));
  }
  template <class Op>
  void done(const Op& op, std::span<const Tensor* const> inputs, std::span<const Tensor> results) {
    if (std::exchange(watched_, false)) [[unlikely]]
      tell_after(run(inputs, results, activation_of(op)));
  }

 private:
  OpRun run(std::span<const Tensor* const> inputs, std::span<const Tensor> results,
            std::optional<ActivationInfo> activation) const {
    return {op_, thread_mode.module, thread_mode.walking, inputs, results, activation};
  }

  std::string_view op_;
  bool watched_;
};

}  // namespace detail
}  // namespace rill
