#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <rill/nn/metrics.hpp>

namespace rill::nn {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void check_labels(const char* where, const Tensor& labels, std::int64_t rows) {
  RILL_CHECK(labels.dtype() == DType::i64 && labels.shape() == Shape{rows}, where, ": labels are ",
             labels.dtype(), " ", labels.shape(), ", expected i64 [", rows, "]");
}

void check_logits(const char* where, const Tensor& logits, const Tensor& labels) {
  RILL_CHECK(logits.dim() == 2 && logits.shape()[1] > 0, where, ": logits are ", logits.shape(),
             ", expected [n, classes]");
  check_labels(where, labels, logits.shape()[0]);
}

void check_range(const char* where, const char* what, const Tensor& values, std::int64_t classes) {
  for (const std::int64_t value : values.data<std::int64_t>()) {
    RILL_CHECK(value >= 0 && value < classes, where, ": ", what, " ", value,
               " is out of range, expected 0 to ", classes - 1);
  }
}

constexpr std::int64_t no_class = -1;
using Classes = std::vector<std::int64_t, memory::Allocator<std::int64_t>>;

// The class of every row: where its largest element stands; no_class for a row with a NaN.
Classes predictions(const char* where, const Tensor& logits) {
  const auto classes = static_cast<std::size_t>(logits.shape()[1]);
  Classes found(static_cast<std::size_t>(logits.shape()[0]));
  dispatch_floating(logits.dtype(), where, [&]<class T>(T) {
    for (std::size_t row = 0; row < found.size(); ++row) {
      const auto values = logits.data<T>().subspan(row * classes, classes);
      const bool valid = std::ranges::none_of(values, [](T value) { return std::isnan(value); });
      found[row] = valid ? std::ranges::max_element(values) - values.begin() : no_class;
    }
  });
  return found;
}

// Rows of logits whose class is the label.
std::int64_t count_right(const char* where, const Tensor& logits, const Tensor& labels) {
  check_logits(where, logits, labels);
  check_range(where, "label", labels, logits.shape()[1]);
  const Classes found = predictions(where, logits);
  const auto wanted = labels.data<std::int64_t>();
  std::int64_t right = 0;
  for (std::size_t row = 0; row < found.size(); ++row) right += found[row] == wanted[row];
  return right;
}

double share(double part, double of) { return of > 0 ? part / of : nan; }

// Σ term(y - target) over all elements.
template <class Term>
double mean_of(const char* where, const Tensor& y, const Tensor& target, Term term) {
  RILL_CHECK(is_floating(y.dtype()) && y.dtype() == target.dtype() && y.shape() == target.shape(), where,
             ": y is ", y.dtype(), " ", y.shape(), " and target ", target.dtype(), " ", target.shape(),
             ", expected one floating dtype and one shape");
  double sum = 0;
  dispatch_floating(y.dtype(), where, [&]<class T>(T) {
    const auto got = y.data<T>(), wanted = target.data<T>();
    for (std::size_t i = 0; i < got.size(); ++i)
      sum += term(static_cast<double>(got[i]) - static_cast<double>(wanted[i]));
  });
  return share(sum, static_cast<double>(y.numel()));
}

}  // namespace

std::int64_t count_correct(const Tensor& logits, const Tensor& labels) {
  return count_right("count_correct", logits, labels);
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  const std::int64_t right = count_right("accuracy", logits, labels);
  return share(static_cast<double>(right), static_cast<double>(labels.numel()));
}

double top_k_accuracy(const Tensor& logits, const Tensor& labels, std::int64_t k) {
  constexpr const char* where = "top_k_accuracy";
  check_logits(where, logits, labels);
  const auto classes = logits.shape()[1];
  RILL_CHECK(k >= 1 && k <= classes, where, ": k is ", k, ", expected 1 to ", classes);
  check_range(where, "label", labels, classes);
  const auto wanted = labels.data<std::int64_t>();
  std::int64_t correct = 0;
  dispatch_floating(logits.dtype(), where, [&]<class T>(T) {
    const auto width = static_cast<std::size_t>(classes);
    for (std::size_t row = 0; row < wanted.size(); ++row) {
      const auto values = logits.data<T>().subspan(row * width, width);
      const auto label = static_cast<std::size_t>(wanted[row]);
      std::int64_t before = 0;
      bool valid = true;
      for (std::size_t c = 0; c < width; ++c) {
        valid &= !std::isnan(values[c]);
        before += values[c] > values[label] || (values[c] == values[label] && c < label);
      }
      correct += valid && before < k;
    }
  });
  return share(static_cast<double>(correct), static_cast<double>(labels.numel()));
}

double mean_absolute_error(const Tensor& y, const Tensor& target) {
  return mean_of("mean_absolute_error", y, target, [](double error) { return std::abs(error); });
}

double mean_squared_error(const Tensor& y, const Tensor& target) {
  return mean_of("mean_squared_error", y, target, [](double error) { return error * error; });
}

double r2_score(const Tensor& y, const Tensor& target) {
  R2Score score;
  score.add(y, target);
  return score.value();
}

ConfusionMatrix::ConfusionMatrix(std::int64_t classes, std::vector<std::string> names)
    : classes_(classes), names_(std::move(names)) {
  RILL_CHECK(classes >= 2, "ConfusionMatrix: classes is ", classes, ", expected 2 or more");
  RILL_CHECK(names_.empty() || static_cast<std::int64_t>(names_.size()) == classes,
             "ConfusionMatrix: there are ", names_.size(), " names, expected ", classes, " or none");
  counts_.resize(static_cast<std::size_t>(classes * (classes + 1)));
}

std::size_t ConfusionMatrix::place(std::int64_t label, std::int64_t predicted) const {
  return static_cast<std::size_t>(label * (classes_ + 1) + predicted);
}

void ConfusionMatrix::check_class(std::int64_t of) const {
  RILL_CHECK(of >= 0 && of < classes_, "ConfusionMatrix: class ", of, " is out of range, expected 0 to ",
             classes_ - 1);
}

void ConfusionMatrix::add(const Tensor& predicted, const Tensor& labels) {
  constexpr const char* where = "ConfusionMatrix";
  Classes found;
  if (predicted.dtype() == DType::i64) {
    RILL_CHECK(predicted.dim() == 1, where, ": predicted is i64 ", predicted.shape(), ", expected i64 [n]");
    check_labels(where, labels, predicted.numel());
    check_range(where, "predicted class", predicted, classes_);
    const auto values = predicted.data<std::int64_t>();
    found.assign(values.begin(), values.end());
  } else {
    RILL_CHECK(predicted.dim() == 2 && predicted.shape()[1] == classes_, where, ": logits are ",
               predicted.shape(), ", expected [n, ", classes_, "]");
    check_labels(where, labels, predicted.shape()[0]);
    found = predictions(where, predicted);
  }
  check_range(where, "label", labels, classes_);
  const auto wanted = labels.data<std::int64_t>();
  for (std::size_t i = 0; i < found.size(); ++i)
    ++counts_[place(wanted[i], found[i] == no_class ? classes_ : found[i])];
}

std::int64_t ConfusionMatrix::count(std::int64_t label, std::int64_t predicted) const {
  check_class(label);
  check_class(predicted);
  return counts_[place(label, predicted)];
}

std::int64_t ConfusionMatrix::of_label(std::int64_t label) const {
  check_class(label);
  std::int64_t sum = 0;
  for (std::int64_t c = 0; c <= classes_; ++c) sum += counts_[place(label, c)];
  return sum;
}

std::int64_t ConfusionMatrix::of_prediction(std::int64_t predicted) const {
  std::int64_t sum = 0;
  for (std::int64_t label = 0; label < classes_; ++label) sum += counts_[place(label, predicted)];
  return sum;
}

std::int64_t ConfusionMatrix::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t n : counts_) sum += n;
  return sum;
}

std::int64_t ConfusionMatrix::not_a_number() const { return of_prediction(classes_); }

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0;
  for (std::int64_t c = 0; c < classes_; ++c) right += count(c, c);
  return share(static_cast<double>(right), static_cast<double>(total()));
}

double ConfusionMatrix::precision(std::int64_t of) const {
  return share(static_cast<double>(count(of, of)), static_cast<double>(of_prediction(of)));
}

double ConfusionMatrix::recall(std::int64_t of) const {
  return share(static_cast<double>(count(of, of)), static_cast<double>(of_label(of)));
}

double ConfusionMatrix::f1(std::int64_t of) const {
  return share(2 * static_cast<double>(count(of, of)), static_cast<double>(of_label(of) + of_prediction(of)));
}

std::string ConfusionMatrix::to_string() const {
  const bool named = !names_.empty(), with_nan = not_a_number() > 0;
  const auto name = [&](std::int64_t c) {
    return named ? names_[static_cast<std::size_t>(c)] : std::to_string(c);
  };
  std::size_t first = 5, width = 3;  // "label", "nan"
  for (std::int64_t c = 0; c < classes_; ++c) {
    first = std::max(first, name(c).size());
    width = std::max(width, name(c).size());
  }
  for (const std::int64_t n : counts_) width = std::max(width, std::to_string(n).size());
  std::string text = fmt::format("{:<{}}", "label", first);
  for (std::int64_t c = 0; c < classes_; ++c) text += fmt::format("  {:>{}}", name(c), width);
  if (with_nan) text += fmt::format("  {:>{}}", "nan", width);
  text += fmt::format("  {:>9}  {:>6}  {:>6}\n", "precision", "recall", "f1");
  for (std::int64_t label = 0; label < classes_; ++label) {
    text += fmt::format("{:<{}}", name(label), first);
    for (std::int64_t c = 0; c < classes_ + with_nan; ++c)
      text += fmt::format("  {:>{}}", counts_[place(label, c)], width);
    text += fmt::format("  {:>9.4f}  {:>6.4f}  {:>6.4f}\n", precision(label), recall(label), f1(label));
  }
  return text + fmt::format("accuracy {:.4f} of {}\n", accuracy(), total());
}

void R2Score::add(const Tensor& y, const Tensor& target) {
  RILL_CHECK(is_floating(y.dtype()) && y.dtype() == target.dtype() && y.shape() == target.shape() &&
                 (y.dim() == 1 || y.dim() == 2),
             "R2Score: y is ", y.dtype(), " ", y.shape(), " and target ", target.dtype(), " ", target.shape(),
             ", expected one floating dtype and one shape, [n] or [n, outputs]");
  const auto width = static_cast<std::size_t>(y.dim() == 1 ? 1 : y.shape()[1]);
  RILL_CHECK(samples_ == 0 || width == outputs_.size(), "R2Score: y has ", width, " outputs, expected ",
             outputs_.size(), " as before");
  outputs_.resize(width);
  dispatch_floating(y.dtype(), "R2Score", [&]<class T>(T) {
    const auto got = y.data<T>(), wanted = target.data<T>();
    for (std::int64_t row = 0; row < y.shape()[0]; ++row) {
      ++samples_;
      for (std::size_t c = 0; c < width; ++c) {
        const std::size_t i = static_cast<std::size_t>(row) * width + c;
        const auto value = static_cast<double>(wanted[i]);
        const double error = value - static_cast<double>(got[i]), before = value - outputs_[c].mean;
        outputs_[c].mean += before / static_cast<double>(samples_);
        outputs_[c].spread += before * (value - outputs_[c].mean);
        outputs_[c].residual += error * error;
      }
    }
  });
}

double R2Score::value() const {
  if (samples_ < 2) return nan;
  double sum = 0;
  for (const Output& output : outputs_) {
    const bool constant = output.spread == 0 && !std::isnan(output.residual);
    sum += constant ? (output.residual == 0 ? 1.0 : 0.0) : 1 - output.residual / output.spread;
  }
  return sum / static_cast<double>(outputs_.size());
}

}  // namespace rill::nn
