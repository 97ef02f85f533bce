#include <cmath>

#include <rill/optim/gradient_loops.hpp>
#include <rill/optim/sgd.hpp>

namespace rill::optim {

SGD::SGD(std::vector<Group> groups, const SGDOptions& options)
    : Optimizer("SGD", std::move(groups), options.lr, options.weight_decay),
      options_(options),
      has_momentum_(options.momentum > 0) {
  detail::check_range("SGD", "momentum", options.momentum, 0, INFINITY);
  detail::check_range("SGD", "dampening", options.dampening, 0, INFINITY);
  RILL_CHECK(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
             "SGD: nesterov with momentum ", options.momentum, " and dampening ", options.dampening,
             ", expected a momentum and no dampening");
  if (has_momentum_) keep_state({{"momentum_buffer", Of::gradients}});
}

std::optional<double> SGD::momentum() const {
  return has_momentum_ ? std::optional(options_.momentum) : std::nullopt;
}

void SGD::set_momentum(double momentum) {
  RILL_CHECK(has_momentum_, "SGD: there is no momentum to set, expected one above 0 from the start");
  detail::check_range("SGD", "momentum", momentum, 0, INFINITY);
  options_.momentum = momentum;
}

void SGD::update(Slot& slot, const Tensor& grad, double lr, double weight_decay) {
  dispatch_floating(slot.param.dtype(), "SGD", [&]<class T>(T) {
    T* p = slot.param.mutable_data<T>().data();
    const T rate = static_cast<T>(lr), decay = static_cast<T>(weight_decay);
    const bool decays = weight_decay != 0;
    if (!has_momentum_ && decays) {
      return detail::for_gradient<T>(grad, false,
                                     [=](std::int64_t i, T g) { p[i] -= rate * (g + decay * p[i]); });
    }
    if (!has_momentum_) {
      return detail::for_gradient<T>(grad, true, [=](std::int64_t i, T g) { p[i] -= rate * g; });
    }
    T* b = slot.state[0].mutable_data<T>().data();
    const bool first = slot.steps == 1, nesterov = options_.nesterov;
    const T momentum = first ? T(0) : static_cast<T>(options_.momentum);
    const T fresh = first ? T(1) : static_cast<T>(1 - options_.dampening);
    const T ahead = static_cast<T>(options_.momentum);
    detail::for_gradient<T>(grad, false, [=](std::int64_t i, T g) {
      const T d = detail::decayed(g, decays, decay, p[i]);
      const T moved = detail::settled(momentum * b[i] + fresh * d, detail::least_mean<T>);
      b[i] = moved;
      p[i] -= rate * (nesterov ? d + ahead * moved : moved);
    });
  });
}

}  // namespace rill::optim
