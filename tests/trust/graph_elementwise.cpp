#include <cmath>
#include <numbers>
#include <stdexcept>

#include <rill/core/op_list.hpp>

#include "graph_operands.hpp"

namespace rill::trust {
namespace {

Real logistic(Real x) { return 1 / (1 + std::exp(-x)); }
Real normal_below(Real x) { return std::erfc(-x / std::numbers::sqrt2_v<Real>) / 2; }
Real gelu_inner(Real x) {
  return 2 * std::sqrt(2 * std::numbers::inv_pi_v<Real>) * (x + 0.044715L * x * x * x);
}

constexpr Real selu_scale = 1.0507009873554804934193349852946L,
               selu_alpha = 1.6732632423543772848170429916717L;

struct ElementwiseKind {
  const char* name;
  Tensor (*run)(const Tensor& x);
  Unary exact;
};

Tensor in_place(const Tensor& x, Tensor& (*overwrite)(Tensor& y)) {
  Tensor y = x * 1.0;
  return overwrite(y);
}

const std::vector<ElementwiseKind> activations{
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

const std::vector<ElementwiseKind> functions{
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

void add_list(std::vector<StepKind>& kinds, const std::vector<ElementwiseKind>& list) {
  for (const ElementwiseKind& each : list) {
    kinds.push_back({each.name, any,
                     [run = each.run](const Step&, const std::vector<Tensor>& in) { return run(in[0]); },
                     [exact = each.exact](Tape& tape, const Step&, const std::vector<Array>& in) {
                       return scalar::map(in[0], [&](int x) { return tape.unary(x, exact); });
                     }});
  }
}

}  // namespace

void add_elementwise(std::vector<StepKind>& kinds) {
  add_list(kinds, activations);
  add_list(kinds, functions);
}

const Unary& unary(const char* name) {
  for (const ElementwiseKind& each : functions) {
    if (each.name == std::string_view(name)) return each.exact;
  }
  for (const ElementwiseKind& each : activations) {
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

}  // namespace rill::trust
