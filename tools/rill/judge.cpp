#include <algorithm>
#include <array>
#include <vector>

#include <rill/tools/rill/judge.hpp>

#include <rill/core/create.hpp>
#include <rill/core/ops/cast.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/math.hpp>
#include <rill/core/ops/maximum.hpp>
#include <rill/core/ops/pair_loss.hpp>
#include <rill/optim/losses.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/program.hpp>

namespace rill::command {
namespace {

constexpr double smallest = 1e-7;  // as Keras clips
constexpr std::array<const char*, 5> losses{"cross_entropy", "bce_with_logits", "mse", "l1", "huber"};

Outputs kind_of_outputs(nn::Model& model) {
  const std::string_view last = model.network.named_modules().back().module->type();
  if (last == "softmax") return Outputs::softmax;
  return last == "sigmoid" ? Outputs::sigmoid : Outputs::plain;
}

Tensor clipped(const Tensor& p) {
  const Tensor low = full({1}, smallest, p.dtype()), high = full({1}, 1 - smallest, p.dtype());
  return minimum(maximum(p, low), high);
}

// Labels as the column of numbers that element-wise losses compare with.
Tensor as_column(const Tensor& target, const Tensor& y) { return target.to(y.dtype()).reshape(y.shape()); }

template <class T>
std::int64_t largest(const T* row, std::int64_t count) {
  std::int64_t best = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (row[i] != row[i]) return -1;
    if (row[i] > row[best]) best = i;
  }
  return best;
}

}  // namespace

Judge::Judge(nn::Model& model, const std::string& loss)
    : name_(loss),
      kind_(kind_of_outputs(model)),
      outputs_(output_shape(model).numel()),
      scale_(model.target_scale) {
  const bool two = outputs_ == 1 && model.classes.size() == 2;
  if (loss == "auto") {
    const bool own = std::ranges::find(losses, model.loss) != losses.end() && !misfit(model, model.loss);
    name_ = own ? model.loss : outputs_ > 1 ? "cross_entropy" : two ? "bce_with_logits" : "mse";
    of_numbers_ = own && name_ == "bce_with_logits" && model.classes.empty();
  } else if (const auto why = misfit(model, loss)) {
    throw UsageError("--loss " + loss + ": " + *why);
  }
  binary_ = outputs_ == 1 && (two || name_ == "bce_with_logits");
}

// Why the loss cannot be that of the model.
std::optional<std::string> Judge::misfit(const nn::Model& model, const std::string& loss) const {
  if (loss == "cross_entropy") {
    if (outputs_ > 1) return std::nullopt;
    return "the model has 1 output, expected one for each class";
  }
  if (loss == "bce_with_logits" || model.classes.empty()) return std::nullopt;
  return "is for numbers, the model tells " + std::to_string(model.classes.size()) +
         " classes apart, expected " + (outputs_ > 1 ? "cross_entropy" : "bce_with_logits");
}

Tensor Judge::loss(const Tensor& y, const Tensor& target) const {
  if (name_ == "cross_entropy") {
    return cross_entropy(kind_ == Outputs::softmax ? log(clipped(y)) : y, target);
  }
  const Tensor t = as_column(target, y);
  if (name_ == "bce_with_logits") {
    if (kind_ != Outputs::sigmoid) return binary_cross_entropy_with_logits(y, t);
    const Tensor p = clipped(y);
    return binary_cross_entropy_with_logits(log(p) - log(1 - p), t);
  }
  const optim::Loss loss = name_ == "l1"      ? optim::losses::l1()
                           : name_ == "huber" ? optim::losses::huber()
                                              : optim::losses::mse();
  return (standardized() ? optim::losses::standardized(loss, scale_->mean, scale_->std) : loss)(y, t);
}

Tensor Judge::labels_of(const Tensor& target) const {
  if (targets() == Targets::labels) return target;
  std::vector<std::int64_t> labels;
  const Tensor values = target.to(DType::f64);
  for (const double value : values.data<double>()) {
    RILL_CHECK(value >= 0 && value <= 1, "the data: a target is ", value,
               ", expected 0 to 1 for bce_with_logits");
    labels.push_back(value > 0.5);
  }
  return tensor(std::move(labels), {target.size(0)});
}

std::vector<std::int64_t> Judge::predicted(const Tensor& y) const {
  std::vector<std::int64_t> classes;
  const std::int64_t rows = y.size(0);
  const Tensor values = y.to(DType::f64);
  const double* data = values.data<double>().data();
  for (std::int64_t row = 0; row < rows; ++row) {
    const double* at = data + row * outputs_;
    const double border = kind_ == Outputs::sigmoid ? 0.5 : 0;
    if (binary_) {
      classes.push_back(*at != *at ? -1 : *at > border ? 1 : 0);
    } else {
      classes.push_back(largest(at, outputs_));
    }
  }
  return classes;
}

void add_loss_option(CLI::App& app, std::string& loss) {
  std::vector<std::string> names{"auto"};
  names.insert(names.end(), losses.begin(), losses.end());
  choice(app.add_option("--loss", loss,
                        "auto takes the one that the model was trained by,\nwith its default options, or "
                        "that fits its outputs"),
         names)
      ->capture_default_str();
}

}  // namespace rill::command
