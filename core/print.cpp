// Tensors as text, by the rules of PyTorch's printer: 4 decimals, one width for all elements, scientific form where
// the range is wide, lines of 80 columns, and dots in place of the middle where there are more than 1,000 elements.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <type_traits>

#include <rill/core/graph.hpp>

namespace rill {
namespace {

constexpr std::int64_t summarize_above = 1000, edge_items = 3;
constexpr std::size_t line_width = 80, prefix_width = 7;  // of "tensor("

std::string formatted(const char* format, double value) {
  char text[352];  // the longest: the lowest double with 4 decimals
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

// How to write one number so that all fit one width.
template <class T>
class Formatter {
 public:
  explicit Formatter(const std::vector<T>& values) {
    if constexpr (std::is_floating_point_v<T>) choose_form(values);
    for (const T value : values) {
      if (counts_for_width(value)) width_ = std::max(width_, text(value).size());
    }
  }

  std::string padded(T value) const {
    const std::string body = text(value);
    return std::string(body.size() < width_ ? width_ - body.size() : 0, ' ') + body;
  }
  std::size_t width() const { return width_; }

 private:
  void choose_form(const std::vector<T>& values) {
    double largest = 0, smallest = INFINITY;
    for (const T element : values) {
      const auto value = static_cast<double>(element);
      if (!std::isfinite(value)) continue;
      whole_ &= value == std::trunc(value);
      if (value == 0) continue;
      largest = std::max(largest, std::abs(value));
      smallest = std::min(smallest, std::abs(value));
    }
    scientific_ = largest > 0 && (largest / smallest > 1000 || largest > 1e8 || (!whole_ && smallest < 1e-4));
  }

  static bool counts_for_width(T value) {
    if constexpr (std::is_floating_point_v<T>) return std::isfinite(value) && value != 0;
    return true;
  }

  std::string text(T value) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(value)) return "nan";
      if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
      const auto wide = static_cast<double>(value);
      if (scientific_) return formatted("%.4e", wide);
      return whole_ ? formatted("%.0f.", wide) : formatted("%.4f", wide);
    } else {
      return std::to_string(value);
    }
  }

  bool whole_ = true, scientific_ = false;
  std::size_t width_ = 1;
};

// The indices of a dimension that are printed; -1 stands for the dots.
std::vector<std::int64_t> shown(std::int64_t size, bool summarize) {
  const bool cut = summarize && size > 2 * edge_items;
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < size; ++i) {
    if (!cut || i < edge_items || i >= size - edge_items) indices.push_back(i);
    if (cut && i == edge_items) indices.push_back(-1);
  }
  return indices;
}

template <class T>
class Printer {
 public:
  Printer(const Shape& shape, std::span<const T> values)
      : shape_(shape),
        values_(values),
        summarize_(shape.numel() > summarize_above),
        formatter_(visible_below(0, 0)) {}

  std::string print(int axis, std::int64_t offset, std::size_t indent) const {
    if (axis == shape_.rank()) return formatter_.padded(values_[static_cast<std::size_t>(offset)]);
    const bool last = axis == shape_.rank() - 1;
    const std::size_t fitting = (line_width - indent) / (formatter_.width() + 2);
    const std::size_t per_line = last ? std::max<std::size_t>(fitting, 1) : 1;
    std::string text = "[";
    std::size_t at = 0;
    for (const std::int64_t i : shown(shape_[axis], summarize_)) {
      if (at > 0) text += separator(axis, at % per_line == 0, indent);
      text += i < 0 ? (last ? " ..." : "...") : print(axis + 1, offset * shape_[axis] + i, indent + 1);
      ++at;
    }
    return text + "]";
  }

 private:
  std::string separator(int axis, bool new_line, std::size_t indent) const {
    if (!new_line) return ", ";
    const int blank_lines = std::max(shape_.rank() - 1 - axis, 1);
    return "," + std::string(static_cast<std::size_t>(blank_lines), '\n') + std::string(indent + 1, ' ');
  }

  std::vector<T> visible_below(int axis, std::int64_t offset) const {
    if (axis == shape_.rank()) return {values_[static_cast<std::size_t>(offset)]};
    std::vector<T> visible;
    for (const std::int64_t i : shown(shape_[axis], summarize_)) {
      if (i < 0) continue;
      const std::vector<T> below = visible_below(axis + 1, offset * shape_[axis] + i);
      visible.insert(visible.end(), below.begin(), below.end());
    }
    return visible;
  }

  Shape shape_;
  std::span<const T> values_;
  bool summarize_;
  Formatter<T> formatter_;
};

std::vector<std::string> suffixes_of(const Tensor& tensor) {
  std::vector<std::string> suffixes;
  const detail::Record& record = detail::Access::record(tensor);
  if (tensor.numel() == 0 && tensor.dim() != 1) suffixes.push_back(detail::concat("size=", tensor.shape()));
  if (tensor.dtype() == DType::f64) suffixes.emplace_back("dtype=f64");
  if (record.node) suffixes.push_back(detail::concat("grad_fn=<", record.node->name(), ">"));
  if (record.requires_grad) suffixes.emplace_back("requires_grad=true");
  return suffixes;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "tensor(undefined)";
  std::string text = "tensor([]";
  if (tensor.numel() > 0) {
    dispatch(tensor.dtype(), [&]<class T>(T) {
      text = "tensor(" + Printer<T>(tensor.shape(), tensor.data<T>()).print(0, 0, prefix_width);
    });
  }
  std::size_t column = text.size() - (text.rfind('\n') + 1);
  if (text.rfind('\n') == std::string::npos) column = text.size();
  for (const std::string& suffix : suffixes_of(tensor)) {
    // PyTorch leaves room for the comma, the space and two more.
    if (column + suffix.size() + 4 > line_width) {
      text += ",\n" + std::string(prefix_width, ' ') + suffix;
      column = prefix_width + suffix.size();
    } else {
      text += ", " + suffix;
      column += suffix.size() + 2;
    }
  }
  return out << text << ")";
}

}  // namespace rill
