#include <algorithm>
#include <cstring>

#include <rill/core/bits.hpp>

namespace rill::detail {

void copy_values(const Tensor& from, Tensor& to) {
  dispatch(to.dtype(), [&]<class T>(T) { std::ranges::copy(from.data<T>(), to.mutable_data<T>().begin()); });
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  bool same = true;
  dispatch(a.dtype(), [&]<class T>(T) {
    const auto x = a.data<T>(), y = b.data<T>();
    same = x.empty() || std::memcmp(x.data(), y.data(), x.size_bytes()) == 0;
  });
  return same;
}

}  // namespace rill::detail
