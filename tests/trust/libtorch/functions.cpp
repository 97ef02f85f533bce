// Every differentiable function that rill and libtorch share, with random arguments.
#include "both.hpp"

namespace rill::trust {
namespace {

std::vector<std::int64_t> sizes_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

std::vector<int> ours_of(const ops::Axes& axes, const Shape& shape) {
  std::vector<int> list;
  for (int i = 0; i < shape.rank(); ++i) {
    if (axes.mask >> i & 1U) list.push_back(i);
  }
  return list;
}

std::vector<std::int64_t> wide(const std::vector<int>& axes) { return {axes.begin(), axes.end()}; }

// f(x, axes, keepdim) on both sides, for groups of `least` elements or more.
template <class Ours, class Theirs>
Both reduced(Case& c, std::int64_t least, const Ours& ours, const Theirs& theirs) {
  Shape shape;
  ops::Axes axes;
  while (shape.rank() == 0) {
    shape = c.shape(1);
    axes = c.axes(shape, least);
  }
  const std::vector<int> list = ours_of(axes, shape);
  const Both x = c.leaf(shape);
  return {ours(x.ours, list, axes.keepdim), theirs(x.theirs, wide(list), axes.keepdim)};
}

template <class Ours, class Theirs>
Both paired(Case& c, const Ours& ours, const Theirs& theirs, Kind of_a, Kind of_b) {
  const Shape result = c.shape();
  const Both a = c.leaf(c.operand_of(result), of_a), b = c.leaf(c.operand_of(result), of_b);
  return {ours(a.ours, b.ours), theirs(a.theirs, b.theirs)};
}

template <class Ours, class Theirs>
Both unary(Case& c, const Ours& ours, const Theirs& theirs) {
  const Both x = c.wild_leaf(c.shape());
  return {ours(x.ours), theirs(x.theirs)};
}

torch::Tensor optional(bool given, const Both& x) { return given ? x.theirs : torch::Tensor(); }

// Losses of two tensors; the target has a gradient, too.
template <class Ours, class Theirs>
Both compared(Case& c, const Ours& ours, const Theirs& theirs) {
  const Shape shape = c.shape();
  const Reduction reduction = c.reduction(shape.numel() == 0);
  const Both x = c.leaf(shape), t = c.leaf(shape);
  return {ours(x.ours, t.ours, reduction), theirs(x.theirs, t.theirs, theirs_of(reduction))};
}

Both cross_entropies(Case& c) {
  const std::int64_t rows = c.size(), classes = c.between(1, 4);
  const CrossEntropyOptions options{c.reduction(rows == 0), c.any_of<double>({0, 0, 0.1, 1}),
                                    c.any_of<std::int64_t>({-100, 1})};
  const Both x = c.leaf({rows, classes}), target = c.labels({rows}, classes),
             weight = c.constant({classes}, Kind::positive);
  const bool weighted = c.one_in(2);
  return {
      cross_entropy(x.ours, target.ours, options, weighted ? weight.ours : Tensor()),
      torch::cross_entropy_loss(x.theirs, target.theirs, optional(weighted, weight),
                                theirs_of(options.reduction), options.ignore_index, options.label_smoothing)};
}

Both nll_losses(Case& c) {
  const std::int64_t rows = c.size(), classes = c.between(1, 4);
  const NllLossOptions options{c.reduction(rows == 0), c.any_of<std::int64_t>({-100, 1})};
  const Both x = c.leaf({rows, classes}), target = c.labels({rows}, classes),
             weight = c.constant({classes}, Kind::positive);
  const bool weighted = c.one_in(2);
  return {nll_loss(x.ours, target.ours, options, weighted ? weight.ours : Tensor()),
          torch::nll_loss(x.theirs, target.theirs, optional(weighted, weight), theirs_of(options.reduction),
                          options.ignore_index)};
}

// The target is a constant.
Both binary_cross_entropies(Case& c) {
  const Shape shape = c.shape();
  const Reduction reduction = c.reduction(shape.numel() == 0);
  const Both x = c.wild_leaf(shape, true), t = c.labels(shape, 2), p = c.constant(shape, Kind::positive),
             w = c.constant(shape, Kind::positive);
  const bool positives = c.one_in(2), weighted = c.one_in(2);
  const Tensor target = t.ours.to(c.dtype());
  return {binary_cross_entropy_with_logits(x.ours, target,
                                           {.reduction = reduction,
                                            .weight = weighted ? w.ours : Tensor(),
                                            .pos_weight = positives ? p.ours : Tensor()}),
          torch::binary_cross_entropy_with_logits(x.theirs, copy_of(target), optional(weighted, w),
                                                  optional(positives, p), theirs_of(reduction))};
}

Both layer_norms(Case& c) {
  const Shape group = c.shape(1, 1);
  std::vector<std::int64_t> sizes = sizes_of(group);
  if (group.rank() < 4) sizes.insert(sizes.begin(), c.size());
  const Both x = c.leaf(Shape(sizes)), weight = c.leaf(group), bias = c.leaf(group);
  const double eps = c.any_of<double>({0.25, 1});
  return {layer_norm(x.ours, group, weight.ours, bias.ours, eps),
          torch::layer_norm(x.theirs, sizes_of(group), weight.theirs, bias.theirs, eps)};
}

Both batch_norms(Case& c) {
  const std::int64_t n = c.between(2, 4), channels = c.between(1, 3);
  const Shape shape = c.one_in(2) ? Shape{n, channels} : Shape{n, channels, c.between(1, 3)};
  const Both x = c.leaf(shape), weight = c.leaf({channels}), bias = c.leaf({channels}),
             mean = c.constant({channels}), var = c.constant({channels}, Kind::positive);
  const bool training = c.one_in(2);
  const double momentum = c.any_of<double>({0.1, 0.5, 1}), eps = c.any_of<double>({0.25, 1});
  const Both y{batch_norm(x.ours, mean.ours, var.ours, weight.ours, bias.ours, training, momentum, eps),
               torch::batch_norm(x.theirs, weight.theirs, bias.theirs, mean.theirs, var.theirs, training,
                                 momentum, eps, false)};
  // What it leaves behind is compared with it.
  const std::vector<Tensor> ours{y.ours.flatten(), mean.ours, var.ours};
  return {concat(ours), torch::cat({y.theirs.flatten(), mean.theirs, var.theirs})};
}

Both matrix_products(Case& c) {
  const std::int64_t m = c.size(), n = c.size(), k = c.size();
  const Shape stack = c.any_of<Shape>({{}, {}, {c.size()}, {2, c.between(1, 2)}});
  const Both a = c.leaf(matrices(c.operand_of(stack), m, k)), b = c.leaf(matrices(c.operand_of(stack), k, n));
  return {a.ours.matmul(b.ours), torch::matmul(a.theirs, b.theirs)};
}

Both linears(Case& c) {
  const std::int64_t n = c.size(), in = c.size(1), out = c.size(1);
  const Both x = c.leaf({n, in}), weight = c.leaf({out, in}), bias = c.leaf({out});
  if (c.one_in(2)) return {linear(x.ours, weight.ours), torch::linear(x.theirs, weight.theirs)};
  return {linear(x.ours, weight.ours, bias.ours), torch::linear(x.theirs, weight.theirs, bias.theirs)};
}

Both gathers(Case& c) {
  const Shape shape = c.shape(1, 1);
  const int axis = c.axis(shape);
  const Both x = c.leaf(shape), index = c.labels(with(shape, axis, c.between(0, 4)), shape[axis]);
  return {x.ours.gather(axis, index.ours), torch::gather(x.theirs, axis, index.theirs)};
}

Both index_selects(Case& c) {
  const Shape shape = c.shape(1, 1);
  const int axis = c.axis(shape);
  const Both x = c.leaf(shape), index = c.labels({c.between(0, 5)}, shape[axis]);
  return {x.ours.index_select(axis, index.ours), torch::index_select(x.theirs, axis, index.theirs)};
}

Both slices(Case& c) {
  const Shape shape = c.shape(1);
  const int axis = c.axis(shape);
  const std::int64_t start = c.between(0, shape[axis]), stop = c.between(start, shape[axis]);
  const Both x = c.leaf(shape);
  return {x.ours.slice(axis, start, stop), torch::slice(x.theirs, axis, start, stop)};
}

Both concats(Case& c) {
  const Shape shape = c.shape(1);
  const int axis = c.axis(shape);
  const Both a = c.leaf(shape), b = c.leaf(with(shape, axis, c.size()));
  return {concat({a.ours, b.ours, a.ours}, axis), torch::cat({a.theirs, b.theirs, a.theirs}, axis)};
}

Both stacks(Case& c) {
  const Shape shape = c.shape();
  const Both a = c.leaf(shape), b = c.leaf(shape);
  if (shape.rank() == 4) return {concat({a.ours, b.ours}), torch::cat({a.theirs, b.theirs})};
  const int axis = static_cast<int>(c.between(0, shape.rank()));
  return {stack({a.ours, b.ours}, axis), torch::stack({a.theirs, b.theirs}, axis)};
}

Both transposes(Case& c) {
  const Shape shape = c.shape(1);
  const int a = c.axis(shape), b = c.axis(shape);
  const Both x = c.leaf(shape);
  return {x.ours.transpose(a, b), x.theirs.transpose(a, b)};
}

Both wheres(Case& c) {
  const Shape result = c.shape();
  const Both which = c.labels(c.operand_of(result), 2), a = c.leaf(c.operand_of(result)),
             b = c.leaf(c.operand_of(result));
  return {where(which.ours, a.ours, b.ours), torch::where(which.theirs == 1, a.theirs, b.theirs)};
}

Both expands(Case& c) {
  const Shape result = c.shape();
  const Both x = c.leaf(c.operand_of(result));
  return {x.ours.expand(result), x.theirs.expand(sizes_of(result))};
}

Both largest(Case& c) {
  const Shape shape = c.shape(1, 1);
  const int axis = c.axis(shape);
  const std::int64_t k = c.between(0, shape[axis]);
  const bool up = c.one_in(2);
  const Both x = c.leaf(shape);
  return {topk(x.ours, k, axis, up).values, std::get<0>(torch::topk(x.theirs, k, axis, up))};
}

Both prelus(Case& c) {
  const Shape shape = c.shape(2, 1);
  const Both x = c.wild_leaf(shape), weight = c.leaf({c.one_in(2) ? shape[1] : 1});
  return {x.ours.prelu(weight.ours), torch::prelu(x.theirs, weight.theirs)};
}

#define ELEMENTWISE(name, our, their)                                                            \
  Compared {                                                                                     \
    name, [](Case& c) {                                                                          \
      return unary(                                                                              \
          c, [](const Tensor& x) { return our; }, [](const torch::Tensor& x) { return their; }); \
    }                                                                                            \
  }
#define UNARY(name) ELEMENTWISE(#name, x.name(), torch::name(x))
#define REDUCTION(name, least, call, other)                                                                \
  Compared {                                                                                               \
    name, [](Case& c) {                                                                                    \
      return reduced(                                                                                      \
          c, least,                                                                                        \
          [](const Tensor& x, const std::vector<int>& axes, bool keep) { return x.call(axes, keep); },     \
          [](const torch::Tensor& x, const std::vector<std::int64_t>& axes, bool keep) { return other; }); \
    }                                                                                                      \
  }
#define PAIR(name, of_a, of_b, expression)                                      \
  Compared {                                                                    \
    name, [](Case& c) {                                                         \
      return paired(                                                            \
          c, [](const auto& a, const auto& b) { return expression; },           \
          [](const auto& a, const auto& b) { return expression; }, of_a, of_b); \
    }                                                                           \
  }

}  // namespace

const std::vector<Compared>& all_compared() {
  static const std::vector<Compared> all{
      UNARY(relu),
      UNARY(selu),
      UNARY(sigmoid),
      UNARY(tanh),
      UNARY(exp),
      UNARY(log),
      UNARY(sqrt),
      UNARY(rsqrt),
      UNARY(reciprocal),
      UNARY(abs),
      UNARY(square),
      UNARY(neg),
      UNARY(sin),
      UNARY(cos),
      {"leaky_relu",
       [](Case& c) {
         const double slope = c.uniform(0, 1.5);
         return unary(
             c, [=](const Tensor& x) { return x.leaky_relu(slope); },
             [=](const torch::Tensor& x) { return torch::leaky_relu(x, slope); });
       }},
      {"elu",
       [](Case& c) {
         const double alpha = c.uniform(0.1, 2);
         return unary(
             c, [=](const Tensor& x) { return x.elu(alpha); },
             [=](const torch::Tensor& x) { return torch::elu(x, alpha); });
       }},
      {"celu",
       [](Case& c) {
         const double alpha = c.uniform(0.1, 2);
         return unary(
             c, [=](const Tensor& x) { return x.celu(alpha); },
             [=](const torch::Tensor& x) { return torch::celu(x, alpha); });
       }},
      UNARY(gelu),
      ELEMENTWISE("gelu tanh", gelu(x, GeluApproximation::tanh), torch::gelu(x, "tanh")),
      UNARY(silu),
      {"softplus",
       [](Case& c) {
         const double beta = c.uniform(0.5, 2);
         return unary(
             c, [=](const Tensor& x) { return x.softplus(beta); },
             [=](const torch::Tensor& x) { return torch::softplus(x, beta); });
       }},
      ELEMENTWISE("clamp", x.clamp(-0.5, 1), torch::clamp(x, -0.5, 1)),
      {"pow of a number",
       [](Case& c) {
         const double power = c.any_of<double>({-1, 0, 0.5, 1, 2, 3});
         const Both x = c.leaf(c.shape(), Kind::positive);
         return Both{x.ours.pow(power), x.theirs.pow(power)};
       }},
      {"prelu", prelus},
      PAIR("add", Kind::real, Kind::real, a + b),
      PAIR("sub", Kind::real, Kind::real, a - b),
      PAIR("mul", Kind::real, Kind::real, a * b),
      PAIR("div", Kind::real, Kind::positive, a / b),
      PAIR("pow", Kind::positive, Kind::real, a.pow(b)),
      PAIR("maximum", Kind::real, Kind::real, a.maximum(b)),
      PAIR("minimum", Kind::real, Kind::real, a.minimum(b)),
      REDUCTION("sum", 0, sum, x.sum(axes, keep)),
      REDUCTION("mean", 1, mean, x.mean(axes, keep)),
      REDUCTION("max", 1, max, torch::amax(x, axes, keep)),
      REDUCTION("min", 1, min, torch::amin(x, axes, keep)),
      REDUCTION("logsumexp", 1, logsumexp, torch::logsumexp(x, axes, keep)),
      REDUCTION("var", 2, var, torch::var(x, axes, true, keep)),
      {"softmax",
       [](Case& c) {
         const Shape shape = c.shape(1);
         const int axis = c.axis(shape);
         const Both x = c.leaf(shape);
         return Both{x.ours.softmax(axis), torch::softmax(x.theirs, axis)};
       }},
      {"log_softmax",
       [](Case& c) {
         const Shape shape = c.shape(1);
         const int axis = c.axis(shape);
         const Both x = c.leaf(shape);
         return Both{x.ours.log_softmax(axis), torch::log_softmax(x.theirs, axis)};
       }},
      {"matmul", matrix_products},
      {"linear", linears},
      {"layer_norm", layer_norms},
      {"batch_norm", batch_norms},
      {"cross_entropy", cross_entropies},
      {"nll_loss", nll_losses},
      {"binary_cross_entropy_with_logits", binary_cross_entropies},
      {"mse_loss",
       [](Case& c) {
         return compared(
             c, [](const Tensor& x, const Tensor& t, Reduction r) { return mse_loss(x, t, r); },
             [](const torch::Tensor& x, const torch::Tensor& t, auto r) { return torch::mse_loss(x, t, r); });
       }},
      {"l1_loss",
       [](Case& c) {
         return compared(
             c, [](const Tensor& x, const Tensor& t, Reduction r) { return l1_loss(x, t, r); },
             [](const torch::Tensor& x, const torch::Tensor& t, auto r) { return torch::l1_loss(x, t, r); });
       }},
      {"huber_loss",
       [](Case& c) {
         return compared(
             c,
             [](const Tensor& x, const Tensor& t, Reduction r) {
               return huber_loss(x, t, {.reduction = r, .delta = 0.7});
             },
             [](const torch::Tensor& x, const torch::Tensor& t, auto r) {
               return torch::huber_loss(x, t, r, 0.7);
             });
       }},
      {"gather", gathers},
      {"index_select", index_selects},
      {"slice", slices},
      {"concat", concats},
      {"stack", stacks},
      {"transpose", transposes},
      {"where", wheres},
      {"expand", expands},
      {"topk", largest}};
  return all;
}

}  // namespace rill::trust
