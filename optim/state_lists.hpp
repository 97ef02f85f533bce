// Lists of numbers in saved states as tensors of one dimension, and the texts that such numbers stand for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::optim::detail {

/// The longest text that a number in a file may stand for: it is copied for each of them, and a small file could fill the memory.
inline constexpr std::size_t max_shared_text = 500;

/// [values]
template <Element T>
Tensor list_tensor(const std::vector<T>& values) {
  return tensor(std::span<const T>(values), Shape{std::ssize(values)});
}

/// The numbers of a tensor. Throws Error, starting with `what`, for another dtype or more dimensions.
template <Element T>
std::span<const T> list_of(const Tensor& values, const std::string& what) {
  RILL_CHECK(values.dtype() == dtype_of<T>() && values.dim() == 1, what, " is ", values.dtype(), " ",
             values.shape(), ", expected ", dtype_of<T>(), " [n]");
  return values.data<T>();
}

/// Throws Error, starting with `what`, for more than max_shared_text bytes.
inline void check_shared_text(const std::string& text, const std::string& what) {
  RILL_CHECK(text.size() <= max_shared_text, what, " has ", text.size(), " bytes, expected at most ",
             max_shared_text);
}

}  // namespace rill::optim::detail
