#include <array>
#include <tuple>

#include <rill/core/ops/permute.hpp>
#include <rill/core/ops/slice.hpp>

#include "../listed_ops.hpp"
#include "gradient_cases.hpp"
#include "random_arguments.hpp"

namespace rill::trust {
namespace {

using test::Function;
using test::Tensors;

// --- inputs ----------------------------------------------------------------------------------------------------------------

Shape leaf_shape(InputView view, const Shape& shape) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  if (view == InputView::slice) sizes[0] += 2;
  if (view == InputView::row) sizes.insert(sizes.begin(), 2);
  if (view == InputView::reshape) sizes = {shape.numel()};
  if (view == InputView::transpose) std::swap(sizes[sizes.size() - 2], sizes.back());
  return Shape(sizes);
}

Tensor viewed(InputView view, const Tensor& leaf, const Shape& shape) {
  switch (view) {
    case InputView::slice:
      return leaf.slice(0, 1, 1 + shape[0]);
    case InputView::row:
      return leaf.select(0, 1);
    case InputView::reshape:
      return leaf.reshape(shape);
    case InputView::transpose:
      return leaf.transpose(-2, -1);
    case InputView::none:
      break;
  }
  return leaf;
}

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
GradientCase draw_inputs(const std::vector<SampleInput>& inputs, bool plain, Draw& draw) {
  GradientCase result;
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
    const InputView view =
        !plain && real && draw.one_in(2) ? static_cast<InputView>(draw.between(0, views)) : InputView::none;
    result.sources.push_back({result.leaves.size(), view, shape});
    result.leaves.push_back(draw_leaf(inputs[i], leaf_shape(view, shape), values, draw));
  }
  result.inplace = !plain && draw.one_in(4);
  return result;
}

Function of_leaves(Function function, std::vector<InputSource> sources) {
  return [function = std::move(function), sources = std::move(sources)](const Tensors& leaves) {
    Tensors inputs;
    for (const InputSource& source : sources)
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

void plant(const Planting& planting, Tensor& grad) {
  if (grad.defined()) grad = planting.second ? apply(WrongEcho{}, grad) : grad * planted_factor;
}
template <std::size_t n>
void plant(const Planting& planting, std::array<Tensor, n>& grads) {
  plant(planting, grads[planting.input]);
}
void plant(const Planting& planting, TensorList& grads) { plant(planting, grads[planting.input]); }

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
    if (planting.input != Planting::none) plant(planting, grads);
    return grads;
  }
};

template <class Op>
constexpr bool has_inplace = false;
template <detail::ReadsOutput F, bool from_output>
constexpr bool has_inplace<ops::Elementwise<F, from_output>> = true;

template <class Op>
GradientCase random_case(Stream stream, bool plain, const Planting& planting) {
  Arguments draw(stream);
  Sample<Op> sample = random_arguments(Of<Op>{}, draw);
  GradientCase result = draw_inputs(sample.inputs, plain, draw);
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

template <class... Ops>
std::vector<ListedOp> listed(std::type_identity<std::tuple<Ops...>>) {
  return {{Ops::name, random_case<Ops>}...};
}

}  // namespace

std::vector<ListedOp> listed_ops() { return listed(std::type_identity<ops::OpList>{}); }

}  // namespace rill::trust
