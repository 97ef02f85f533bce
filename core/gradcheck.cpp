#include <algorithm>
#include <cmath>
#include <cstdio>

#include <rill/core/bits.hpp>
#include <rill/core/create.hpp>
#include <rill/core/gradcheck.hpp>

namespace rill {
namespace {

using detail::same_bits;

using Tensors = std::vector<Tensor>;
using Function = TensorFunction;

// Numbers of both signs, between 0.1 and 1.5 from 0: no kink within reach of the stencil.
Tensor random_tensor(const Shape& shape, Stream& stream) {
  Tensor result = empty(shape, DType::f64);
  for (double& value : result.mutable_data<double>()) {
    const bool negative = stream.below(2) == 0;
    value = (negative ? -1 : 1) * stream.uniform(0.1, 1.5);
  }
  return result;
}

double largest_of(const Tensor& x) {
  double largest = 0;
  if (x.defined()) {
    for (const double value : x.data<double>()) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

// Copies with blocks of their own: leaves that require a gradient where `required` says so.
Tensors leaves_of(const Tensors& inputs, const std::vector<bool>& required) {
  Tensors leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].defined() ? inputs[i].detach().clone() : Tensor());
    if (required[i]) leaves.back().requires_grad_();
  }
  return leaves;
}

// The grads of leaves after a walk from every output of a new graph.
Tensors grads_by_backward(const Function& function, const Tensors& leaves, const Tensors& cotangents) {
  const Tensors outputs = function(leaves);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].requires_grad()) outputs[i].backward(cotangents[i], {.retain_graph = true});
  }
  Tensors grads;
  for (const Tensor& leaf : leaves) grads.push_back(leaf.defined() ? leaf.grad() : Tensor());
  return grads;
}

// d(Σ outputs · cotangents)/d(inputs[k]) for k in `wanted`; undefined where nothing depends on one.
Tensors grads_by_grad(const Tensors& outputs, const Tensors& wanted, const Tensors& cotangents,
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

double weighted(const Tensors& outputs, const Tensors& cotangents) {
  long double sum = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto values = outputs[i].data<double>(), weights = cotangents[i].data<double>();
    for (std::size_t j = 0; j < values.size(); ++j) sum += static_cast<long double>(values[j]) * weights[j];
  }
  return static_cast<double>(sum);
}

std::string text_of(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.12g", value);
  return text;
}

// The outputs that have gradients; indices have none.
Tensors floating_outputs(const char* where, Tensors outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i)
    RILL_CHECK(outputs[i].defined(), where, ": output ", i, " is undefined, expected a tensor with elements");
  std::erase_if(outputs, [](const Tensor& output) { return !is_floating(output.dtype()); });
  RILL_CHECK(!outputs.empty(), where, ": the function returns no f64 tensor, expected at least one");
  return outputs;
}

void check_f64(const char* where, const char* what, const Tensors& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    const bool wrong = tensor.defined() && tensor.dtype() == DType::f32;
    RILL_CHECK(!wrong, where, ": ", what, " ", i, " ", tensor.shape(),
               " is f32, expected f64; convert it with to()");
  }
}

std::vector<bool> required_of(const Tensors& inputs) {
  std::vector<bool> required;
  for (const Tensor& input : inputs) required.push_back(input.defined() && input.requires_grad());
  return required;
}

class Gradcheck {
 public:
  Gradcheck(const Function& function, const Tensors& inputs, const GradcheckOptions& options)
      : function_(function), inputs_(inputs), required_(required_of(inputs)), options_(options) {}

  GradcheckResult run() {
    const Tensors leaves = leaves_of(inputs_, required_);
    Tensors wanted;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      if (required_[i]) wanted.push_back(leaves[i]);
    }
    RILL_CHECK(!wanted.empty(), "gradcheck: no input requires a gradient, expected at least one");
    const Tensors outputs = function_(leaves);
    check_f64("gradcheck", "output", outputs);
    draw_cotangents(outputs, wanted);
    grads_ = grads_by_grad(outputs, wanted, cotangents_, false);
    const Tensors again = grads_by_grad(outputs, wanted, cotangents_, false);
    for (std::size_t k = 0; k < grads_.size(); ++k) {
      if (!same_bits(grads_[k], again[k])) fail("a second walk gives another gradient " + std::to_string(k));
    }
    compare_walks(outputs.size());
    compare_differences();
    return std::move(result_);
  }

 private:
  std::string labelled(const std::string& why) const {
    return options_.label.empty() ? why : options_.label + ", " + why;
  }

  void fail(const std::string& why) {
    if (result_.failure.empty())
      result_.failure = options_.label + (options_.label.empty() ? "" : ", ") + why;
  }

  // The tolerance is absolute below 1: small gradients are scaled up, so that it does not wave them through.
  void draw_cotangents(const Tensors& outputs, const Tensors& wanted) {
    Stream stream(options_.seed, Purpose::user);
    for (const Tensor& output : outputs) cotangents_.push_back(random_tensor(output.shape(), stream));
    double scale = 1;
    for (const Tensor& grad : grads_by_grad(outputs, wanted, cotangents_, false)) {
      const double largest = largest_of(grad);
      while (largest > 0 && largest * scale < 1 && scale < 4096) scale *= 2;
    }
    for (Tensor& cotangent : cotangents_) cotangent = cotangent * scale;
  }

  // backward() against grad(), and against walks that leave one input out.
  void compare_walks(std::size_t outputs) {
    const Tensors walked = grads_by_backward(function_, leaves_of(inputs_, required_), cotangents_);
    for (std::size_t i = 0, k = 0; i < inputs_.size(); ++i) {
      const std::string input = "input " + std::to_string(i);
      if (!required_[i]) {
        if (walked[i].defined()) fail(input + ": gets a gradient without requiring one");
        continue;
      }
      if (outputs == 1 && !same_bits(walked[i], grads_[k])) fail(input + ": backward() differs from grad()");
      ++k;
      if (grads_.size() > 1) compare_without(i, walked);
    }
  }

  void compare_without(std::size_t left_out, const Tensors& walked) {
    std::vector<bool> others = required_;
    others[left_out] = false;
    const Tensors without = grads_by_backward(function_, leaves_of(inputs_, others), cotangents_);
    for (std::size_t j = 0; j < inputs_.size(); ++j) {
      if (!same_bits(without[j], j == left_out ? Tensor() : walked[j]))
        fail("input " + std::to_string(left_out) + ": without its gradient, that of input " +
             std::to_string(j) + " is another");
    }
  }

  void compare_differences() {
    const NoGrad no_grad;
    const Tensors plain = leaves_of(inputs_, std::vector<bool>(inputs_.size()));
    for (std::size_t i = 0, k = 0; i < inputs_.size(); ++i) {
      if (!required_[i]) continue;
      const Tensor& analytic = grads_[k++];
      const double largest = largest_of(analytic);
      result_.largest = std::max(result_.largest, largest);
      for (std::size_t j = 0; j < static_cast<std::size_t>(plain[i].numel()); ++j) {
        const double expected = analytic.defined() ? analytic.data<double>()[j] : 0;
        compare(i, j, expected, difference(plain, i, j), std::max(1.0, std::abs(expected)));
      }
    }
  }

  // The five-point difference of the weighted outputs along element j of input i.
  double difference(const Tensors& plain, std::size_t i, std::size_t j) const {
    Tensor moved = plain[i];
    const double x = moved.data<double>()[j];
    // Steps of 1e-3, and smaller ones near 0, where quotients have large higher derivatives.
    const double h = 1e-3 * std::clamp(std::abs(x), 0.1, 1.0);
    const auto at = [&](int steps) {
      moved.mutable_data<double>()[j] = x + steps * h;
      return weighted(function_(plain), cotangents_);
    };
    const double numeric = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h);
    moved.mutable_data<double>()[j] = x;
    return numeric;
  }

  void compare(std::size_t i, std::size_t j, double expected, double numeric, double bound) {
    const double error = std::abs(numeric - expected) / bound;
    if (error <= result_.worst || std::isnan(result_.worst))
      return;  // a NaN goes on and fails, and stays the worst
    result_.worst = error;
    result_.where = detail::concat("input ", i, " ", inputs_[i].shape(), ", element ", j);
    if (!(error <= options_.tolerance)) {
      result_.failure = labelled(result_.where + ": gradient " + text_of(expected) + ", differences give " +
                                 text_of(numeric));
    }
  }

  const Function& function_;
  const Tensors& inputs_;
  std::vector<bool> required_;
  const GradcheckOptions& options_;
  Tensors cotangents_, grads_;  // a gradient for each input that requires one
  GradcheckResult result_;
};

}  // namespace

GradcheckResult gradcheck(const Function& function, const Tensors& inputs, const GradcheckOptions& options) {
  RILL_CHECK(function, "gradcheck: the function is empty, expected one");
  check_f64("gradcheck", "input", inputs);
  const GradMode recording(true);
  const Function floating = [&](const Tensors& at) { return floating_outputs("gradcheck", function(at)); };
  GradcheckResult result = Gradcheck(floating, inputs, options).run();
  // A gradient of several outputs must be right also where only one of them is used.
  const std::size_t outputs = floating(inputs).size();
  for (std::size_t i = 0; i < outputs && outputs > 1; ++i) {
    GradcheckOptions own = options;
    own.label += detail::concat(options.label.empty() ? "" : ", ", "output ", i);
    const Function alone = [&](const Tensors& at) { return Tensors{floating(at)[i]}; };
    const GradcheckResult one = Gradcheck(alone, inputs, own).run();
    if (result.passed()) result.failure = one.failure;
  }
  return result;
}

GradcheckResult gradgradcheck(const Function& function, const Tensors& inputs,
                              const GradcheckOptions& options) {
  RILL_CHECK(function, "gradgradcheck: the function is empty, expected one");
  check_f64("gradgradcheck", "input", inputs);
  const std::vector<bool> required = required_of(inputs);
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
    Tensors grads = grads_by_grad(floating_outputs("gradgradcheck", function(at)), wanted, cotangents, true);
    for (std::size_t k = 0; k < grads.size(); ++k) {
      if (!grads[k].defined()) grads[k] = zeros(wanted[k].shape(), DType::f64);
    }
    return grads;
  };
  Stream stream(options.seed + 1, Purpose::user);
  Tensors arguments = inputs;
  for (const Tensor& output : floating_outputs("gradgradcheck", function(inputs)))
    arguments.push_back(random_tensor(output.shape(), stream).requires_grad_());
  GradcheckOptions second = options;
  second.label += options.label.empty() ? "second order" : ", second order";
  return gradcheck(gradients, arguments, second);
}

}  // namespace rill
