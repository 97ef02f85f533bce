#include <cmath>
#include <numeric>

#include <rill/core/op_list.hpp>

#include "graph_operands.hpp"

namespace rill::trust {

namespace {

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

}  // namespace

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

int mean(Tape& tape, const Group& group) { return tape.scaled(sum(tape, group), 1 / Real(group.size())); }

namespace {

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

}  // namespace

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

namespace {

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

}  // namespace

Array log_softmax_of(Tape& tape, const Array& x, std::size_t axis) {
  return along(x, axis, [&](int each, const Group& group) {
    const int shift = shift_of(tape, group);
    return tape.sub(tape.sub(each, shift), log_sum_exp(tape, group, shift));
  });
}

namespace {

Array normalised(Tape& tape, const Array& x, std::size_t axis) {
  return along(x, axis, [&](int each, const Group& group) {
    const int var = variance(tape, group, Real(group.size()));
    return tape.mul(tape.sub(each, mean(tape, group)),
                    tape.unary(tape.add(var, tape.leaf(0.25L)), unary("rsqrt")));
  });
}

}  // namespace

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

}  // namespace rill::trust
