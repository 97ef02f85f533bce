// How a model's outputs are judged: by which loss, and whether its targets are labels or numbers.
#pragma once

#include <optional>
#include <string>

#include <rill/nn/model.hpp>
#include <rill/tools/rill/data_source.hpp>

namespace rill::command {

/// What the model's last layer makes of its outputs.
enum class Outputs { plain, softmax, sigmoid };

class Judge {
 public:
  /// The loss of a name, with its default options. For "auto" the one that the model says it was trained by, if it is one of
  /// these; otherwise the one that fits the model: cross entropy for several outputs, binary cross entropy for one with two class names, else the mean
  /// squared error. Throws UsageError for a loss that cannot be.
  Judge(nn::Model& model, const std::string& loss);

  const std::string& loss_name() const { return name_; }
  /// Whether the loss is in deviations from the mean of the training targets.
  bool standardized() const { return same_unit() && scale_; }
  /// What targets are read as. A run that trains by bce_with_logits takes numbers, 0.3 too, and so does its model.
  Targets targets() const { return labels() && !of_numbers_ ? Targets::labels : Targets::numbers; }
  /// Whether the model tells classes apart.
  bool labels() const { return name_ == "cross_entropy" || binary_; }
  /// Whether its outputs are what the targets are, and not logits.
  bool same_unit() const { return !labels() && name_ != "bce_with_logits"; }
  std::int64_t classes() const { return binary_ ? 2 : outputs_; }

  /// The mean loss; of standardized targets where the model has their scale. Probabilities, of a last layer softmax or
  /// sigmoid, are taken as such, and clipped at 1e-7.
  Tensor loss(const Tensor& y, const Tensor& target) const;
  /// The targets as labels, i64 [n]; of numbers, 1 for those above 0.5.
  Tensor labels_of(const Tensor& target) const;
  /// The predicted class of each row, i64 [n]; -1 for a row with a NaN. Throws Error for a model that predicts numbers.
  std::vector<std::int64_t> predicted(const Tensor& y) const;

 private:
  std::optional<std::string> misfit(const nn::Model& model, const std::string& loss) const;

  std::string name_;
  Outputs kind_ = Outputs::plain;
  std::int64_t outputs_ = 1;
  std::optional<nn::TargetScale> scale_;
  bool binary_ = false, of_numbers_ = false;
};

/// The option --loss, as Judge takes it.
void add_loss_option(CLI::App& app, std::string& loss);

}  // namespace rill::command
