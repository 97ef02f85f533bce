#include <cmath>

#include <rill/optim/gradient_loops.hpp>
#include <rill/optim/rmsprop.hpp>

namespace rill::optim {

RMSprop::RMSprop(std::vector<Group> groups, const RMSpropOptions& options)
    : Optimizer("RMSprop", std::move(groups), options.lr, options.weight_decay),
      options_(options),
      has_momentum_(options.momentum > 0) {
  detail::check_range("RMSprop", "alpha", options.alpha, 0, 1);
  detail::check_range("RMSprop", "eps", options.eps, 0, INFINITY);
  detail::check_range("RMSprop", "momentum", options.momentum, 0, INFINITY);
  std::vector<StateName> names{{"square_avg", Of::squares}};
  if (has_momentum_) names.push_back({"momentum_buffer", Of::gradients});
  if (options.centered) names.push_back({"grad_avg", Of::gradients});
  keep_state(std::move(names));
}

std::optional<double> RMSprop::momentum() const {
  return has_momentum_ ? std::optional(options_.momentum) : std::nullopt;
}

void RMSprop::set_momentum(double momentum) {
  RILL_CHECK(has_momentum_, "RMSprop: there is no momentum to set, expected one above 0 from the start");
  detail::check_range("RMSprop", "momentum", momentum, 0, INFINITY);
  options_.momentum = momentum;
}

void RMSprop::update(Slot& slot, const Tensor& grad, double lr, double weight_decay) {
  dispatch_floating(slot.param.dtype(), "RMSprop", [&]<class T>(T) {
    T *p = slot.param.mutable_data<T>().data(), *s = slot.state[0].mutable_data<T>().data();
    T* b = has_momentum_ ? slot.state[1].mutable_data<T>().data() : nullptr;
    T* a = options_.centered ? slot.state.back().mutable_data<T>().data() : nullptr;
    const T rate = static_cast<T>(lr), decay = static_cast<T>(weight_decay);
    const bool decays = weight_decay != 0;
    const T alpha = static_cast<T>(options_.alpha), rest = static_cast<T>(1 - options_.alpha);
    const T eps = static_cast<T>(options_.eps), momentum = static_cast<T>(options_.momentum);
    const detail::Least<T> least = detail::least_of(eps, rest);
    // Four loops without a branch inside, by what is kept.
    const auto run = [&]<bool centered, bool moving>() {
      detail::for_gradient<T>(grad, false, [=](std::int64_t i, T g) {
        const T d = detail::decayed(g, decays, decay, p[i]);
        T square = s[i] = detail::settled(alpha * s[i] + rest * d * d, least.square);
        if constexpr (centered) {
          const T mean = a[i] = detail::settled(alpha * a[i] + rest * d, least.mean);
          square -= mean * mean;
          square = square < 0 ? T(0) : square;
        }
        T step = d / (std::sqrt(square) + eps);
        if constexpr (moving) step = b[i] = detail::settled(momentum * b[i] + step, detail::least_mean<T>);
        p[i] -= rate * step;
      });
    };
    if (a && b) {
      run.template operator()<true, true>();
    } else if (a) {
      run.template operator()<true, false>();
    } else if (b) {
      run.template operator()<false, true>();
    } else {
      run.template operator()<false, false>();
    }
  });
}

}  // namespace rill::optim
