#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/pair_loss.hpp>
#include <rill/core/ops/reduce.hpp>

namespace rill {
namespace ops {

Meta infer_pair_loss(std::string_view name, const Tensor& x, const Tensor& t, Reduction reduction) {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(t.dtype() == x.dtype(), name, ": target is ", t.dtype(), ", expected ", x.dtype(),
             " as x; convert one with to()");
  RILL_CHECK(t.shape() == x.shape(), name, ": target is ", t.shape(), ", expected ", x.shape(), " as x");
  return {reduction == Reduction::none ? x.shape() : Shape{}, x.dtype()};
}

std::vector<std::pair<Reduction, std::vector<SampleInput>>> pair_loss_samples() {
  using Kind = SampleInput::Kind;
  std::vector<std::pair<Reduction, std::vector<SampleInput>>> all;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    all.push_back({reduction, {{{3, 4}}, {{3, 4}}, {{}, Kind::absent}}});
    all.push_back({reduction, {{{3, 4}}, {{3, 4}}, {{3, 4}, Kind::positive}}});
    all.push_back({reduction, {{{}}, {{}}, {{}, Kind::absent}}});
  }
  all.push_back({Reduction::sum, {{{0, 3}}, {{0, 3}}, {{}, Kind::absent}}});
  all.push_back({Reduction::none, {{{0}}, {{0}}, {{}, Kind::absent}}});
  all.push_back({Reduction::mean, {{{1, 1}}, {{1, 1}}, {{}, Kind::absent}}});
  return all;
}

namespace {

template <class T>
T scale_of(Reduction reduction, std::int64_t count) {
  return reduction == Reduction::mean ? static_cast<T>(1 / static_cast<double>(count)) : T(1);
}

// Calls body(element of p) with a function of the index; two loops, so that one without p reads nothing.
template <class T, class Body>
void with_third(const Tensor& p, Body body) {
  if (p.defined()) {
    const T* in = p.data<T>().data();
    body([=](std::int64_t at) { return in[at]; });
  } else {
    body([](std::int64_t) { return T(1); });
  }
}

// What the incoming gradient is at an element: the same everywhere, or the element's own.
template <class T, class Body>
void with_incoming(const Tensor& g, Reduction reduction, std::int64_t count, Body body) {
  const T* in = g.data<T>().data();
  if (reduction == Reduction::none) {
    body([=](std::int64_t at) { return in[at]; });
  } else {
    const T same = count == 0 ? T(0) : in[0] * scale_of<T>(reduction, count);
    body([=](std::int64_t) { return same; });
  }
}

// y[at] = value(at) for all elements.
template <class T, class Value>
void fill(Tensor& y, Value value) {
  T* out = y.mutable_data<T>().data();
  parallel_for(y.numel(), [=](std::int64_t begin, std::int64_t end) {
    detail::plain_loop(begin, end, [=](std::int64_t at) { out[at] = value(at); });
  });
}

}  // namespace

template <class F>
Meta PairLoss<F>::infer(const Tensor& x, const Tensor& t, const Tensor& p) const {
  if (p.defined())
    RILL_CHECK(p.shape() == x.shape() && p.dtype() == x.dtype() && !p.requires_grad(), name,
               ": pos_weight is ", p.dtype(), " ", p.shape(), ", expected constants of x's dtype and shape, ",
               x.dtype(), " ", x.shape());
  return infer_pair_loss(name, x, t, reduction);
}

template <class F>
void PairLoss<F>::forward(const Tensor& x, const Tensor& t, const Tensor& p, Tensor& y) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in_x = x.data<T>().data(), *in_t = t.data<T>().data();
    with_third<T>(p, [&](auto third) {
      const auto value = [=, formula = f](std::int64_t at) {
        return formula.value(in_x[at], in_t[at], third(at));
      };
      if (reduction == Reduction::none) return fill<T>(y, value);
      const double scale = reduction == Reduction::mean ? 1 / static_cast<double>(x.numel()) : 1;
      sum_groups(Groups{1, x.numel(), 1}, y.mutable_data<T>().data(), scale, 1,
                 [=](std::int64_t at, std::int64_t) { return static_cast<double>(value(at)); });
    });
  });
}

template <class F>
std::array<Tensor, 3> PairLoss<F>::gradient(const Incoming& g, Input<0> x, Input<1> t, Input<2> p) const {
  const auto slope = [&](int i) {
    return g.needs(i) ? apply(PairLossSlope<F>{f, reduction, i}, g[0], x(), t(), p()) : Tensor();
  };
  return {slope(0), slope(1), Tensor()};
}

template <class F>
void PairLossSlope<F>::forward(const Tensor& g, const Tensor& x, const Tensor& t, const Tensor& p,
                               Tensor& dx) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in_x = x.data<T>().data(), *in_t = t.data<T>().data();
    with_third<T>(p, [&](auto third) {
      with_incoming<T>(g, reduction, x.numel(), [&](auto incoming) {
        const F formula = f;
        if (i == 0) {
          fill<T>(dx, [=](std::int64_t at) {
            return incoming(at) * formula.template slope<0>(in_x[at], in_t[at], third(at));
          });
        } else {
          fill<T>(dx, [=](std::int64_t at) {
            return incoming(at) * formula.template slope<1>(in_x[at], in_t[at], third(at));
          });
        }
      });
    });
  });
}

// In g the op is linear.
template <class F>
std::array<Tensor, 4> PairLossSlope<F>::gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> t,
                                                 Input<3> p) const {
  Tensor to_g;
  if (v.needs(0)) {
    const Tensor unit = apply(*this, ones(v.input_shape(0), v[0].dtype()), x(), t(), p());
    to_g = reduction == Reduction::none ? v[0] * unit : sum(v[0] * unit);
  }
  const auto curvature = [&](int j) {
    return v.needs(1 + j) ? apply(PairLossCurvature<F>{f, reduction, i, j}, v[0], g(), x(), t(), p())
                          : Tensor();
  };
  return {to_g, curvature(0), curvature(1), Tensor()};
}

template <class F>
void PairLossCurvature<F>::forward(const Tensor& v, const Tensor& g, const Tensor& x, const Tensor& t,
                                   const Tensor& p, Tensor& dx) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in_v = v.data<T>().data(), *in_x = x.data<T>().data(), *in_t = t.data<T>().data();
    with_third<T>(p, [&](auto third) {
      with_incoming<T>(g, reduction, x.numel(), [&](auto incoming) {
        fill<T>(dx, [=, formula = f, first = i, second = j](std::int64_t at) {
          const T a = in_x[at], b = in_t[at], c = third(at);
          const T curvature = first != second ? formula.template curvature<0, 1>(a, b, c)
                              : first == 0    ? formula.template curvature<0, 0>(a, b, c)
                                              : formula.template curvature<1, 1>(a, b, c);
          return in_v[at] * incoming(at) * curvature;
        });
      });
    });
  });
}

template struct PairLoss<OfDifference<SquaredError>>;
template struct PairLoss<OfDifference<AbsoluteError>>;
template struct PairLoss<OfDifference<HuberError>>;
template struct PairLoss<LogisticError>;

}  // namespace ops

namespace {

// A weight of binary_cross_entropy_with_logits at x's shape.
Tensor constant_like(const char* what, const Tensor& weight, const Tensor& x) {
  constexpr const char* where = "binary_cross_entropy_with_logits";
  if (!weight.defined()) return weight;
  RILL_CHECK(weight.dtype() == x.dtype(), where, ": ", what, " is ", weight.dtype(), ", expected ", x.dtype(),
             " as x");
  RILL_CHECK(!weight.requires_grad(), where, ": ", what,
             " requires a gradient, expected constants; use detach()");
  RILL_CHECK(broadcast_shapes(weight.shape(), x.shape(), where) == x.shape(), where, ": ", what, " is ",
             weight.shape(), ", expected a shape that broadcasts to ", x.shape());
  return weight.shape() == x.shape() ? weight : expand(weight, x.shape());
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  return apply(ops::MseLoss{{}, reduction}, x, target, Tensor());
}

Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  return apply(ops::L1Loss{{}, reduction}, x, target, Tensor());
}

Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options) {
  RILL_CHECK(options.delta > 0 && std::isfinite(options.delta), "huber_loss: delta is ", options.delta,
             ", expected a finite number above 0");
  return apply(ops::HuberLoss{{{options.delta}}, options.reduction}, x, target, Tensor());
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BinaryCrossEntropyOptions& options) {
  using Op = ops::BinaryCrossEntropyWithLogits;
  ops::infer_pair_loss(Op::name, x, target, options.reduction);
  const Tensor weight = constant_like("weight", options.weight, x);
  const Tensor pos_weight = constant_like("pos_weight", options.pos_weight, x);
  if (!weight.defined()) return apply(Op{{}, options.reduction}, x, target, pos_weight);
  const Tensor losses = apply(Op{{}, Reduction::none}, x, target, pos_weight) * weight;
  return options.reduction == Reduction::none  ? losses
         : options.reduction == Reduction::sum ? sum(losses)
                                               : mean(losses);
}

}  // namespace rill
