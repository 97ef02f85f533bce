// Tensors as text, by the rules of PyTorch's printer: 4 decimals, one width for all elements, scientific form where
// the range is wide, lines of 80 columns, and dots in place of the middle where there are more than 1,000 elements.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include <rill/core/graph.hpp>

namespace rill {
namespace {

constexpr std::int64_t summarize_above = 1000, edge_items = 3, line_width = 80;

std::string formatted(const char* format, double value) {
  char text[352];  // the longest: the lowest double with 4 decimals
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

// How to write one number so that all fit one width.
class Formatter {
 public:
  explicit Formatter(const std::vector<double>& values, bool integers) : integers_(integers) {
    double largest = 0, smallest = INFINITY;
    for (const double value : values) {
      if (!std::isfinite(value)) continue;
      whole_ &= value == std::trunc(value);
      if (value == 0) continue;
      largest = std::max(largest, std::abs(value));
      smallest = std::min(smallest, std::abs(value));
    }
    const bool any = largest > 0;
    scientific_ =
        !integers && any && (largest / smallest > 1000 || largest > 1e8 || (!whole_ && smallest < 1e-4));
    for (const double value : values) {
      if (integers || !any || (std::isfinite(value) && value != 0))
        width_ = std::max(width_, text(value).size());
    }
  }

  std::string padded(double value) const {
    const std::string body = text(value);
    return std::string(body.size() < width_ ? width_ - body.size() : 0, ' ') + body;
  }
  std::int64_t width() const { return static_cast<std::int64_t>(width_); }

 private:
  std::string text(double value) const {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    if (integers_) return formatted("%.0f", value);
    if (scientific_) return formatted("%.4e", value);
    return whole_ ? formatted("%.0f.", value) : formatted("%.4f", value);
  }

  bool integers_, whole_ = true, scientific_ = false;
  std::size_t width_ = 1;
};

// The indices of a dimension that are printed; -1 stands for the dots.
std::vector<std::int64_t> shown(std::int64_t size, bool summarize) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < size; ++i) {
    if (!summarize || size <= 2 * edge_items || i < edge_items || i >= size - edge_items)
      indices.push_back(i);
    if (summarize && size > 2 * edge_items && i == edge_items) indices.push_back(-1);
  }
  return indices;
}

class Printer {
 public:
  Printer(const Tensor& tensor, const std::vector<double>& values)
      : shape_(tensor.shape()), values_(values), summarize_(tensor.numel() > summarize_above) {
    std::vector<double> visible;
    collect(0, 0, visible);
    formatter_.emplace_back(visible, !is_floating(tensor.dtype()));
  }

  std::string print(int axis, std::int64_t offset, std::int64_t indent) const {
    if (axis == shape_.rank()) return formatter_[0].padded(values_[static_cast<std::size_t>(offset)]);
    const bool last = axis == shape_.rank() - 1;
    const std::int64_t per_line =
        last ? std::max<std::int64_t>((line_width - indent) / (formatter_[0].width() + 2), 1) : 1;
    std::string text = "[";
    std::int64_t at = 0;
    for (const std::int64_t i : shown(shape_[axis], summarize_)) {
      if (at > 0) {
        text += ",";
        if (last && at % per_line != 0) text += " ";
        if (!last) text.append(static_cast<std::size_t>(shape_.rank() - 1 - axis), '\n');
        if (last && at % per_line == 0) text += "\n";
        if (!last || at % per_line == 0) text.append(static_cast<std::size_t>(indent + 1), ' ');
      }
      text += i < 0 ? (last ? " ..." : "...") : print(axis + 1, offset * shape_[axis] + i, indent + 1);
      ++at;
    }
    return text + "]";
  }

 private:
  void collect(int axis, std::int64_t offset, std::vector<double>& into) const {
    if (axis == shape_.rank()) {
      if (shape_.numel() > 0) into.push_back(values_[static_cast<std::size_t>(offset)]);
      return;
    }
    for (const std::int64_t i : shown(shape_[axis], summarize_)) {
      if (i >= 0) collect(axis + 1, offset * shape_[axis] + i, into);
    }
  }

  Shape shape_;
  const std::vector<double>& values_;
  bool summarize_;
  std::vector<Formatter> formatter_;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "tensor(undefined)";
  std::vector<double> values;
  dispatch(tensor.dtype(), [&]<class T>(T) {
    for (const T value : tensor.data<T>()) values.push_back(static_cast<double>(value));
  });
  out << "tensor(";
  if (tensor.numel() > 0) {
    out << Printer(tensor, values).print(0, 0, 7);
  } else {
    out << "[]";
    if (tensor.dim() != 1) out << ", size=" << tensor.shape();
  }
  if (tensor.dtype() == DType::f64) out << ", dtype=f64";
  const detail::Record& record = detail::Access::record(tensor);
  if (record.node) {
    out << ", grad_fn=<" << record.node->name() << ">";
  } else if (record.requires_grad) {
    out << ", requires_grad=true";
  }
  return out << ")";
}

}  // namespace rill
