#include <cmath>

#include <rill/optim/adagrad.hpp>
#include <rill/optim/gradient_loops.hpp>

namespace rill::optim {

Adagrad::Adagrad(std::vector<Group> groups, const AdagradOptions& options)
    : Optimizer("Adagrad", std::move(groups), options.lr, options.weight_decay), options_(options) {
  detail::check_range("Adagrad", "lr_decay", options.lr_decay, 0, INFINITY);
  detail::check_range("Adagrad", "initial_accumulator_value", options.initial_accumulator_value, 0, INFINITY);
  detail::check_range("Adagrad", "eps", options.eps, 0, INFINITY);
  keep_state({{"sum", Of::squares}}, options.initial_accumulator_value);
}

void Adagrad::update(Slot& slot, const Tensor& grad, double lr, double weight_decay) {
  const double step_size = lr / (1 + static_cast<double>(slot.steps - 1) * options_.lr_decay);
  dispatch_floating(slot.param.dtype(), "Adagrad", [&]<class T>(T) {
    T *p = slot.param.mutable_data<T>().data(), *s = slot.state[0].mutable_data<T>().data();
    const T rate = static_cast<T>(step_size), decay = static_cast<T>(weight_decay);
    const T eps = static_cast<T>(options_.eps);
    const bool decays = weight_decay != 0, zeros_rest = !decays && eps > 0;  // 0 / 0
    detail::for_gradient<T>(grad, zeros_rest, [=](std::int64_t i, T g) {
      const T d = detail::decayed(g, decays, decay, p[i]);
      const T sum = s[i] = s[i] + d * d;
      p[i] -= rate * d / (std::sqrt(sum) + eps);
    });
  });
}

}  // namespace rill::optim
