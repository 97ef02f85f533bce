// N1 and N2: the full Jacobian of every op against five-point differences, first and second order, for random arguments of
// every op; and whether a factor of 1 + 1e-6, planted into one gradient of one op at a time, would be seen.
//
// Inputs are leaves, slices, rows, reshapes and transposes of leaves, and at times one leaf is several inputs. Their
// elements differ by 0.021 or more in their absolute values, so that no kink is within reach of the differences. Formulas
// with an in-place form are tried in that form as well.
#include <array>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include <rill/core/ops/permute.hpp>
#include <rill/core/ops/slice.hpp>
#include <rill/core/parallel.hpp>

#include "../listed_ops.hpp"
#include "checks.hpp"
#include "gradient_cases.hpp"

namespace rill::trust {
namespace {

using test::Function;
using test::Tensors;

// --- inputs ----------------------------------------------------------------------------------------------------------------

enum class View { none, slice, row, reshape, transpose };

Shape leaf_shape(View view, const Shape& shape) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  if (view == View::slice) sizes[0] += 2;
  if (view == View::row) sizes.insert(sizes.begin(), 2);
  if (view == View::reshape) sizes = {shape.numel()};
  if (view == View::transpose) std::swap(sizes[sizes.size() - 2], sizes.back());
  return Shape(sizes);
}

Tensor viewed(View view, const Tensor& leaf, const Shape& shape) {
  switch (view) {
    case View::slice:
      return leaf.slice(0, 1, 1 + shape[0]);
    case View::row:
      return leaf.select(0, 1);
    case View::reshape:
      return leaf.reshape(shape);
    case View::transpose:
      return leaf.transpose(-2, -1);
    case View::none:
      break;
  }
  return leaf;
}

struct Source {
  std::size_t leaf;
  View view;
  Shape shape;
};

struct Coverage {
  std::uint64_t cases = 0, broadcast = 0, scalar = 0, single = 0, empty = 0, views = 0, twice = 0,
                inplace = 0;
};

// An op at random arguments, as a function of leaves.
struct Case {
  std::vector<Source> sources;  // of the op's inputs
  Tensors leaves;
  Function function;
  bool inplace = false;
};

// Distinct absolute values from 0.105 to 1.5, in random order.
class Values {
 public:
  explicit Values(Draw& draw) : draw_(draw) {
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const auto j = static_cast<std::size_t>(draw.between(0, static_cast<std::int64_t>(i)));
      order_[i] = order_[j];
      order_[j] = i;
    }
  }
  double next(bool positive) {
    const double size = 0.105 + 0.021 * static_cast<double>(order_[used_++ % order_.size()]);
    return positive || draw_.one_in(2) ? size : -size;
  }

 private:
  Draw& draw_;
  std::array<std::size_t, 67> order_{};
  std::size_t used_ = 0;
};

Tensor draw_leaf(const SampleInput& input, const Shape& shape, Values& values, Draw& draw) {
  if (input.kind == Kind::absent) return {};
  if (input.kind == Kind::labels) {
    Tensor labels = zeros(shape, DType::i64);
    const auto all = labels.mutable_data<std::int64_t>();
    for (std::size_t i = 1; i < all.size(); ++i) all[i] = draw.below(input.classes);
    return labels;
  }
  Tensor leaf = empty(shape, DType::f64);
  for (double& value : leaf.mutable_data<double>()) value = values.next(input.kind == Kind::positive);
  return leaf;
}

// Draws leaves and sources. Where `plain`, every input is a leaf of its own.
Case draw_inputs(const std::vector<SampleInput>& inputs, bool plain, Draw& draw) {
  Case result;
  Values values(draw);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& shape = inputs[i].shape;
    if (!plain && i > 0 && inputs[i].kind == Kind::real && inputs[i - 1].kind == Kind::real &&
        inputs[i - 1].shape == shape && draw.one_in(3)) {
      result.sources.push_back(result.sources[i - 1]);
      continue;
    }
    const bool real = inputs[i].kind == Kind::real || inputs[i].kind == Kind::positive;
    const int views = shape.rank() == 0 ? 0 : shape.rank() == 1 ? 3 : 4;
    const View view =
        !plain && real && draw.one_in(2) ? static_cast<View>(draw.between(0, views)) : View::none;
    result.sources.push_back({result.leaves.size(), view, shape});
    result.leaves.push_back(draw_leaf(inputs[i], leaf_shape(view, shape), values, draw));
  }
  result.inplace = !plain && draw.one_in(4);
  return result;
}

Function of_leaves(Function function, std::vector<Source> sources) {
  return [function = std::move(function), sources = std::move(sources)](const Tensors& leaves) {
    Tensors inputs;
    for (const Source& source : sources)
      inputs.push_back(viewed(source.view, leaves[source.leaf], source.shape));
    return function(inputs);
  };
}

// --- ops, and errors planted in them -------------------------------------------------------------------------------------

constexpr double planted_factor = 1 + 1e-6;

/// y = x, whose gradient is too large by a millionth.
struct WrongEcho {
  static constexpr std::string_view name = "wrong_echo";
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const { detail::copy_values(x, y); }
  Tensor gradient(const Incoming& g) const { return g[0] * planted_factor; }
};

// Makes the gradient of one input too large by a millionth, or, for `second`, leaves it right and makes its own gradient
// too large.
struct Planting {
  static constexpr std::size_t none = ~std::size_t{0};
  std::size_t input = none;
  bool second = false;

  void plant(Tensor& grad) const {
    if (grad.defined()) grad = second ? apply(WrongEcho{}, grad) : grad * planted_factor;
  }
  template <std::size_t n>
  void plant(std::array<Tensor, n>& grads) const {
    plant(grads[input]);
  }
  void plant(TensorList& grads) const { plant(grads[input]); }
};

// The op itself, but for what is planted.
template <class Op, class Gradient = decltype(&Op::gradient)>
struct Planted;
template <class Op, class Result, class Owner, class... Reads>
struct Planted<Op, Result (Owner::*)(const Incoming&, Reads...) const> {
  static constexpr std::string_view name = Op::name;
  static constexpr int outputs = rill::detail::outputs_of<Op>();
  static constexpr unsigned optional = rill::detail::optional_of<Op>();
  Op op;
  Planting planting;

  auto infer(const std::same_as<Tensor> auto&... inputs) const { return op.infer(inputs...); }
  Meta infer(std::span<const Tensor> inputs) const requires test::variadic<Op> { return op.infer(inputs); }
  template <class... Tensors>
  requires requires(const Op& o, Tensors&&... all) { o.forward(all...); }
  void forward(Tensors&&... all) const { op.forward(all...); }
  template <class... Inputs>
  requires requires(const Op& o, const Inputs&... inputs) { o.view(inputs...); }
  Tensor view(const Inputs&... inputs) const { return op.view(inputs...); }

  Result gradient(const Incoming& incoming, Reads... reads) const {
    Result grads = op.gradient(incoming, reads...);
    if (planting.input != Planting::none) planting.plant(grads);
    return grads;
  }
};

template <class Op>
constexpr bool has_inplace = false;
template <detail::ReadsOutput F, bool from_output>
constexpr bool has_inplace<ops::Elementwise<F, from_output>> = true;

template <class Op>
Case random_case(Stream stream, bool plain, const Planting& planting) {
  Arguments draw(stream);
  Sample<Op> sample = random_arguments(Of<Op>{}, draw);
  Case result = draw_inputs(sample.inputs, plain, draw);
  for (std::size_t i = 0; i < result.sources.size(); ++i) {
    Tensor& leaf = result.leaves[result.sources[i].leaf];
    if (test::differentiable<Op>(i, leaf)) leaf.requires_grad_();
  }
  Function function;
  if constexpr (has_inplace<Op>) {
    if (result.inplace)
      function = [f = sample.op.f](const Tensors& in) {
        Tensor y = in[0] * 1.0;
        elementwise_(f, y);
        return Tensors{y};
      };
  } else {
    result.inplace = false;
  }
  if (!function) function = test::function_of<Op>(Planted<Op>{std::move(sample.op), planting});
  result.function = of_leaves(std::move(function), result.sources);
  return result;
}

// An op of the list.
struct Listed {
  std::string_view name;
  Case (*random_case)(Stream stream, bool plain, const Planting& planting);
};

template <class... Ops>
std::vector<Listed> listed(std::type_identity<std::tuple<Ops...>>) {
  return {{Ops::name, random_case<Ops>}...};
}

void cover(Coverage& coverage, const Case& drawn) {
  const auto& [sources, leaves, function, inplace] = drawn;
  bool scalar = false, single = false, empty = false, view = false, differ = false;
  for (const Source& source : sources) {
    if (!leaves[source.leaf].defined() || !leaves[source.leaf].requires_grad()) continue;
    scalar |= source.shape.rank() == 0;
    single |= source.shape.numel() == 1;
    empty |= source.shape.numel() == 0;
    view |= source.view != View::none;
    differ |= source.shape != sources[0].shape;
  }
  ++coverage.cases;
  coverage.broadcast += differ;
  coverage.scalar += scalar;
  coverage.single += single;
  coverage.empty += empty;
  coverage.views += view;
  coverage.twice += leaves.size() < sources.size();
  coverage.inplace += inplace;
}

// --- N1 ----------------------------------------------------------------------------------------------------------------------

struct Totals {
  std::uint64_t ops = 0, least = ~std::uint64_t{0}, failures = 0;
  double first = 0, second = 0;
  Coverage coverage;
};

void add(const GradcheckResult& result, double& worst, Totals& totals, Report& report) {
  if (!(result.worst <= worst)) worst = result.worst;
  if (!result.passed() && ++totals.failures <= 10) report.detail(result.failure);
}

void check_op(const Listed& op, const Scale& scale, Totals& totals, Report& report) {
  const std::uint32_t cases = scale.of(400u, 10000u);
  for (std::uint32_t i = 0; i < cases; ++i) {
    const Case drawn = op.random_case(Stream(scale.seed, Purpose::user, 1, i), false, {});
    const GradcheckOptions options{.seed = i,
                                   .label = fmt::format("{}, case {}, seed {}", op.name, i, scale.seed)};
    add(gradcheck(drawn.function, drawn.leaves, options), totals.first, totals, report);
    add(gradgradcheck(drawn.function, drawn.leaves, options), totals.second, totals, report);
    cover(totals.coverage, drawn);
  }
  ++totals.ops;
  totals.least = std::min<std::uint64_t>(totals.least, cases);
}

// --- N2 ----------------------------------------------------------------------------------------------------------------------

struct Plantings {
  std::uint64_t ops_caught = 0, places = 0, caught = 0, passed_by = 0;
};

// Whether a planting is seen in every one of some cases whose gradients are large enough to tell; and in one at least.
bool seen(const Listed& op, const Scale& scale, const Planting& planting, Plantings& all, Report& report) {
  int found = 0, missed = 0;
  for (std::uint32_t i = 0; i < 200 && found + missed < scale.of(5, 50); ++i) {
    Case drawn = op.random_case(Stream(scale.seed, Purpose::user, 2, i), true, planting);
    if (planting.input >= drawn.leaves.size()) continue;
    const Tensor& wrong = drawn.leaves[planting.input];
    if (!wrong.defined() || !wrong.requires_grad()) continue;
    for (std::size_t k = 0; k < drawn.leaves.size(); ++k) {
      if (k != planting.input && drawn.leaves[k].defined()) drawn.leaves[k] = drawn.leaves[k].detach();
    }
    const GradcheckResult result = planting.second ? gradgradcheck(drawn.function, drawn.leaves)
                                                   : gradcheck(drawn.function, drawn.leaves);
    if (result.largest < 0.1) continue;
    ++(result.passed() ? missed : found);
    if (result.passed())
      report.detail(
          fmt::format("{}, input {}, case {}, seed {}: an error planted in the {} order was not seen",
                      op.name, planting.input, i, scale.seed, planting.second ? "second" : "first"));
  }
  all.passed_by += static_cast<std::uint64_t>(missed);
  return found > 0 && missed == 0;
}

void plant_in(const Listed& op, const Scale& scale, Plantings& all, Report& report) {
  std::vector<bool> inputs;  // those that have a gradient in some case
  for (std::uint32_t i = 0; i < 50; ++i) {
    const Tensors leaves = op.random_case(Stream(scale.seed, Purpose::user, 2, i), true, {}).leaves;
    inputs.resize(std::max(inputs.size(), leaves.size()));
    for (std::size_t k = 0; k < leaves.size(); ++k)
      inputs[k] = inputs[k] || (leaves[k].defined() && leaves[k].requires_grad());
  }
  const std::uint64_t places = all.places, caught = all.caught;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    for (const bool second : {false, true}) {
      if (!inputs[k]) continue;
      ++all.places;
      all.caught += seen(op, scale, {k, second}, all, report);
    }
  }
  all.ops_caught += all.places > places && all.places - places == all.caught - caught;
}

void check_jacobians(const std::vector<Listed>& all, const Scale& scale, Report& report) {
  report.begin("N1");
  Totals totals;
  for (const Listed& op : all) check_op(op, scale, totals, report);
  const Coverage& coverage = totals.coverage;
  report.exactly("ops of the list whose Jacobians were checked", totals.ops, std::tuple_size_v<ops::OpList>);
  report.at_least("random cases an op, each in first and second order", totals.least, 200);
  report.at_least("cases with inputs of several shapes", coverage.broadcast, 1000);
  report.at_least("cases with a scalar", coverage.scalar, 1000);
  report.at_least("cases with a tensor of one element", coverage.single, 1000);
  report.at_least("cases with an empty tensor", coverage.empty, 1000);
  report.at_least("cases of slices, rows, reshapes and transposes", coverage.views, 1000);
  report.at_least("cases with the same tensor twice", coverage.twice, 200);
  report.at_least("cases in place", coverage.inplace, 200);
  report.at_most("first order: worst difference / max(1, |gradient|)", totals.first, 1e-8);
  report.at_most("second order: worst difference / max(1, |gradient|)", totals.second, 1e-8);
  report.exactly("cases failed, by a difference or by two walks of unlike bits", totals.failures, 0);
}

void check_plantings(const std::vector<Listed>& all, const Scale& scale, Report& report) {
  report.begin("N2");
  Plantings plantings;
  for (const Listed& op : all) plant_in(op, scale, plantings, report);
  report.exactly("ops in which a factor of 1 + 1e-6 is caught wherever planted", plantings.ops_caught,
                 all.size());
  report.exactly("gradients (op, input, order) in which it is caught", plantings.caught, plantings.places);
  report.exactly("cases that let a planted error pass", plantings.passed_by, 0);
}

}  // namespace

void check_gradients(const Scale& scale, Report& report) {
  const SerialLoops serial;
  const std::vector<Listed> all = listed(std::type_identity<ops::OpList>{});
  check_jacobians(all, scale, report);
  check_plantings(all, scale, report);
}

}  // namespace rill::trust
