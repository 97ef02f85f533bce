#include <cmath>
#include <numbers>
#include <numeric>

#include <rill/rill.hpp>

#include "graph_kinds.hpp"

namespace rill::trust {
namespace {

using scalar::Array;
using scalar::Real;
using scalar::Sizes;
using scalar::Tape;
using scalar::Unary;

using Shapes = std::vector<Sizes>;
using Ints = std::vector<std::int64_t>;

// --- operands ------------------------------------------------------------------------------------------------------------

// Adds a value that fits to the operands.
bool pick(Draw& draw, Step& step, const Shapes& shapes, const std::function<bool(const Sizes&)>& fits) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (fits(shapes[i])) all.push_back(i);
  }
  if (!all.empty()) step.from.push_back(draw.any_of(all));
  return !all.empty();
}

bool any(Draw& draw, Step& step, const Shapes& shapes) {
  return pick(draw, step, shapes, [](const Sizes&) { return true; });
}

bool of_rank(std::size_t least, std::size_t most, Draw& draw, Step& step, const Shapes& shapes) {
  return pick(draw, step, shapes, [=](const Sizes& x) { return x.size() >= least && x.size() <= most; });
}

const Sizes& last_of(const Step& step, const Shapes& shapes) { return shapes[step.from.back()]; }

bool pair(Draw& draw, Step& step, const Shapes& shapes) {
  if (!any(draw, step, shapes)) return false;
  const Sizes a = last_of(step, shapes);
  return pick(draw, step, shapes, [&](const Sizes& b) { return scalar::broadcast(a, b).second; });
}

bool equal_pair(Draw& draw, Step& step, const Shapes& shapes) {
  if (!any(draw, step, shapes)) return false;
  const Sizes a = last_of(step, shapes);
  step.flag = draw.one_in(2);
  return pick(draw, step, shapes, [&](const Sizes& b) { return a == b; });
}

bool with_axes(Draw& draw, Step& step, const Shapes& shapes) {
  if (!of_rank(1, 4, draw, step, shapes)) return false;
  const auto rank = last_of(step, shapes).size();
  step.mask = static_cast<unsigned>(draw.between(1, (1 << rank) - 1));
  step.flag = draw.one_in(2);
  return true;
}

bool with_axis(Draw& draw, Step& step, const Shapes& shapes) {
  if (!of_rank(1, 4, draw, step, shapes)) return false;
  step.axis = static_cast<int>(draw.below(std::ssize(last_of(step, shapes))));
  return true;
}

bool with_indices(Draw& draw, Step& step, const Shapes& shapes) {
  if (!with_axis(draw, step, shapes)) return false;
  const Sizes& x = last_of(step, shapes);
  const auto bound = static_cast<std::int64_t>(x[static_cast<std::size_t>(step.axis)]);
  for (std::int64_t left = draw.between(1, 3); left > 0; --left) step.index.push_back(draw.below(bound));
  return true;
}

std::size_t axis_of(const Step& step) { return static_cast<std::size_t>(step.axis); }

std::vector<int> axes_of(const Step& step) {
  std::vector<int> axes;
  for (int k = 0; k < 8; ++k) {
    if (step.mask >> k & 1) axes.push_back(k);
  }
  return axes;
}

Shape shape_of(const Sizes& sizes) {
  const Ints all(sizes.begin(), sizes.end());
  return Shape(all);
}

// --- one operand, element by element ---------------------------------------------------------------------------------------

Real logistic(Real x) { return 1 / (1 + std::exp(-x)); }
Real normal_below(Real x) { return std::erfc(-x / std::numbers::sqrt2_v<Real>) / 2; }
Real gelu_inner(Real x) {
  return 2 * std::sqrt(2 * std::numbers::inv_pi_v<Real>) * (x + 0.044715L * x * x * x);
}

constexpr Real selu_scale = 1.0507009873554804934193349852946L,
               selu_alpha = 1.6732632423543772848170429916717L;

struct Elementwise {
  const char* name;
  Tensor (*run)(const Tensor& x);
  Unary exact;
};

Tensor in_place(const Tensor& x, Tensor& (*overwrite)(Tensor& y)) {
  Tensor y = x * 1.0;
  return overwrite(y);
}

const std::vector<Elementwise> activations{
    {"relu",
     [](const Tensor& x) { return x.relu(); },
     {[](Real x) { return std::max(x, 0.0L); }, [](Real x) { return Real(x > 0); }, {0}}},
    {"leaky_relu",
     [](const Tensor& x) { return x.leaky_relu(0.25); },
     {[](Real x) { return x > 0 ? x : x / 4; }, [](Real x) { return x > 0 ? 1 : 0.25L; }, {0}}},
    {"leaky_relu_",
     [](const Tensor& x) { return in_place(x, [](Tensor& y) -> Tensor& { return y.leaky_relu_(0.5); }); },
     {[](Real x) { return x > 0 ? x : x / 2; }, [](Real x) { return x > 0 ? 1 : 0.5L; }, {0}}},
    {"elu",
     [](const Tensor& x) { return x.elu(0.75); },
     {[](Real x) { return x > 0 ? x : 0.75L * std::expm1(x); },
      [](Real x) { return x > 0 ? 1 : 0.75L * std::exp(x); },
      {0}}},
    {"elu_",
     [](const Tensor& x) { return in_place(x, [](Tensor& y) -> Tensor& { return y.elu_(); }); },
     {[](Real x) { return x > 0 ? x : std::expm1(x); }, [](Real x) { return x > 0 ? 1 : std::exp(x); }, {0}}},
    {"selu",
     [](const Tensor& x) { return x.selu(); },
     {[](Real x) { return selu_scale * (x > 0 ? x : selu_alpha * std::expm1(x)); },
      [](Real x) { return selu_scale * (x > 0 ? 1 : selu_alpha * std::exp(x)); },
      {0}}},
    {"celu",
     [](const Tensor& x) { return x.celu(0.5); },
     {[](Real x) { return x > 0 ? x : std::expm1(2 * x) / 2; },
      [](Real x) { return x > 0 ? 1 : std::exp(2 * x); },
      {0}}},
    {"gelu",
     [](const Tensor& x) { return x.gelu(); },
     {[](Real x) { return x * normal_below(x); },
      [](Real x) {
        return normal_below(x) + x * std::exp(-x * x / 2) * std::sqrt(std::numbers::inv_pi_v<Real> / 2);
      },
      {},
      -1e30L,
      0.5L}},
    {"gelu_tanh",
     [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); },
     {[](Real x) { return x * logistic(gelu_inner(x)); },
      [](Real x) {
        const Real s = logistic(gelu_inner(x)), d = gelu_inner(1) / 1.044715L * (1 + 3 * 0.044715L * x * x);
        return s + x * s * (1 - s) * d;
      },
      {},
      -1e30L,
      0.5L}},
    {"silu",
     [](const Tensor& x) { return x.silu(); },
     {[](Real x) { return x * logistic(x); },
      [](Real x) { return logistic(x) * (1 + x * logistic(-x)); },
      {},
      -1e30L,
      0.5L}},
    {"softplus",
     [](const Tensor& x) { return x.softplus(); },
     {[](Real x) { return std::log1p(std::exp(x)); }, logistic}},
    {"tanh",
     [](const Tensor& x) { return x.tanh(); },
     {[](Real x) { return std::tanh(x); }, [](Real x) { return 1 - std::tanh(x) * std::tanh(x); }}},
    {"sigmoid",
     [](const Tensor& x) { return x.sigmoid(); },
     {logistic, [](Real x) { return logistic(x) * logistic(-x); }}},
    {"sigmoid_",
     [](const Tensor& x) { return in_place(x, [](Tensor& y) -> Tensor& { return y.sigmoid_(); }); },
     {logistic, [](Real x) { return logistic(x) * logistic(-x); }}},
};

const std::vector<Elementwise> functions{
    {"neg", [](const Tensor& x) { return -x; }, {[](Real x) { return -x; }, [](Real) { return -1.0L; }}},
    {"exp",
     [](const Tensor& x) { return x.exp(); },
     {[](Real x) { return std::exp(x); }, [](Real x) { return std::exp(x); }}},
    {"log",
     [](const Tensor& x) { return x.log(); },
     {[](Real x) { return std::log(x); }, [](Real x) { return 1 / x; }, {}, 0.1L}},
    {"sqrt",
     [](const Tensor& x) { return x.sqrt(); },
     {[](Real x) { return std::sqrt(x); }, [](Real x) { return 0.5L / std::sqrt(x); }, {}, 0.1L}},
    {"rsqrt",
     [](const Tensor& x) { return x.rsqrt(); },
     {[](Real x) { return 1 / std::sqrt(x); }, [](Real x) { return -0.5L / (x * std::sqrt(x)); }, {}, 0.1L}},
    {"reciprocal",
     [](const Tensor& x) { return x.reciprocal(); },
     {[](Real x) { return 1 / x; }, [](Real x) { return -1 / (x * x); }, {0}}},
    {"abs",
     [](const Tensor& x) { return x.abs(); },
     {[](Real x) { return std::abs(x); }, [](Real x) { return x > 0 ? 1.0L : -1.0L; }, {0}}},
    {"sin",
     [](const Tensor& x) { return x.sin(); },
     {[](Real x) { return std::sin(x); }, [](Real x) { return std::cos(x); }}},
    {"cos",
     [](const Tensor& x) { return x.cos(); },
     {[](Real x) { return std::cos(x); }, [](Real x) { return -std::sin(x); }}},
    {"square",
     [](const Tensor& x) { return x.square(); },
     {[](Real x) { return x * x; }, [](Real x) { return 2 * x; }}},
    {"clamp",
     [](const Tensor& x) { return x.clamp(-1, 1); },
     {[](Real x) { return std::clamp(x, -1.0L, 1.0L); },
      [](Real x) { return Real(std::abs(x) < 1); },
      {-1, 1}}},
    {"cube",
     [](const Tensor& x) { return x.pow(3); },
     {[](Real x) { return x * x * x; }, [](Real x) { return 3 * x * x; }}},
};

void add_elementwise(std::vector<StepKind>& kinds, const std::vector<Elementwise>& list) {
  for (const Elementwise& each : list) {
    kinds.push_back({each.name, any,
                     [run = each.run](const Step&, const std::vector<Tensor>& in) { return run(in[0]); },
                     [exact = each.exact](Tape& tape, const Step&, const std::vector<Array>& in) {
                       return scalar::map(in[0], [&](int x) { return tape.unary(x, exact); });
                     }});
  }
}

const Unary& unary(const char* name) {
  for (const Elementwise& each : functions) {
    if (each.name == std::string_view(name)) return each.exact;
  }
  for (const Elementwise& each : activations) {
    if (each.name == std::string_view(name)) return each.exact;
  }
  throw std::logic_error(name);
}

// --- two operands ------------------------------------------------------------------------------------------------------------

void add_pairs(std::vector<StepKind>& kinds) {
  const auto add = [&](const char* name, Tensor (*run)(const Tensor&, const Tensor&),
                       int (*exact)(Tape&, int, int)) {
    kinds.push_back({name, pair,
                     [run](const Step&, const std::vector<Tensor>& in) { return run(in[0], in[1]); },
                     [exact](Tape& tape, const Step&, const std::vector<Array>& in) {
                       return scalar::zip(in[0], in[1], [&](int a, int b) { return exact(tape, a, b); });
                     }});
  };
  using T = const Tensor&;
  add(
      "add", [](T a, T b) { return a + b; }, [](Tape& t, int a, int b) { return t.add(a, b); });
  add(
      "sub", [](T a, T b) { return a - b; }, [](Tape& t, int a, int b) { return t.sub(a, b); });
  add(
      "mul", [](T a, T b) { return a * b; }, [](Tape& t, int a, int b) { return t.mul(a, b); });
  add(
      "div", [](T a, T b) { return a / b; }, [](Tape& t, int a, int b) { return t.div(a, b); });
  add(
      "pow", [](T a, T b) { return pow(a, b); }, [](Tape& t, int a, int b) { return t.pow(a, b); });
  add(
      "maximum", [](T a, T b) { return maximum(a, b); },
      [](Tape& t, int a, int b) { return t.larger(a, b, true); });
  add(
      "minimum", [](T a, T b) { return minimum(a, b); },
      [](Tape& t, int a, int b) { return t.larger(a, b, false); });
  add(
      "where", [](T a, T b) { return where(ones({}, a.dtype()), a, b); },
      [](Tape&, int a, int) { return a; });
  add(
      "prelu", [](T a, T b) { return prelu(a, b.mean().reshape({1})); }, nullptr);
  kinds.back().exact = [](Tape& tape, const Step&, const std::vector<Array>& in) {
    const int w = tape.scaled(sum(tape, in[1].nodes), 1 / Real(in[1].nodes.size()));
    return scalar::map(in[0], [&](int x) {
      const int y = tape.unary(x, unary("relu")), below = tape.sub(x, y);
      return tape.add(y, tape.mul(w, below));
    });
  };
  kinds.back().draw = [](Draw& draw, Step& step, const Shapes& shapes) {
    return any(draw, step, shapes) && any(draw, step, shapes);
  };
}

Array product(Tape& tape, const Step& step, const Array& a, const Array& b) {
  const auto at = [](const Array& x, bool turned, std::size_t i, std::size_t j) {
    return x.nodes[turned ? j * x.sizes[1] + i : i * x.sizes[1] + j];
  };
  const std::size_t inner = a.sizes[step.flag ? 0 : 1];
  return scalar::generate(
      {a.sizes[step.flag ? 1 : 0], b.sizes[step.other_flag ? 0 : 1]}, [&](const Sizes& i) {
        std::vector<int> terms;
        for (std::size_t k = 0; k < inner; ++k)
          terms.push_back(tape.mul(at(a, step.flag, i[0], k), at(b, step.other_flag, k, i[1])));
        return sum(tape, terms);
      });
}

void add_products(std::vector<StepKind>& kinds) {
  kinds.push_back({"matmul",
                   [](Draw& draw, Step& step, const Shapes& shapes) {
                     step.flag = draw.one_in(2);
                     step.other_flag = draw.one_in(2);
                     if (!of_rank(2, 2, draw, step, shapes)) return false;
                     const std::size_t inner = last_of(step, shapes)[step.flag ? 0 : 1];
                     return pick(draw, step, shapes, [&](const Sizes& b) {
                       return b.size() == 2 && b[step.other_flag ? 1 : 0] == inner;
                     });
                   },
                   [](const Step& step, const std::vector<Tensor>& in) {
                     return matmul(in[0], in[1], step.flag, step.other_flag);
                   },
                   [](Tape& tape, const Step& step, const std::vector<Array>& in) {
                     return product(tape, step, in[0], in[1]);
                   }});
  kinds.push_back(
      {"linear",
       [](Draw& draw, Step& step, const Shapes& shapes) {
         step.other_flag = true;  // x wᵀ
         if (!of_rank(2, 2, draw, step, shapes)) return false;
         const std::size_t inner = last_of(step, shapes)[1];
         if (!pick(draw, step, shapes, [&](const Sizes& w) { return w.size() == 2 && w[1] == inner; }))
           return false;
         const std::size_t out = last_of(step, shapes)[0];
         pick(draw, step, shapes, [&](const Sizes& b) { return b == Sizes{out}; });
         return true;
       },
       [](const Step&, const std::vector<Tensor>& in) {
         return linear(in[0], in[1], in.size() > 2 ? in[2] : Tensor());
       },
       [](Tape& tape, const Step& step, const std::vector<Array>& in) {
         const Array y = product(tape, step, in[0], in[1]);
         if (in.size() == 2) return y;
         return scalar::zip(y, in[2], [&](int a, int b) { return tape.add(a, b); });
       }});
}

// --- reductions and normalisations ---------------------------------------------------------------------------------------

using Group = std::vector<int>;

int mean(Tape& tape, const Group& group) { return tape.scaled(sum(tape, group), 1 / Real(group.size())); }

int variance(Tape& tape, const Group& group, Real divisor) {
  const int middle = mean(tape, group);
  Group squares;
  for (const int x : group) squares.push_back(tape.unary(tape.sub(x, middle), unary("square")));
  return tape.scaled(sum(tape, squares), 1 / divisor);
}

// The largest value as a constant: what is shifted by it depends on it in rounding errors alone.
int shift_of(Tape& tape, const Group& group) {
  Real top = tape.value(group[0]);
  for (const int x : group) top = std::max(top, tape.value(x));
  return tape.leaf(top);
}

int log_sum_exp(Tape& tape, const Group& group, int shift) {
  Group terms;
  for (const int x : group) terms.push_back(tape.unary(tape.sub(x, shift), unary("exp")));
  return tape.unary(sum(tape, terms), unary("log"));
}

Array without_axes(Array x, unsigned mask, bool keep) {
  if (keep) return x;
  for (std::size_t k = x.sizes.size(); k-- > 0;) {
    if (mask >> k & 1) x.sizes.erase(x.sizes.begin() + static_cast<std::ptrdiff_t>(k));
  }
  return x;
}

void add_reductions(std::vector<StepKind>& kinds) {
  using T = const Tensor&;
  using Axes = const std::vector<int>&;
  const auto add = [&](const char* name, Tensor (*run)(T, Axes, bool), int (*exact)(Tape&, const Group&)) {
    kinds.push_back(
        {name, with_axes,
         [run](const Step& step, const std::vector<Tensor>& in) {
           return run(in[0], axes_of(step), step.flag);
         },
         [exact](Tape& tape, const Step& step, const std::vector<Array>& in) {
           return without_axes(
               scalar::reduce(in[0], step.mask, [&](const Group& group) { return exact(tape, group); }),
               step.mask, step.flag);
         }});
  };
  add(
      "sum", [](T x, Axes axes, bool keep) { return x.sum(axes, keep); },
      [](Tape& tape, const Group& group) { return sum(tape, group); });
  add(
      "mean", [](T x, Axes axes, bool keep) { return x.mean(axes, keep); }, mean);
  add(
      "max", [](T x, Axes axes, bool keep) { return x.max(axes, keep); },
      [](Tape& tape, const Group& group) {
        return std::accumulate(group.begin(), group.end(), group[0],
                               [&](int a, int b) { return tape.larger(a, b, true); });
      });
  add(
      "min", [](T x, Axes axes, bool keep) { return x.min(axes, keep); },
      [](Tape& tape, const Group& group) {
        return std::accumulate(group.begin(), group.end(), group[0],
                               [&](int a, int b) { return tape.larger(a, b, false); });
      });
  add(
      "var", [](T x, Axes axes, bool keep) { return x.var(axes, keep); },
      [](Tape& tape, const Group& group) {
        tape.unsafe |= group.size() < 2;
        return group.size() < 2 ? group[0] : variance(tape, group, Real(group.size() - 1));
      });
  add(
      "logsumexp", [](T x, Axes axes, bool keep) { return x.logsumexp(axes, keep); },
      [](Tape& tape, const Group& group) {
        const int shift = shift_of(tape, group);
        return tape.add(shift, log_sum_exp(tape, group, shift));
      });
}

// y = x[i] of a value for each group along an axis.
Array along(const Array& x, std::size_t axis, const std::function<int(int x, const Group& group)>& f) {
  std::vector<Group> groups;
  const Array group_of = scalar::reduce(x, 1u << axis, [&](const Group& group) {
    groups.push_back(group);
    return static_cast<int>(groups.size()) - 1;
  });
  return scalar::zip(x, group_of,
                     [&](int each, int group) { return f(each, groups[static_cast<std::size_t>(group)]); });
}

Array log_softmax_of(Tape& tape, const Array& x, std::size_t axis) {
  return along(x, axis, [&](int each, const Group& group) {
    const int shift = shift_of(tape, group);
    return tape.sub(tape.sub(each, shift), log_sum_exp(tape, group, shift));
  });
}

Array normalised(Tape& tape, const Array& x, std::size_t axis) {
  return along(x, axis, [&](int each, const Group& group) {
    const int var = variance(tape, group, Real(group.size()));
    return tape.mul(tape.sub(each, mean(tape, group)),
                    tape.unary(tape.add(var, tape.leaf(0.25L)), unary("rsqrt")));
  });
}

void add_along(std::vector<StepKind>& kinds) {
  kinds.push_back({"softmax", with_axis,
                   [](const Step& step, const std::vector<Tensor>& in) { return in[0].softmax(step.axis); },
                   [](Tape& tape, const Step& step, const std::vector<Array>& in) {
                     return scalar::map(log_softmax_of(tape, in[0], axis_of(step)),
                                        [&](int y) { return tape.unary(y, unary("exp")); });
                   }});
  kinds.push_back(
      {"log_softmax", with_axis,
       [](const Step& step, const std::vector<Tensor>& in) { return in[0].log_softmax(step.axis); },
       [](Tape& tape, const Step& step, const std::vector<Array>& in) {
         return log_softmax_of(tape, in[0], axis_of(step));
       }});
  kinds.push_back(
      {"layer_norm",
       [](Draw& draw, Step& step, const Shapes& shapes) {
         if (!of_rank(1, 4, draw, step, shapes)) return false;
         const Sizes last{last_of(step, shapes).back()};
         const auto fits = [&](const Sizes& w) { return w == last; };
         return pick(draw, step, shapes, fits) && pick(draw, step, shapes, fits);
       },
       [](const Step&, const std::vector<Tensor>& in) { return layer_norm(in[0], in[1], in[2], 0.25); },
       [](Tape& tape, const Step&, const std::vector<Array>& in) {
         const Array h = normalised(tape, in[0], in[0].sizes.size() - 1);
         const Array y = scalar::zip(h, in[1], [&](int a, int b) { return tape.mul(a, b); });
         return scalar::zip(y, in[2], [&](int a, int b) { return tape.add(a, b); });
       }});
  kinds.push_back(
      {"batch_norm",
       [](Draw& draw, Step& step, const Shapes& shapes) {
         return pick(draw, step, shapes, [](const Sizes& x) { return x.size() == 2 && x[0] > 1; });
       },
       [](const Step&, const std::vector<Tensor>& in) {
         return batch_norm(in[0], {}, {}, {}, {}, true, 0.1, 0.25);
       },
       [](Tape& tape, const Step&, const std::vector<Array>& in) { return normalised(tape, in[0], 0); }});
}

// --- elements moved ------------------------------------------------------------------------------------------------------------

Array taken(const Array& x, const Step& step) {
  Sizes sizes = x.sizes;
  sizes[axis_of(step)] = step.index.size();
  return scalar::generate(sizes, [&](const Sizes& i) {
    Sizes from = i;
    from[axis_of(step)] = static_cast<std::size_t>(step.index[i[axis_of(step)]]);
    return scalar::element(x, from);
  });
}

void add_moves(std::vector<StepKind>& kinds) {
  const auto take = [](Tape&, const Step& step, const std::vector<Array>& in) { return taken(in[0], step); };
  kinds.push_back({"index_select", with_indices,
                   [](const Step& step, const std::vector<Tensor>& in) {
                     return in[0].index_select(step.axis,
                                               tensor(std::span(step.index), {std::ssize(step.index)}));
                   },
                   take});
  kinds.push_back({"gather", with_indices,
                   [](const Step& step, const std::vector<Tensor>& in) {
                     Ints shape(static_cast<std::size_t>(in[0].dim()), 1);
                     shape[axis_of(step)] = std::ssize(step.index);
                     const Tensor line = tensor(std::span(step.index), Shape(shape));
                     Ints whole(in[0].shape().begin(), in[0].shape().end());
                     whole[axis_of(step)] = std::ssize(step.index);
                     return in[0].gather(step.axis, expand(line.to(DType::f64), Shape(whole)).to(DType::i64));
                   },
                   take});
  kinds.push_back({"slice",
                   [](Draw& draw, Step& step, const Shapes& shapes) {
                     if (!with_axis(draw, step, shapes)) return false;
                     const auto size = static_cast<std::int64_t>(last_of(step, shapes)[axis_of(step)]);
                     const std::int64_t start = draw.below(size);
                     step.index.resize(static_cast<std::size_t>(draw.between(1, size - start)));
                     std::iota(step.index.begin(), step.index.end(), start);
                     return true;
                   },
                   [](const Step& step, const std::vector<Tensor>& in) {
                     return in[0].slice(step.axis, step.index.front(), step.index.back() + 1);
                   },
                   take});
  kinds.push_back(
      {"transpose",
       [](Draw& draw, Step& step, const Shapes& shapes) {
         if (!of_rank(2, 4, draw, step, shapes)) return false;
         step.axis = static_cast<int>(draw.between(1, std::ssize(last_of(step, shapes)) - 1));
         return true;
       },
       [](const Step& step, const std::vector<Tensor>& in) { return in[0].transpose(0, step.axis); },
       [](Tape&, const Step& step, const std::vector<Array>& in) {
         Sizes sizes = in[0].sizes;
         std::swap(sizes[0], sizes[axis_of(step)]);
         return scalar::generate(sizes, [&](Sizes i) {
           std::swap(i[0], i[axis_of(step)]);
           return scalar::element(in[0], i);
         });
       }});
  kinds.push_back(
      {"reshape",
       [](Draw& draw, Step& step, const Shapes& shapes) {
         if (!any(draw, step, shapes)) return false;
         step.sizes = last_of(step, shapes);
         draw.one_in(2) ? std::reverse(step.sizes.begin(), step.sizes.end()) : step.sizes.push_back(1);
         return step.sizes.size() <= 4;
       },
       [](const Step& step, const std::vector<Tensor>& in) { return in[0].reshape(shape_of(step.sizes)); },
       [](Tape&, const Step& step, const std::vector<Array>& in) {
         return Array{step.sizes, in[0].nodes};
       }});
  kinds.push_back(
      {"expand",
       [](Draw& draw, Step& step, const Shapes& shapes) {
         if (!of_rank(0, 3, draw, step, shapes)) return false;
         step.sizes = last_of(step, shapes);
         step.sizes.insert(step.sizes.begin(), static_cast<std::size_t>(draw.between(1, 3)));
         return true;
       },
       [](const Step& step, const std::vector<Tensor>& in) { return expand(in[0], shape_of(step.sizes)); },
       [](Tape&, const Step& step, const std::vector<Array>& in) {
         return scalar::generate(step.sizes, [&](const Sizes& i) { return scalar::element(in[0], i); });
       }});
  kinds.push_back({"stack", equal_pair,
                   [](const Step&, const std::vector<Tensor>& in) {
                     return stack({in[0], in[1]});
                   },
                   [](Tape&, const Step&, const std::vector<Array>& in) {
                     Array y = in[0];
                     y.sizes.insert(y.sizes.begin(), 2);
                     y.nodes.insert(y.nodes.end(), in[1].nodes.begin(), in[1].nodes.end());
                     return y;
                   }});
}

// --- losses --------------------------------------------------------------------------------------------------------------------

Array reduced(Tape& tape, const Group& losses, bool averaged) {
  return {{}, {averaged ? mean(tape, losses) : sum(tape, losses)}};
}

Reduction reduction_of(const Step& step) { return step.flag ? Reduction::mean : Reduction::sum; }

void add_losses(std::vector<StepKind>& kinds) {
  kinds.push_back({"mse_loss", equal_pair,
                   [](const Step& step, const std::vector<Tensor>& in) {
                     return mse_loss(in[0], in[1], reduction_of(step));
                   },
                   [](Tape& tape, const Step& step, const std::vector<Array>& in) {
                     const Array d = scalar::zip(in[0], in[1], [&](int a, int b) {
                       return tape.unary(tape.sub(a, b), unary("square"));
                     });
                     return reduced(tape, d.nodes, step.flag);
                   }});
  kinds.push_back({"binary_cross_entropy_with_logits", equal_pair,
                   [](const Step& step, const std::vector<Tensor>& in) {
                     return binary_cross_entropy_with_logits(in[0], in[1].sigmoid(),
                                                             {.reduction = reduction_of(step)});
                   },
                   [](Tape& tape, const Step& step, const std::vector<Array>& in) {
                     const Array each = scalar::zip(in[0], in[1], [&](int x, int z) {
                       const int t = tape.unary(z, unary("sigmoid")), minus = tape.unary(x, unary("neg"));
                       const int rest = tape.sub(tape.leaf(1), t);
                       return tape.add(tape.mul(t, tape.unary(minus, unary("softplus"))),
                                       tape.mul(rest, tape.unary(x, unary("softplus"))));
                     });
                     return reduced(tape, each.nodes, step.flag);
                   }});
  kinds.push_back({"cross_entropy",
                   [](Draw& draw, Step& step, const Shapes& shapes) {
                     if (!of_rank(2, 2, draw, step, shapes)) return false;
                     const Sizes& x = last_of(step, shapes);
                     for (std::size_t i = 0; i < x[0]; ++i)
                       step.index.push_back(draw.below(static_cast<std::int64_t>(x[1])));
                     step.flag = draw.one_in(2);
                     return true;
                   },
                   [](const Step& step, const std::vector<Tensor>& in) {
                     return cross_entropy(in[0], tensor(std::span(step.index), {std::ssize(step.index)}),
                                          {reduction_of(step)});
                   },
                   [](Tape& tape, const Step& step, const std::vector<Array>& in) {
                     const Array p = log_softmax_of(tape, in[0], 1);
                     Group losses;
                     for (std::size_t i = 0; i < step.index.size(); ++i)
                       losses.push_back(
                           tape.scaled(scalar::element(p, {i, static_cast<std::size_t>(step.index[i])}), -1));
                     return reduced(tape, losses, step.flag);
                   }});
}

}  // namespace

const std::vector<StepKind>& graph_kinds() {
  static const std::vector<StepKind> kinds = [] {
    std::vector<StepKind> all;
    add_elementwise(all, activations);
    add_elementwise(all, functions);
    add_pairs(all);
    add_products(all);
    add_reductions(all);
    add_along(all);
    add_moves(all);
    add_losses(all);
    return all;
  }();
  return kinds;
}

}  // namespace rill::trust
