// Random arguments for every op of core/op_list.hpp: attributes, and the shapes and kinds of its inputs. An op without an
// overload of random_arguments() does not compile.
//
// Shapes are of rank 0 to 4 with few elements; broadcasting ones, those of one element and empty ones are among them. Left
// out is what has no number as its value: means of nothing, variances of one element.
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include <rill/core/op_list.hpp>

#include "draw.hpp"

namespace rill::trust {

using Kind = SampleInput::Kind;

/// Shapes, axes and reductions.
class Arguments : public Draw {
 public:
  using Draw::Draw;

  /// A size: mostly 1 to 3, at times 0.
  std::int64_t size(std::int64_t least = 0) { return least == 0 && one_in(12) ? 0 : between(1, 3); }

  /// At most 12 elements; `least` is the smallest size.
  Shape shape(int least_rank = 0, std::int64_t least = 0) {
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(between(least_rank, 4)));
    std::int64_t elements = 1;
    const bool single = one_in(12);
    for (std::int64_t& each : sizes) {
      each = single ? 1 : std::min(size(least), 12 / std::max<std::int64_t>(elements, 1));
      elements *= each;
    }
    return Shape(sizes);
  }

  /// What broadcasts to `result`: without some of its first axes, and with others of size 1.
  Shape operand_of(const Shape& result) {
    std::vector<std::int64_t> sizes(result.begin(), result.end());
    if (one_in(3)) sizes.erase(sizes.begin(), sizes.begin() + below(result.rank() + 1));
    for (std::int64_t& each : sizes) {
      if (one_in(4)) each = 1;
    }
    return Shape(sizes);
  }

  int axis(const Shape& shape) { return static_cast<int>(below(shape.rank())); }

  /// One axis or more; none of a scalar.
  ops::Axes axes(const Shape& shape) {
    const unsigned all = (1u << shape.rank()) - 1;
    return {all == 0 ? 0 : static_cast<unsigned>(between(1, all)), one_in(2)};
  }
  /// The same with `least` elements or more in a group.
  ops::Axes axes(Shape& shape, std::int64_t least) {
    for (;;) {
      const ops::Axes drawn = axes(shape);
      if (drawn.count(shape) >= least) return drawn;
      shape = this->shape();
    }
  }

  Reduction reduction(bool empty) {
    return empty ? any_of<Reduction>({Reduction::sum, Reduction::none})
                 : any_of<Reduction>({Reduction::mean, Reduction::sum, Reduction::none});
  }
};

template <class Op>
struct Of {};

template <class Op, class... Ops>
concept OneOf = (std::is_same_v<Op, Ops> || ...);

inline Shape with(const Shape& shape, int axis, std::int64_t size) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  sizes[static_cast<std::size_t>(axis)] = size;
  return Shape(sizes);
}

inline SampleInput absent() { return {{}, Kind::absent}; }

// --- element by element ------------------------------------------------------------------------------------------------

template <class F, bool from_output>
Sample<ops::Elementwise<F, from_output>> random_arguments(Of<ops::Elementwise<F, from_output>>,
                                                          Arguments& draw) {
  return {{draw.any_of(F::samples())}, {{draw.shape(), detail::domain_of<F>()}}};
}

template <OneOf<ops::Neg, ops::Cast> Op>
Sample<Op> random_arguments(Of<Op>, Arguments& draw) {
  return {Op::samples()[0].op, {{draw.shape()}}};
}

template <OneOf<ops::Add, ops::Sub, ops::Mul, ops::Div, ops::Pow, ops::Maximum, ops::Minimum> Op>
Sample<Op> random_arguments(Of<Op>, Arguments& draw) {
  const Shape result = draw.shape();
  const Kind base = std::is_same_v<Op, ops::Pow> ? Kind::positive : Kind::real;
  if (draw.one_in(3)) return {{}, {{result, base}, {result, base}}};
  return {{}, {{draw.operand_of(result), base}, {draw.operand_of(result)}}};
}

inline Sample<ops::Where> random_arguments(Of<ops::Where>, Arguments& draw) {
  const Shape result = draw.shape();
  return {{},
          {{draw.operand_of(result), Kind::labels, 2}, {draw.operand_of(result)}, {draw.operand_of(result)}}};
}

inline Sample<ops::Dropout> random_arguments(Of<ops::Dropout>, Arguments& draw) {
  const auto call = static_cast<std::uint64_t>(draw.below(1000));
  return {{draw.any_of<double>({0, 0.25, 0.5, 1}), 7, call}, {{draw.shape()}}};
}

inline Sample<ops::Prelu> random_arguments(Of<ops::Prelu>, Arguments& draw) {
  const Shape x = draw.shape();
  const bool channels = x.rank() >= 2 && x[1] > 0 && draw.one_in(2);
  return {{}, {{x}, {{channels ? x[1] : 1}}}};
}

template <class F>
Sample<ops::PairLoss<F>> random_arguments(Of<ops::PairLoss<F>>, Arguments& draw) {
  const Shape shape = draw.shape();
  const bool third = F::takes_p && draw.one_in(2);
  return {{draw.any_of(F::samples()), draw.reduction(shape.numel() == 0)},
          {{shape}, {shape}, third ? SampleInput{shape, Kind::positive} : absent()}};
}

// --- products ------------------------------------------------------------------------------------------------------------

inline Shape matrices(const Shape& stack, std::int64_t rows, std::int64_t columns) {
  std::vector<std::int64_t> sizes(stack.begin(), stack.end());
  sizes.insert(sizes.end(), {rows, columns});
  return Shape(sizes);
}

inline Sample<ops::Matmul> random_arguments(Of<ops::Matmul>, Arguments& draw) {
  const std::int64_t m = draw.size(), n = draw.size(), k = draw.size();
  const bool turned_a = draw.one_in(2), turned_b = draw.one_in(2);
  const Shape stack =
      draw.any_of<Shape>({{}, {}, {}, {draw.size()}, {2, draw.between(1, 2)}, {draw.size(), 1}});
  return {{turned_a, turned_b},
          {{matrices(draw.operand_of(stack), turned_a ? k : m, turned_a ? m : k)},
           {matrices(draw.operand_of(stack), turned_b ? n : k, turned_b ? k : n)}}};
}

inline Sample<ops::Linear> random_arguments(Of<ops::Linear>, Arguments& draw) {
  const std::int64_t n = draw.size(), in = draw.size(), out = draw.size();
  return {{}, {{{n, in}}, {{out, in}}, draw.one_in(2) ? SampleInput{{out}} : absent()}};
}

// --- reductions ------------------------------------------------------------------------------------------------------------

inline Sample<ops::Sum> random_arguments(Of<ops::Sum>, Arguments& draw) {
  const Shape shape = draw.shape();
  return {{draw.axes(shape)}, {{shape}}};
}

template <OneOf<ops::Mean, ops::Max, ops::Min, ops::LogSumExp> Op>
Sample<Op> random_arguments(Of<Op>, Arguments& draw) {
  Shape shape = draw.shape();
  const ops::Axes axes = draw.axes(shape, 1);
  return {{axes}, {{shape}}};
}

inline Sample<ops::Var> random_arguments(Of<ops::Var>, Arguments& draw) {
  Shape shape = draw.shape();
  const double correction = draw.any_of<double>({0, 1});
  const ops::Axes axes = draw.axes(shape, correction > 0 ? 2 : 1);
  return {{axes, correction}, {{shape}}};
}

template <OneOf<ops::Softmax, ops::LogSoftmax> Op>
Sample<Op> random_arguments(Of<Op>, Arguments& draw) {
  const Shape shape = draw.shape(1);
  return {{draw.axis(shape) - (draw.one_in(2) ? shape.rank() : 0)}, {{shape}}};
}

// An eps of 1e-5 stands in the ops' own samples: few elements may be so near to each other that differences see no more.
inline Sample<ops::LayerNorm> random_arguments(Of<ops::LayerNorm>, Arguments& draw) {
  const std::int64_t rows = draw.size();
  const Shape group = draw.shape(1, 1);
  const bool flat = draw.one_in(3) || group.rank() == 4;
  std::vector<std::int64_t> sizes(group.begin(), group.end());
  if (!flat) sizes.insert(sizes.begin(), rows);
  const auto parameter = [&] { return draw.one_in(3) ? absent() : SampleInput{group}; };
  return {{group.rank(), draw.any_of<double>({0.25, 1})}, {{Shape(sizes)}, parameter(), parameter()}};
}

inline Sample<ops::BatchNorm> random_arguments(Of<ops::BatchNorm>, Arguments& draw) {
  const std::int64_t n = draw.between(2, 4), c = draw.between(1, 3), length = draw.between(1, 2);
  const Shape x = draw.one_in(2) ? Shape{n, c} : draw.one_in(6) ? Shape{1, c, n} : Shape{n, c, length};
  const auto parameter = [&] { return draw.one_in(3) ? absent() : SampleInput{{c}}; };
  return {{draw.any_of<double>({0.25, 1})}, {{x}, parameter(), parameter()}};
}

// --- classes -----------------------------------------------------------------------------------------------------------------

inline std::vector<SampleInput> rows_of_classes(Arguments& draw, std::int64_t rows) {
  const std::int64_t classes = draw.between(1, 4);
  const Kind weights = draw.one_in(2) ? Kind::absent : Kind::positive;
  return {{{rows, classes}}, {{rows}, Kind::labels, classes}, {{classes}, weights}};
}

// The first label of a case is 0, so never are all rows ignored.
inline Sample<ops::CrossEntropy> random_arguments(Of<ops::CrossEntropy>, Arguments& draw) {
  const std::int64_t rows = draw.size();
  const CrossEntropyOptions options{draw.reduction(rows == 0), draw.any_of<double>({0, 0, 0.1, 1}),
                                    draw.any_of<std::int64_t>({-100, 1})};
  return {{options}, rows_of_classes(draw, rows)};
}

inline Sample<ops::NllLoss> random_arguments(Of<ops::NllLoss>, Arguments& draw) {
  const std::int64_t rows = draw.size();
  return {{{draw.reduction(rows == 0), draw.any_of<std::int64_t>({-100, 1})}}, rows_of_classes(draw, rows)};
}

// --- elements moved --------------------------------------------------------------------------------------------------------

inline Sample<ops::Expand> random_arguments(Of<ops::Expand>, Arguments& draw) {
  const Shape result = draw.shape();
  return {{result}, {{draw.operand_of(result)}}};
}

inline Sample<ops::Reshape> random_arguments(Of<ops::Reshape>, Arguments& draw) {
  const Shape x = draw.shape();
  std::vector<std::int64_t> turned(x.begin(), x.end());
  std::reverse(turned.begin(), turned.end());
  return {{draw.any_of<Shape>({{x.numel()}, {1, x.numel(), 1}, Shape(turned)})}, {{x}}};
}

inline Sample<ops::Permute> random_arguments(Of<ops::Permute>, Arguments& draw) {
  const Shape x = draw.shape();
  ops::Permute op;
  for (int i = 0; i < x.rank(); ++i) {
    const auto at = static_cast<std::size_t>(draw.between(0, i));
    op.axes[static_cast<std::size_t>(i)] = op.axes[at];
    op.axes[at] = i;
  }
  return {op, {{x}}};
}

inline Sample<ops::Slice> random_arguments(Of<ops::Slice>, Arguments& draw) {
  const Shape x = draw.shape(1);
  const int axis = draw.axis(x);
  const std::int64_t start = draw.between(0, x[axis]);
  return {{axis, start, draw.between(start, x[axis])}, {{x}}};
}

inline Sample<ops::Concat> random_arguments(Of<ops::Concat>, Arguments& draw) {
  const Shape shape = draw.shape(1);
  Sample<ops::Concat> sample;
  sample.op.axis = draw.axis(shape);
  for (std::int64_t left = draw.between(1, 4); left > 0; --left) {
    const Shape part = draw.one_in(2) ? shape : with(shape, sample.op.axis, draw.size());
    sample.op.sizes.push_back(part[sample.op.axis]);
    sample.inputs.push_back({part});
  }
  return sample;
}

inline Sample<ops::Gather> random_arguments(Of<ops::Gather>, Arguments& draw) {
  const Shape x = draw.shape(1);
  const int axis = draw.axis(x);
  std::vector<std::int64_t> sizes(x.begin(), x.end());
  for (std::int64_t& each : sizes) each = each > 0 && draw.one_in(3) ? draw.between(1, each) : each;
  const Shape index = with(Shape(sizes), axis, x[axis] == 0 ? 0 : draw.between(0, 4));
  return {{axis}, {{x}, {index, Kind::labels, std::max<std::int64_t>(x[axis], 1)}}};
}

inline Sample<ops::IndexSelect> random_arguments(Of<ops::IndexSelect>, Arguments& draw) {
  const Shape x = draw.shape(1);
  const int axis = draw.axis(x);
  const std::int64_t count = x[axis] == 0 ? 0 : draw.between(0, 5);
  return {{axis}, {{x}, {{count}, Kind::labels, std::max<std::int64_t>(x[axis], 1)}}};
}

inline Sample<ops::TopK> random_arguments(Of<ops::TopK>, Arguments& draw) {
  const Shape x = draw.shape(1);
  const int axis = draw.axis(x);
  return {{axis, draw.between(0, x[axis]), draw.one_in(2)}, {{x}}};
}

}  // namespace rill::trust
