// What the tests draw as inputs of gradient checks, and the checks under a seed and a label.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <rill/core/bits.hpp>
#include <rill/core/create.hpp>
#include <rill/core/gradcheck.hpp>
#include <rill/core/sample.hpp>

namespace rill::test {

using Tensors = std::vector<Tensor>;
using Function = TensorFunction;
using rill::detail::same_bits;

/// Numbers of both signs, between 0.1 and 1.5 from 0: no kink within reach of the stencil.
inline Tensor random_tensor(const Shape& shape, Stream& stream, bool positive = false) {
  Tensor result = empty(shape, DType::f64);
  for (double& value : result.mutable_data<double>()) {
    const bool negative = !positive && stream.below(2) == 0;
    value = (negative ? -1 : 1) * stream.uniform(0.1, 1.5);
  }
  return result;
}

/// What a sample asks for, without a gradient; undefined for an absent input.
inline Tensor draw(const SampleInput& input, Stream& stream) {
  switch (input.kind) {
    case SampleInput::Kind::real:
      return random_tensor(input.shape, stream);
    case SampleInput::Kind::positive:
      return random_tensor(input.shape, stream, true);
    case SampleInput::Kind::labels: {
      Tensor labels = empty(input.shape, DType::i64);
      for (std::int64_t& label : labels.mutable_data<std::int64_t>())
        label = static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(input.classes)));
      return labels;
    }
    case SampleInput::Kind::absent:
      break;
  }
  return {};
}

inline GradcheckResult check_gradient(const Function& function, const Tensors& inputs, Stream stream,
                                      const std::string& label) {
  return gradcheck(function, inputs, {.seed = stream.next(), .label = label});
}

inline GradcheckResult check_second_order(const Function& function, const Tensors& inputs, Stream stream,
                                          const std::string& label) {
  return gradgradcheck(function, inputs, {.seed = stream.next(), .label = label});
}

}  // namespace rill::test
