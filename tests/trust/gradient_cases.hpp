// Every op of core/op_list.hpp at random arguments, as a function of leaves whose gradients can be checked; and with an error
// planted in one of its gradients.
//
// Inputs are leaves, slices, rows, reshapes and transposes of leaves, and at times one leaf is several inputs. Their
// elements differ by 0.021 or more in their absolute values, so that no kink is within reach of differences. Formulas with
// an in-place form are tried in that form as well.
#pragma once

#include <string_view>
#include <vector>

#include "../gradcheck.hpp"

namespace rill::trust {

/// How an input is made from a leaf.
enum class InputView { none, slice, row, reshape, transpose };

/// Where an input comes from.
struct InputSource {
  std::size_t leaf;
  InputView view;
  Shape shape;
};

/// An op at random arguments, as a function of leaves.
struct GradientCase {
  std::vector<InputSource> sources;  // of the op's inputs
  test::Tensors leaves;
  test::Function function;
  bool inplace = false;
};

/// Makes the gradient of one input too large by a millionth, or, for `second`, leaves it right and makes its own gradient too
/// large.
struct Planting {
  static constexpr std::size_t none = ~std::size_t{0};
  std::size_t input = none;
  bool second = false;
};

/// An op of the list. Where `plain`, every input is a leaf of its own.
struct ListedOp {
  std::string_view name;
  GradientCase (*random_case)(Stream stream, bool plain, const Planting& planting);
};

/// All of them, in the order of the list.
std::vector<ListedOp> listed_ops();

}  // namespace rill::trust
