// Where the first NaN or infinity comes from: which op, which layer, forward or backward.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rill/core/observe.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {

/// Whether every element is finite; true for i64 and for an undefined tensor.
bool all_finite(const Tensor& x);

struct NonFinite {
  std::string op;            ///< "exp", "linear_backward", …
  std::string layer;         ///< path and type, "2 dense"; the model's own has no path; empty outside of it
  bool backward = false;     ///< in a backward walk
  bool from_inputs = false;  ///< some input was not finite already; unknown, so false, for an op in place
};

/// While it lives, looks at the result of every op of this thread and keeps the first that is not finite. Costs a pass
/// over every result, so set it when something is wrong.
class NanTrap final : public Observer {
 public:
  /// The model must live and not move while the trap is set.
  explicit NanTrap(Module& model) : modules_(model.named_modules()) {}
  const std::optional<NonFinite>& found() const { return found_; }
  void after(const OpRun& run) override;

 private:
  std::vector<NamedModule> modules_;
  std::optional<NonFinite> found_;
};

/// The buffers and counters of a model, which a forward pass in training mode moves, as they were at take().
class BufferSnapshot {
 public:
  /// Replaces what was taken before; for the same model no memory is allocated.
  void take(Module& model);
  /// Gives them back, if something was taken. The model must not have moved or changed its parts since.
  void restore();

 private:
  class Taker;
  struct Buffer {
    Tensor* place = nullptr;
    Tensor tensor, values;
  };
  std::vector<Buffer> buffers_;
  std::vector<std::pair<std::uint64_t*, std::uint64_t>> counters_;
};

/// The names of the parameters, or of their gradients, that hold a NaN or an infinity.
std::vector<std::string> non_finite_parameters(Module& model);
std::vector<std::string> non_finite_gradients(Module& model);

/// One line on where a loss that is not finite, or a gradient, comes from: "layer 2 dense: linear gives NaN or infinity …".
/// `loss` computes the loss anew from the model; it is run once, and its gradients too if all of that is finite. The
/// model's gradients, buffers and counters stay as they were. Empty if nothing was found.
std::string explain_non_finite(Module& model, const std::function<Tensor()>& loss);

}  // namespace rill::nn
