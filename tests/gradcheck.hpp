// Gradient checks: what a function's gradients say against differences of its values, in f64.
//
// A function maps tensors to tensors; those inputs that require a gradient are checked, every element of them. Values
// are weighted by random cotangents and differentiated by the five-point stencil; the tolerance is 1e-8 of
// max(1, the largest gradient of the input).
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <rill/core/create.hpp>
#include <rill/core/sample.hpp>

namespace rill::test {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors& inputs)>;

constexpr double gradient_tolerance = 1e-8;

struct GradientCheck {
  double worst = 0;     ///< the largest |numeric - analytic| / max(1, the largest gradient of the input)
  double largest = 0;   ///< the largest gradient of all
  std::string where;    ///< where `worst` was found
  std::string failure;  ///< what is wrong, and where; empty if nothing is

  bool passed() const { return failure.empty(); }
};

/// Both undefined, or of one shape and dtype and the same bits.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  bool same = true;
  dispatch(a.dtype(), [&]<class T>(T) {
    const auto x = a.data<T>(), y = b.data<T>();
    same = x.empty() || std::memcmp(x.data(), y.data(), x.size_bytes()) == 0;
  });
  return same;
}

/// Numbers of both signs, between 0.1 and 1.5 from 0: no kink within reach of the stencil.
inline Tensor random_tensor(const Shape& shape, Stream& stream, bool positive = false) {
  Tensor result = empty(shape, DType::f64);
  for (double& value : result.mutable_data<double>()) {
    const bool negative = !positive && stream.below(2) == 0;
    value = (negative ? -1 : 1) * stream.uniform(0.1, 1.5);
  }
  return result;
}

/// What a sample asks for, without a gradient; undefined for an absent input.
inline Tensor draw(const SampleInput& input, Stream& stream) {
  switch (input.kind) {
    case SampleInput::Kind::real:
      return random_tensor(input.shape, stream);
    case SampleInput::Kind::positive:
      return random_tensor(input.shape, stream, true);
    case SampleInput::Kind::labels: {
      Tensor labels = empty(input.shape, DType::i64);
      for (std::int64_t& label : labels.mutable_data<std::int64_t>())
        label = static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(input.classes)));
      return labels;
    }
    case SampleInput::Kind::absent:
      break;
  }
  return {};
}

namespace detail {

inline double largest_of(const Tensor& x) {
  double largest = 0;
  if (x.defined()) {
    for (const double value : x.data<double>()) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

/// Copies with blocks of their own: leaves that require a gradient where `required` says so.
inline Tensors leaves_of(const Tensors& inputs, const std::vector<bool>& required) {
  Tensors leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].defined() ? inputs[i].detach().clone() : Tensor());
    if (required[i]) leaves.back().requires_grad_();
  }
  return leaves;
}

/// The grads of leaves after a walk from every output of a new graph.
inline Tensors grads_by_backward(const Function& function, const Tensors& leaves, const Tensors& cotangents) {
  const Tensors outputs = function(leaves);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].requires_grad()) outputs[i].backward(cotangents[i], {.retain_graph = true});
  }
  Tensors grads;
  for (const Tensor& leaf : leaves) grads.push_back(leaf.defined() ? leaf.grad() : Tensor());
  return grads;
}

/// d(Σ outputs · cotangents)/d(inputs[k]) for k in `wanted`; undefined where nothing depends on one.
inline Tensors grads_by_grad(const Tensors& outputs, const Tensors& wanted, const Tensors& cotangents,
                             bool create_graph) {
  Tensors reached, seeds;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    reached.push_back(outputs[i]);
    seeds.push_back(cotangents[i]);
  }
  if (reached.empty()) return Tensors(wanted.size());
  return grad(reached, wanted, seeds,
              {.retain_graph = true, .create_graph = create_graph, .allow_unused = true});
}

inline double weighted(const Tensors& outputs, const Tensors& cotangents) {
  long double sum = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto values = outputs[i].data<double>(), weights = cotangents[i].data<double>();
    for (std::size_t j = 0; j < values.size(); ++j) sum += static_cast<long double>(values[j]) * weights[j];
  }
  return static_cast<double>(sum);
}

inline std::string text_of(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.12g", value);
  return text;
}

}  // namespace detail

/// Checks the gradients of `function` at `inputs`, with regard to those inputs that require one. Also: two walks over
/// one graph give the same bits, and so do backward() and grad(); an input that requires no gradient gets none, and
/// leaving one out does not change the others. `label` names the op and the sample.
inline GradientCheck check_gradient(const Function& function, const Tensors& inputs, Stream stream,
                                    const std::string& label) {
  GradientCheck check;
  const auto fail = [&](const std::string& why) {
    if (check.failure.empty()) check.failure = label + ", " + why;
  };
  std::vector<bool> required;
  for (const Tensor& input : inputs) required.push_back(input.defined() && input.requires_grad());

  const Tensors leaves = detail::leaves_of(inputs, required);
  Tensors wanted;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (required[i]) wanted.push_back(leaves[i]);
  }
  if (wanted.empty()) return fail("no input requires a gradient"), check;
  const Tensors outputs = function(leaves);
  Tensors cotangents;
  for (const Tensor& output : outputs) cotangents.push_back(random_tensor(output.shape(), stream));
  Tensors grads = detail::grads_by_grad(outputs, wanted, cotangents, false);

  // The tolerance is absolute below 1: small gradients are scaled up, so that it does not wave them through.
  double scale = 1;
  for (const Tensor& grad : grads) {
    const double largest = detail::largest_of(grad);
    while (largest > 0 && largest * scale < 1 && scale < 4096) scale *= 2;
  }
  for (Tensor& cotangent : cotangents) cotangent = cotangent * scale;
  grads = detail::grads_by_grad(outputs, wanted, cotangents, false);

  const Tensors again = detail::grads_by_grad(outputs, wanted, cotangents, false);
  for (std::size_t k = 0; k < grads.size(); ++k) {
    if (!same_bits(grads[k], again[k])) fail("a second walk gives another gradient " + std::to_string(k));
  }
  const Tensors walked = detail::grads_by_backward(function, detail::leaves_of(inputs, required), cotangents);
  for (std::size_t i = 0, k = 0; i < inputs.size(); ++i) {
    const std::string input = "input " + std::to_string(i);
    if (!required[i]) {
      if (walked[i].defined()) fail(input + ": gets a gradient without requiring one");
      continue;
    }
    if (outputs.size() == 1 && !same_bits(walked[i], grads[k]))
      fail(input + ": backward() differs from grad()");
    ++k;
    if (wanted.size() < 2) continue;
    std::vector<bool> others = required;
    others[i] = false;
    const Tensors without =
        detail::grads_by_backward(function, detail::leaves_of(inputs, others), cotangents);
    for (std::size_t j = 0; j < inputs.size(); ++j) {
      if (!same_bits(without[j], j == i ? Tensor() : walked[j]))
        fail(input + ": without its gradient, that of input " + std::to_string(j) + " is another");
    }
  }

  const NoGrad no_grad;
  const Tensors plain = detail::leaves_of(inputs, std::vector<bool>(inputs.size()));
  for (std::size_t i = 0, k = 0; i < inputs.size(); ++i) {
    if (!required[i]) continue;
    const Tensor& analytic = grads[k++];
    const double bound = std::max(1.0, detail::largest_of(analytic));
    check.largest = std::max(check.largest, detail::largest_of(analytic));
    for (std::size_t j = 0; j < static_cast<std::size_t>(plain[i].numel()); ++j) {
      Tensor moved = plain[i];
      const double x = moved.data<double>()[j];
      // Steps of 1e-3, and smaller ones near 0, where quotients have large higher derivatives.
      const double h = 1e-3 * std::clamp(std::abs(x), 0.1, 1.0);
      const auto at = [&](int steps) {
        moved.mutable_data<double>()[j] = x + steps * h;
        return detail::weighted(function(plain), cotangents);
      };
      const double numeric = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h);
      moved.mutable_data<double>()[j] = x;
      const double expected = analytic.defined() ? analytic.data<double>()[j] : 0;
      const double error = std::abs(numeric - expected) / bound;
      if (error <= check.worst) continue;  // a NaN goes on and fails
      check.worst = error;
      check.where = "input " + std::to_string(i) + " " + rill::detail::concat(inputs[i].shape()) +
                    ", element " + std::to_string(j);
      if (!(error <= gradient_tolerance))
        check.failure = label + ", " + check.where + ": gradient " + detail::text_of(expected) +
                        ", differences give " + detail::text_of(numeric);
    }
  }
  return check;
}

/// The same for the function (inputs, cotangents) -> gradients of `function` at those inputs that require one: its
/// second order.
inline GradientCheck check_second_order(const Function& function, const Tensors& inputs, Stream stream,
                                        const std::string& label) {
  std::vector<bool> required;
  for (const Tensor& input : inputs) required.push_back(input.defined() && input.requires_grad());
  const Function gradients = [&](const Tensors& arguments) {
    const GradMode recording(true);
    Tensors at(arguments.begin(), arguments.begin() + std::ssize(inputs));
    const Tensors cotangents(arguments.begin() + std::ssize(inputs), arguments.end());
    Tensors wanted;
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (!required[i]) continue;
      if (!at[i].requires_grad()) at[i] = at[i].detach().requires_grad_();
      wanted.push_back(at[i]);
    }
    Tensors grads = detail::grads_by_grad(function(at), wanted, cotangents, true);
    for (std::size_t k = 0; k < grads.size(); ++k) {
      if (!grads[k].defined()) grads[k] = zeros(wanted[k].shape(), DType::f64);
    }
    return grads;
  };
  Tensors arguments = inputs;
  for (const Tensor& output : function(inputs))
    arguments.push_back(random_tensor(output.shape(), stream).requires_grad_());
  return check_gradient(gradients, arguments, stream, label + ", second order");
}

}  // namespace rill::test
