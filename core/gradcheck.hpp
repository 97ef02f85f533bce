// Gradient checks: what a function's gradients say against differences of its values.
//
// A function maps tensors to tensors, and must give the same values for the same inputs. Inputs and outputs are f64;
// those inputs that require a gradient are checked, every element of them. Values are weighted by random cotangents
// and differentiated by the five-point stencil with steps of 1e-3 or less, so keep inputs away from kinks. The inputs
// themselves are not changed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <rill/core/tensor.hpp>

namespace rill {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

struct GradcheckOptions {
  double tolerance = 1e-8;  ///< of max(1, |the element's gradient|); no element is off by more
  std::uint64_t seed = 0;   ///< of the cotangents
  std::string label;        ///< begins the text of a failure
};

struct GradcheckResult {
  double worst = 0;     ///< the largest |numeric - analytic| / max(1, |analytic|)
  double largest = 0;   ///< the largest gradient of all
  std::string where;    ///< where `worst` was found
  std::string failure;  ///< what is wrong, and where; empty if nothing is

  bool passed() const { return failure.empty(); }
  explicit operator bool() const { return passed(); }
};

/// Checks the gradients of `function` at `inputs` (undefined ones are passed on): of all its outputs together, and of
/// each alone. Also: two walks over one graph give the same bits, and so do backward() and grad(); an input that requires
/// no gradient gets none, and leaving one out does not change the others. Outputs that are i64 are left out. Throws Error
/// if no input requires a gradient, for inputs or outputs that are f32, and for no output.
GradcheckResult gradcheck(const TensorFunction& function, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

/// The same for the gradients of `function`, as functions of its inputs and of the gradients of its outputs: checks
/// its second order.
GradcheckResult gradgradcheck(const TensorFunction& function, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {});

}  // namespace rill
