// The one list of ops: tests, gradient checks and benchmarks iterate over it, and each op brings its own samples.
// Ops that only gradients use (slopes, curvatures, cross_entropy_backward) are reached through these.
#pragma once

#include <tuple>

#include <rill/core/ops/batch_norm.hpp>
#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/bounded_relu.hpp>
#include <rill/core/ops/cast.hpp>
#include <rill/core/ops/celu.hpp>
#include <rill/core/ops/compare.hpp>
#include <rill/core/ops/concat.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/dropout.hpp>
#include <rill/core/ops/elu.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/extreme.hpp>
#include <rill/core/ops/gather.hpp>
#include <rill/core/ops/gelu.hpp>
#include <rill/core/ops/index_select.hpp>
#include <rill/core/ops/layer_norm.hpp>
#include <rill/core/ops/leaky_relu.hpp>
#include <rill/core/ops/linear.hpp>
#include <rill/core/ops/logsumexp.hpp>
#include <rill/core/ops/math.hpp>
#include <rill/core/ops/matmul.hpp>
#include <rill/core/ops/maximum.hpp>
#include <rill/core/ops/nll_loss.hpp>
#include <rill/core/ops/one_hot.hpp>
#include <rill/core/ops/pair_loss.hpp>
#include <rill/core/ops/permute.hpp>
#include <rill/core/ops/pow.hpp>
#include <rill/core/ops/prelu.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/relu.hpp>
#include <rill/core/ops/reshape.hpp>
#include <rill/core/ops/selu.hpp>
#include <rill/core/ops/sigmoid.hpp>
#include <rill/core/ops/silu.hpp>
#include <rill/core/ops/slice.hpp>
#include <rill/core/ops/softmax.hpp>
#include <rill/core/ops/softplus.hpp>
#include <rill/core/ops/tanh.hpp>
#include <rill/core/ops/topk.hpp>
#include <rill/core/ops/var.hpp>
#include <rill/core/ops/where.hpp>

namespace rill::ops {

using OpList = std::tuple<
    Add, Sub, Mul, Div, Matmul, Linear, Sum, Mean, Expand, Reshape, Permute, Slice, Concat, Gather,
    IndexSelect, Cast, Softmax, CrossEntropy, Prelu, LayerNorm, BatchNorm, Dropout, Elementwise<Relu>,
    Elementwise<LeakyRelu>, Elementwise<BoundedRelu>, Elementwise<Elu>, Elementwise<Selu>, Elementwise<Celu>,
    Elementwise<Gelu>, Elementwise<GeluTanh>, Elementwise<Silu>, Elementwise<Softplus>, Elementwise<Tanh>,
    Elementwise<Sigmoid>, Neg, Elementwise<Exp>, Elementwise<Log>, Elementwise<Sqrt>, Elementwise<Rsqrt>,
    Elementwise<Reciprocal>, Elementwise<Abs>, Elementwise<Sin>, Elementwise<Cos>, Elementwise<Square>,
    Elementwise<Clamp>, Pow, Elementwise<PowOfNumber>, Maximum, Minimum, Where, Max, Min, Var, LogSumExp,
    TopK, LogSoftmax, NllLoss, MseLoss, L1Loss, HuberLoss, BinaryCrossEntropyWithLogits>;

/// Ops whose results require no gradient, ever.
using ConstantOpList =
    std::tuple<Compare<IsEqual>, Compare<IsNotEqual>, Compare<IsLess>, Compare<IsLessOrEqual>,
               Compare<IsGreater>, Compare<IsGreaterOrEqual>, ArgMax, ArgMin, OneHot>;

}  // namespace rill::ops
