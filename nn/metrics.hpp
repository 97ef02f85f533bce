// What a trained model is judged by. Labels are i64, as cross_entropy() takes them; a row with a NaN counts as wrong.
//
// The functions judge one batch; ConfusionMatrix and R2Score gather any number of them. None of them builds a graph.
#pragma once

#include <string>
#include <vector>

#include <rill/core/tensor.hpp>

namespace rill::nn {

/// The number of rows of logits [n, classes] whose largest element stands at the row's label i64 [n]. A row with a
/// NaN counts as wrong. Throws Error for shapes or dtypes that do not fit, and for a label out of range.
std::int64_t count_correct(const Tensor& logits, const Tensor& labels);

/// count_correct() / n; NaN for no rows.
double accuracy(const Tensor& logits, const Tensor& labels);

/// The share of rows of which fewer than k other classes have a logit larger than the label's, or as large and a smaller
/// index; top_k_accuracy(…, 1) is accuracy(). Throws Error unless k is 1 to classes, and for a label out of range.
double top_k_accuracy(const Tensor& logits, const Tensor& labels, std::int64_t k);

/// Mean of |y - target|, over all elements; NaN for none. Throws Error unless shapes and floating dtypes are equal.
double mean_absolute_error(const Tensor& y, const Tensor& target);
/// Mean of (y - target)².
double mean_squared_error(const Tensor& y, const Tensor& target);
/// The coefficient of determination of one batch: R2Score after one add().
double r2_score(const Tensor& y, const Tensor& target);

/// How often samples of one class were taken for another.
class ConfusionMatrix {
 public:
  /// Throws Error for fewer than 2 classes, and unless there are as many names or none.
  explicit ConfusionMatrix(std::int64_t classes, std::vector<std::string> names = {});

  /// Adds logits [n, classes] with labels i64 [n], or predicted classes i64 [n] with labels. Throws Error, and adds
  /// nothing, for shapes or dtypes that do not fit and for a class out of range.
  void add(const Tensor& predicted, const Tensor& labels);

  std::int64_t classes() const { return classes_; }
  /// Samples of class `label` that were taken for `predicted`. Throws Error for a class out of range.
  std::int64_t count(std::int64_t label, std::int64_t predicted) const;
  /// Samples of any class, those with a NaN included.
  std::int64_t total() const;
  /// Samples whose logits held a NaN: wrong, and of no predicted class.
  std::int64_t not_a_number() const;

  double accuracy() const;  ///< NaN for no samples
  /// Of the samples taken for this class, the share that are of it; NaN where there are none.
  double precision(std::int64_t of) const;
  /// Of the samples of this class, the share taken for it; NaN where there are none.
  double recall(std::int64_t of) const;
  /// 2 · right / (samples of it + samples taken for it): the harmonic mean of the two; NaN where both are none.
  double f1(std::int64_t of) const;

  /// A row a class, of counts, precision, recall and F1; labels downwards, predictions across.
  std::string to_string() const;

 private:
  std::size_t place(std::int64_t label, std::int64_t predicted) const;
  void check_class(std::int64_t of) const;
  std::int64_t of_label(std::int64_t label) const;
  std::int64_t of_prediction(std::int64_t predicted) const;

  std::int64_t classes_;
  std::vector<std::string> names_;
  std::vector<std::int64_t> counts_;  // [label, predicted], and one more column for NaN
};

/// R² = 1 - Σ (target - y)² / Σ (target - mean)², for one output or the plain mean over several, as scikit-learn's
/// r2_score does with its defaults; there a constant target gives 1 if it is met exactly, else 0. NaN for a NaN anywhere.
class R2Score {
 public:
  /// Adds y and target of one shape [n] or [n, outputs]. Throws Error, and adds nothing, for other shapes or dtypes.
  void add(const Tensor& y, const Tensor& target);
  std::int64_t samples() const { return samples_; }
  /// NaN for fewer than 2 samples.
  double value() const;

 private:
  struct Output {
    double mean = 0, spread = 0;  // of the targets: mean, and Σ (target - mean)² (Welford's update)
    double residual = 0;          // Σ (target - y)²
  };
  std::vector<Output> outputs_;
  std::int64_t samples_ = 0;
};

}  // namespace rill::nn
