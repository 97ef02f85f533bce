#include <cmath>

#include <rill/optim/losses.hpp>

namespace rill::optim::losses {

Loss cross_entropy(const CrossEntropyOptions& options, const Tensor& weight) {
  const auto loss = [=](const Tensor& x, const Tensor& target) {
    return rill::cross_entropy(x, target, options, weight);
  };
  if (options.reduction != Reduction::mean) return loss;
  return {loss, [=](const Tensor& target) {
            double sum = 0;
            const auto add = [&](const auto& weight_of) {
              for (const std::int64_t label : target.data<std::int64_t>())
                sum += label == options.ignore_index ? 0 : static_cast<double>(weight_of(label));
            };
            if (!weight.defined()) {
              add([](std::int64_t) { return 1; });
            } else {
              dispatch_floating(weight.dtype(), "cross_entropy", [&]<class T>(T) {
                add([each = weight.data<T>()](std::int64_t label) {
                  RILL_CHECK(label >= 0 && label < std::ssize(each), "cross_entropy: label ", label,
                             " is out of range, expected 0 to ", each.size() - 1);
                  return each[static_cast<std::size_t>(label)];
                });
              });
            }
            return sum;
          }};
}

Loss mse() {
  return [](const Tensor& x, const Tensor& target) { return mse_loss(x, target); };
}

Loss l1() {
  return [](const Tensor& x, const Tensor& target) { return l1_loss(x, target); };
}

Loss huber(const HuberLossOptions& options) {
  return [=](const Tensor& x, const Tensor& target) { return huber_loss(x, target, options); };
}

Loss bce_with_logits(const BinaryCrossEntropyOptions& options) {
  return [=](const Tensor& x, const Tensor& target) {
    return binary_cross_entropy_with_logits(x, target, options);
  };
}

Loss standardized(const Loss& loss, double mean, double std) {
  RILL_CHECK(loss, "standardized: the loss is empty, expected one");
  RILL_CHECK(std::isfinite(static_cast<float>(mean)) && std::isnormal(static_cast<float>(std)) && std > 0,
             "standardized: mean is ", mean, " and std is ", std,
             ", expected numbers in the range of f32, and a std above 0");
  return {
      [=](const Tensor& x, const Tensor& target) { return loss((x - mean) / std, (target - mean) / std); },
      [=](const Tensor& target) { return loss.weight(target); }};
}

}  // namespace rill::optim::losses
