#include <algorithm>
#include <numeric>

#include <rill/core/axis.hpp>
#include <rill/core/ops/permute.hpp>

namespace rill {
namespace ops {
namespace {

using Order = std::array<int, Shape::max_rank>;

Order unchanged() {
  Order order{};
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// The axes of the result with their strides in x, from the last to the first: without those of size 1, and merged
// where x goes on from one to the next.
struct Plan {
  struct Dim {
    std::int64_t size, stride;
  };
  std::array<Dim, Shape::max_rank> dims{};
  int count = 0;

  Plan(const Shape& x, const Order& axes) {
    std::array<std::int64_t, Shape::max_rank> strides{};
    std::int64_t stride = 1;
    for (int i = x.rank() - 1; i >= 0; --i) {
      strides[static_cast<std::size_t>(i)] = stride;
      stride *= x[i];
    }
    for (int i = x.rank() - 1; i >= 0; --i) {
      const int axis = axes[static_cast<std::size_t>(i)];
      const Dim dim{x[axis], strides[static_cast<std::size_t>(axis)]};
      if (dim.size == 1) continue;
      if (count > 0 && dim.stride == at(count - 1).stride * at(count - 1).size) {
        at(count - 1).size *= dim.size;
      } else {
        at(count++) = dim;
      }
    }
    if (count == 0) at(count++) = {1, 1};
  }

  Dim& at(int i) { return dims[static_cast<std::size_t>(i)]; }
  const Dim& at(int i) const { return dims[static_cast<std::size_t>(i)]; }

  struct Start {
    std::int64_t x, y;
  };
  // Where the `index`-th combination of all axes but the last and `other` begins.
  Start start(std::int64_t index, int other) const {
    Start begin{0, 0};
    std::int64_t stride_y = at(0).size;
    for (int i = 1; i < count; ++i) {
      if (i != other) {
        begin.x += index % at(i).size * at(i).stride;
        begin.y += index % at(i).size * stride_y;
        index /= at(i).size;
      }
      stride_y *= at(i).size;
    }
    return begin;
  }

  std::int64_t stride_in_result(int dim) const {
    std::int64_t stride = 1;
    for (int i = 0; i < dim; ++i) stride *= at(i).size;
    return stride;
  }
};

// The last axis of the result is contiguous in x as well.
template <class T>
void copy_rows(const Plan& plan, std::int64_t count, const T* x, T* y) {
  const std::int64_t columns = plan.at(0).size;
  if (plan.count == 1) return detail::copy_runs(1, columns, x, 0, y, 0);
  parallel_for(
      count / columns,
      [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row)
          std::copy_n(x + plan.start(row, 0).x, columns, y + row * columns);
      },
      detail::grain_of_runs(columns));
}

constexpr std::int64_t tile = 16;  // a cache line of floats, so that lines are read and written whole

// y[i, j] = x[j, i] for rows × columns elements of y, at most tile × tile.
template <class T>
void transpose_tile(const T* x, std::int64_t stride_x, T* y, std::int64_t stride_y, std::int64_t rows,
                    std::int64_t columns) {
  if (rows == tile && columns == tile) {
    T block[tile][tile];
    for (int j = 0; j < tile; ++j) {
      for (int i = 0; i < tile; ++i) block[i][j] = x[j * stride_x + i];
    }
    for (int i = 0; i < tile; ++i) std::copy_n(block[i], tile, y + i * stride_y);
    return;
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) y[i * stride_y + j] = x[j * stride_x + i];
  }
}

// Axis `rows` of the result is the contiguous one in x: bands of `tile` rows, each of them tile by tile.
template <class T>
void copy_transposed(const Plan& plan, int rows, std::int64_t count, const T* x, T* y) {
  const auto [columns, stride_x] = plan.at(0);
  const std::int64_t column_count = columns, column_stride = stride_x, row_count = plan.at(rows).size,
                     stride_y = plan.stride_in_result(rows), bands = (row_count + tile - 1) / tile;
  const std::int64_t others = count / (column_count * row_count);
  parallel_for(
      others * bands,
      [&, column_count, column_stride](std::int64_t first, std::int64_t last) {
        for (std::int64_t task = first; task < last; ++task) {
          const std::int64_t i = task % bands * tile, height = std::min(tile, row_count - i);
          const Plan::Start start = plan.start(task / bands, rows);
          for (std::int64_t j = 0; j < column_count; j += tile) {
            transpose_tile(x + start.x + i + j * column_stride, column_stride, y + start.y + i * stride_y + j,
                           stride_y, height, std::min(tile, column_count - j));
          }
        }
      },
      detail::grain_of_runs(tile * column_count));
}

}  // namespace

Meta Permute::infer(const Tensor& x) const {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  const auto rank = static_cast<std::size_t>(x.dim());
  for (std::size_t i = 0; i < rank; ++i) sizes[i] = x.shape()[axes[i]];
  return {Shape(std::span<const std::int64_t>(sizes.data(), rank)), x.dtype()};
}

void Permute::forward(const Tensor& x, Tensor& y) const {
  if (x.numel() == 0) return;
  const Plan plan(x.shape(), axes);
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    if (plan.at(0).stride == 1) return copy_rows(plan, x.numel(), in, out);
    int rows = 1;
    while (plan.at(rows).stride != 1) ++rows;
    copy_transposed(plan, rows, x.numel(), in, out);
  });
}

Tensor Permute::gradient(const Incoming& g) const {
  Permute back{unchanged()};
  for (int i = 0; i < g[0].dim(); ++i)
    back.axes[static_cast<std::size_t>(axes[static_cast<std::size_t>(i)])] = i;
  return apply(back, g[0]);
}

std::vector<Sample<Permute>> Permute::samples() {
  return {{{{1, 0}}, {{{3, 4}}}},
          {{{0, 1}}, {{{3, 4}}}},
          {{{1, 2, 0}}, {{{2, 3, 4}}}},
          {{{2, 1, 0}}, {{{2, 3, 4}}}},
          {{{0, 2, 1}}, {{{2, 17, 18}}}},
          {{{1, 0}}, {{{1, 5}}}},
          {{{1, 0}}, {{{0, 3}}}},
          {{{3, 1, 0, 2}}, {{{2, 1, 3, 2}}}},
          {{}, {{{}}}},
          {{{0}}, {{{4}}}}};
}

}  // namespace ops

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  ops::Permute op{ops::unchanged()};
  RILL_CHECK(std::ssize(axes) == x.dim(), op.name, ": ", axes.size(), " axes for x ", x.shape(),
             ", expected each of its ", x.dim(), " axes once");
  unsigned seen = 0;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    op.axes[i] = normalize_axis(axes[i], x.shape(), op.name.data());
    RILL_CHECK(!(seen >> op.axes[i] & 1), op.name, ": axis ", axes[i],
               " is named twice, expected distinct axes");
    seen |= 1u << op.axes[i];
  }
  return apply(op, x);
}

Tensor transpose(const Tensor& x, int axis_a, int axis_b) {
  ops::Permute op{ops::unchanged()};
  const int a = normalize_axis(axis_a, x.shape(), "transpose"),
            b = normalize_axis(axis_b, x.shape(), "transpose");
  std::swap(op.axes[static_cast<std::size_t>(a)], op.axes[static_cast<std::size_t>(b)]);
  return apply(op, x);
}

Tensor t(const Tensor& x) {
  RILL_CHECK(x.dim() == 2, "t: x is ", x.shape(), ", expected a matrix; use transpose() or permute()");
  return transpose(x, 0, 1);
}

Tensor Tensor::permute(const std::vector<int>& axes) const { return rill::permute(*this, axes); }
Tensor Tensor::transpose(int axis_a, int axis_b) const { return rill::transpose(*this, axis_a, axis_b); }
Tensor Tensor::t() const { return rill::t(*this); }

}  // namespace rill
