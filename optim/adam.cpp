#include <algorithm>
#include <cmath>

#include <rill/optim/adam.hpp>
#include <rill/optim/gradient_loops.hpp>

namespace rill::optim {

Adam::Adam(const char* name, std::vector<Group> groups, const AdamOptions& options, bool decoupled)
    : Optimizer(name, std::move(groups), options.lr, options.weight_decay),
      options_(options),
      decoupled_(decoupled) {
  detail::check_range(name, "beta1", options.beta1, 0, 1);
  detail::check_range(name, "beta2", options.beta2, 0, 1);
  detail::check_range(name, "eps", options.eps, 0, INFINITY);
  std::vector<StateName> names{{"exp_avg", Of::gradients}, {"exp_avg_sq", Of::squares}};
  if (options.amsgrad) names.push_back({"max_exp_avg_sq", Of::squares});
  keep_state(std::move(names));
}

void Adam::set_momentum(double beta1) {
  detail::check_range(name(), "beta1", beta1, 0, 1);
  options_.beta1 = beta1;
}

void Adam::update(Slot& slot, const Tensor& grad, double lr, double weight_decay) {
  const auto t = static_cast<double>(slot.steps);
  const double step_size = lr / (1 - std::pow(options_.beta1, t));
  const double root_correction = std::sqrt(1 - std::pow(options_.beta2, t));
  dispatch_floating(slot.param.dtype(), name(), [&]<class T>(T) {
    T* p = slot.param.mutable_data<T>().data();
    T *m = slot.state[0].mutable_data<T>().data(), *v = slot.state[1].mutable_data<T>().data();
    T* top = options_.amsgrad ? slot.state[2].mutable_data<T>().data() : nullptr;
    const T beta1 = static_cast<T>(options_.beta1), rest1 = static_cast<T>(1 - options_.beta1);
    const T beta2 = static_cast<T>(options_.beta2), rest2 = static_cast<T>(1 - options_.beta2);
    const T eps = static_cast<T>(options_.eps), rate = static_cast<T>(step_size);
    const T correction = static_cast<T>(1 / root_correction);
    const T keep = static_cast<T>(decoupled_ ? 1 - lr * weight_decay : 1);
    const T decay = static_cast<T>(decoupled_ ? 0 : weight_decay);
    const detail::Least<T> least = detail::least_of(eps, rest2);
    const bool decays = decay != 0;
    // One parameter: new moments, and the step that they make.
    const auto move = [=](std::int64_t i, T g) {
      const T before = keep * p[i];
      const T d = detail::decayed(g, decays, decay, before);
      m[i] = detail::settled(beta1 * m[i] + rest1 * d, least.mean);
      v[i] = detail::settled(beta2 * v[i] + rest2 * d * d, least.square);
      return before;
    };
    if (top) {
      detail::for_gradient<T>(grad, false, [=](std::int64_t i, T g) {
        const T before = move(i, g);
        top[i] = std::max(top[i], v[i]);
        p[i] = before - rate * m[i] / (std::sqrt(top[i]) * correction + eps);
      });
    } else {
      detail::for_gradient<T>(grad, false, [=](std::int64_t i, T g) {
        const T before = move(i, g);
        p[i] = before - rate * m[i] / (std::sqrt(v[i]) * correction + eps);
      });
    }
  });
}

}  // namespace rill::optim
