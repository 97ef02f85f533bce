#include <cmath>

#include <rill/nn/metrics.hpp>

namespace rill::nn {

std::int64_t count_correct(const Tensor& logits, const Tensor& labels) {
  RILL_CHECK(logits.dim() == 2 && logits.shape()[1] > 0, "count_correct: logits are ", logits.shape(),
             ", expected [n, classes]");
  RILL_CHECK(labels.dtype() == DType::i64 && labels.shape() == Shape{logits.shape()[0]},
             "count_correct: labels are ", labels.dtype(), " ", labels.shape(), ", expected i64 [",
             logits.shape()[0], "]");
  std::int64_t correct = 0;
  dispatch_floating(logits.dtype(), "count_correct", [&]<class T>(T) {
    const auto values = logits.data<T>();
    const std::size_t classes = static_cast<std::size_t>(logits.shape()[1]);
    const auto wanted = labels.data<std::int64_t>();
    for (std::size_t row = 0; row < wanted.size(); ++row) {
      std::size_t best = 0;
      bool valid = true;
      for (std::size_t c = 0; c < classes; ++c) {
        const T value = values[row * classes + c];
        valid &= !std::isnan(value);
        if (value > values[row * classes + best]) best = c;
      }
      correct += valid && static_cast<std::int64_t>(best) == wanted[row];
    }
  });
  return correct;
}

}  // namespace rill::nn
