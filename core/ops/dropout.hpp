// dropout: elements zeroed at random, the others scaled up (Srivastava, Hinton, et al., JMLR 15, 2014).
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y_i = x_i · m_i, where m_i is 0 with probability p, else 1/(1 - p), so that the mean of y is x. Element i's draw is
/// number i of the stream (seed, Purpose::dropout, call): the mask is the same for any number of threads, and is not kept:
/// the gradient is the same op on g. What is dropped is multiplied by 0, so that NaN and infinity do not vanish.
struct Dropout {
  static constexpr std::string_view name = "dropout";
  double p = 0.5;
  std::uint64_t seed = 0, call = 0;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const { return apply(*this, g[0]); }
  static std::vector<Sample<Dropout>> samples();
};

}  // namespace ops

/// Every element 0 with probability p, else x/(1 - p); another `call`, or another seed, is another mask. For p = 1 all
/// are 0. Throws Error for p outside of [0, 1], for i64, and for 2^34 elements and more.
Tensor dropout(const Tensor& x, double p, std::uint64_t seed, std::uint64_t call = 0);

}  // namespace rill
