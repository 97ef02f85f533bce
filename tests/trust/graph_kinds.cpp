#include <numeric>

#include <rill/core/op_list.hpp>

#include "graph_operands.hpp"

namespace rill::trust {

// --- elements moved ------------------------------------------------------------------------------------------------------------

namespace {

Array taken(const Array& x, const Step& step) {
  Sizes sizes = x.sizes;
  sizes[axis_of(step)] = step.index.size();
  return scalar::generate(sizes, [&](const Sizes& i) {
    Sizes from = i;
    from[axis_of(step)] = static_cast<std::size_t>(step.index[i[axis_of(step)]]);
    return scalar::element(x, from);
  });
}

}  // namespace

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
                     std::vector<std::int64_t> shape(static_cast<std::size_t>(in[0].dim()), 1);
                     shape[axis_of(step)] = std::ssize(step.index);
                     const Tensor line = tensor(std::span(step.index), Shape(shape));
                     std::vector<std::int64_t> whole(in[0].shape().begin(), in[0].shape().end());
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

namespace {

Array reduced(Tape& tape, const Group& losses, bool averaged) {
  return {{}, {averaged ? mean(tape, losses) : sum(tape, losses)}};
}

Reduction reduction_of(const Step& step) { return step.flag ? Reduction::mean : Reduction::sum; }

}  // namespace

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

const std::vector<StepKind>& graph_kinds() {
  static const std::vector<StepKind> kinds = [] {
    std::vector<StepKind> all;
    add_elementwise(all);
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
