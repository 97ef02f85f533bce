// The ops of core/op_list.hpp as functions of a list of tensors, for tests that iterate over it.
#pragma once

#include <span>
#include <utility>

#include <rill/core/op_list.hpp>

#include "gradcheck.hpp"

namespace rill::test {

template <class Infer>
struct ArityOf;
template <class Op, class Result, class... Inputs>
struct ArityOf<Result (Op::*)(Inputs...) const> : std::integral_constant<std::size_t, sizeof...(Inputs)> {};

template <class Op>
constexpr std::size_t arity = ArityOf<decltype(&Op::infer)>::value;

/// Ops on any number of inputs.
template <class Op>
constexpr bool variadic = requires(const Op& op, std::span<const Tensor> inputs) {
  op.infer(inputs);
};

/// `run` on a list of inputs, with its floating results; it is an Op or a wrapper with the same inputs.
template <class Op, class Run>
Function function_of(const Run& run) {
  if constexpr (variadic<Op>) {
    return [run](const Tensors& all) { return Tensors{apply_list(run, all)}; };
  } else {
    return [run](const Tensors& inputs) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        auto results = apply(run, inputs[I]...);
        if constexpr (std::is_same_v<decltype(results), Tensor>) {
          return Tensors{results};
        } else {
          Tensors floating;  // the indices of topk have no gradient
          for (const Tensor& result : results) {
            if (is_floating(result.dtype())) floating.push_back(result);
          }
          return floating;
        }
      }
      (std::make_index_sequence<arity<Op>>());
    };
  }
}

/// The class weights of losses are constants by contract; every other floating input has a gradient.
template <class Op>
bool differentiable(std::size_t input, const Tensor& value) {
  constexpr bool weighted = std::is_same_v<Op, ops::CrossEntropy> || std::is_same_v<Op, ops::NllLoss> ||
                            std::is_same_v<Op, ops::BinaryCrossEntropyWithLogits>;
  if (weighted && input == 2) return false;
  return value.defined() && is_floating(value.dtype());
}

}  // namespace rill::test
