// A second engine of reverse-mode differentiation, for comparison: scalars in long double on a tape, and arrays of them. It
// shares nothing with rill, and includes only std.
//
// Every value carries a bound of the rounding errors that a computation in a narrower type may have made by then, in units of
// that type's rounding error; so does every derivative. Products of two errors count with the unit of f32. A tape is `unsafe` once a value is near a kink or
// a pole, where that bound says nothing, or large.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace rill::trust::scalar {

using Real = long double;
using Sizes = std::vector<std::size_t>;

/// A function of one number: its value, its derivative, and where it has kinks.
struct Unary {
  Real (*value)(Real x);
  Real (*slope)(Real x);
  std::vector<Real> kinks = {};
  Real least = -1e30L;   // below, the function is not to be used
  Real slope_floor = 0;  // terms of this size cancel where the derivative is 0
};

class Tape {
 public:
  /// Results of leaves and constants carry no error: they are exact in the narrower type.
  int leaf(Real value) { return push({.value = value}); }

  int add(int a, int b) { return binary(a, b, v(a) + v(b), 1, 1, 0, 0); }
  int sub(int a, int b) { return binary(a, b, v(a) - v(b), 1, -1, 0, 0); }
  int mul(int a, int b) { return binary(a, b, v(a) * v(b), v(b), v(a), e(b), e(a), e(a) * e(b)); }
  int div(int a, int b) {
    const Real x = v(a), y = v(b);
    unsafe |= std::abs(y) < 0.1L;
    const Real to_b = -x / (y * y);
    return binary(a, b, x / y, 1 / y, to_b, e(b) / (y * y), e(a) / (y * y) + 2 * std::abs(to_b / y) * e(b));
  }
  int pow(int a, int b) {
    const Real x = v(a), y = v(b);
    unsafe |= x < 0.1L;
    const Real p = std::pow(x, y), l = std::log(x), mixed = std::abs(p / x * (1 + y * l));
    return binary(a, b, p, y * p / x, p * l, std::abs(y * (y - 1) * p) / (x * x) * e(a) + mixed * e(b),
                  mixed * e(a) + std::abs(p * l * l) * e(b));
  }
  int larger(int a, int b, bool largest) {
    unsafe |= a != b && std::abs(v(a) - v(b)) < margin;
    return (v(a) > v(b)) == largest ? a : b;
  }
  int scaled(int a, Real factor) { return binary(a, a, v(a) * factor, factor, 0, 0, 0); }
  int unary(int a, const Unary& f) {
    const Real x = v(a), h = 1e-5L;
    unsafe |= x < f.least + margin;
    for (const Real kink : f.kinks) unsafe |= std::abs(x - kink) < margin;
    if (unsafe) return a;
    const Real bend = std::abs(f.slope(x + h) - f.slope(x - h)) / (2 * h);
    return binary(a, a, f.value(x), f.slope(x), 0, bend * e(a) + f.slope_floor, 0, bend * e(a) * e(a));
  }

  Real value(int node) const { return v(node); }
  Real error(int node) const { return e(node); }

  /// The derivatives of `root` with regard to all nodes, and bounds of their errors.
  void backward(int root) {
    slopes.assign(nodes_.size(), 0);
    slope_errors.assign(nodes_.size(), 0);
    slopes[at(root)] = 1;
    for (std::size_t i = at(root) + 1; i-- > 0;) {
      const Node& node = nodes_[i];
      for (const Edge& edge : {node.a, node.b}) {
        if (edge.to < 0) continue;
        const Real part = slopes[i] * edge.slope;
        slopes[at(edge.to)] += part;
        slope_errors[at(edge.to)] += std::abs(edge.slope) * slope_errors[i] +
                                     std::abs(slopes[i]) * edge.error + unit * slope_errors[i] * edge.error +
                                     std::abs(part) + std::abs(slopes[at(edge.to)]);
      }
    }
  }
  Real slope(int node) const { return slopes[at(node)]; }
  Real slope_error(int node) const { return slope_errors[at(node)]; }

  std::size_t size() const { return nodes_.size(); }
  void cut_to(std::size_t size) { nodes_.resize(size); }
  bool unsafe = false;

 private:
  static constexpr Real margin = 0.02L, unit = 0x1p-23L;
  struct Edge {
    int to = -1;
    Real slope = 0, error = 0;
  };
  struct Node {
    Real value = 0, error = 0;
    Edge a = {}, b = {};
  };

  static std::size_t at(int node) { return static_cast<std::size_t>(node); }
  Real v(int node) const { return nodes_[at(node)].value; }
  Real e(int node) const { return nodes_[at(node)].error; }
  int push(const Node& node) {
    nodes_.push_back(node);
    return static_cast<int>(nodes_.size()) - 1;
  }
  // da and db: the derivatives; ea and eb: the bounds of their errors; second: what errors make of each other.
  int binary(int a, int b, Real value, Real da, Real db, Real ea, Real eb, Real second = 0) {
    unsafe |= !(std::abs(value) < 16);
    return push({value,
                 std::abs(da) * e(a) + std::abs(db) * e(b) + std::abs(value) + unit * second,
                 {a, da, ea + std::abs(da)},
                 {db != 0 || eb != 0 ? b : -1, db, eb + std::abs(db)}});
  }

  std::vector<Node> nodes_;
  std::vector<Real> slopes, slope_errors;
};

/// Nodes of a tape as a row-major array.
struct Array {
  Sizes sizes;
  std::vector<int> nodes;
};

inline std::size_t count(const Sizes& sizes) {
  std::size_t n = 1;
  for (const std::size_t each : sizes) n *= each;
  return n;
}

/// The index of every axis at element `i`.
inline Sizes index_of(std::size_t i, const Sizes& sizes) {
  Sizes index(sizes.size());
  for (std::size_t k = sizes.size(); k-- > 0; i /= sizes[k]) index[k] = i % sizes[k];
  return index;
}

/// Where `index` stands in `sizes`, which may have fewer axes, and axes of size 1 for any index.
inline std::size_t place_of(const Sizes& index, const Sizes& sizes) {
  std::size_t place = 0;
  const std::size_t skip = index.size() - sizes.size();
  for (std::size_t k = 0; k < sizes.size(); ++k)
    place = place * sizes[k] + (sizes[k] == 1 ? 0 : index[k + skip]);
  return place;
}

/// y[index] = make(index).
inline Array generate(const Sizes& sizes, const std::function<int(const Sizes& index)>& make) {
  Array y{sizes, {}};
  for (std::size_t i = 0; i < count(sizes); ++i) y.nodes.push_back(make(index_of(i, sizes)));
  return y;
}

inline int element(const Array& x, const Sizes& index) { return x.nodes[place_of(index, x.sizes)]; }

/// The common sizes of two operands; empty and false where they do not fit.
inline std::pair<Sizes, bool> broadcast(Sizes a, Sizes b) {
  if (a.size() < b.size()) std::swap(a, b);
  for (std::size_t k = 0; k < b.size(); ++k) {
    std::size_t& mine = a[a.size() - 1 - k];
    const std::size_t other = b[b.size() - 1 - k];
    if (mine != other && mine != 1 && other != 1) return {{}, false};
    mine = std::max(mine, other);
  }
  return {a, true};
}

inline Array zip(const Array& a, const Array& b, const std::function<int(int, int)>& f) {
  return generate(broadcast(a.sizes, b.sizes).first,
                  [&](const Sizes& i) { return f(element(a, i), element(b, i)); });
}

inline Array map(const Array& x, const std::function<int(int)>& f) {
  Array y = x;
  for (int& node : y.nodes) node = f(node);
  return y;
}

/// f of the elements that differ in the axes of `mask` alone; these stay, with size 1.
inline Array reduce(const Array& x, unsigned mask, const std::function<int(const std::vector<int>&)>& f) {
  Sizes sizes = x.sizes;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    if (mask >> k & 1) sizes[k] = 1;
  }
  std::vector<std::vector<int>> groups(count(sizes));
  for (std::size_t i = 0; i < x.nodes.size(); ++i)
    groups[place_of(index_of(i, x.sizes), sizes)].push_back(x.nodes[i]);
  return generate(sizes, [&](const Sizes& i) { return f(groups[place_of(i, sizes)]); });
}

inline int sum(Tape& tape, const std::vector<int>& group) {
  int total = group[0];
  for (std::size_t i = 1; i < group.size(); ++i) total = tape.add(total, group[i]);
  return total;
}

}  // namespace rill::trust::scalar
