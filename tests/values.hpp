// What the tests of ops read and make: elements as f64, the text of an error, leaves of f64.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::test {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

inline std::vector<double> values_of(const Tensor& x) {
  const Tensor wide = x.detach().to(DType::f64);
  return {wide.data<double>().begin(), wide.data<double>().end()};
}

/// The text of the Error that `call` throws.
template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

inline Tensor leaf(const NestedList& list) { return tensor(list, DType::f64).requires_grad_(); }

}  // namespace rill::test
