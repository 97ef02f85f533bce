// What gradcheck() and gradgradcheck() refuse to check.
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/gradcheck.hpp>

using namespace rill;

TEST_CASE("gradcheck: a function without an f64 output is refused") {
  const TensorFunction indices = [](const std::vector<Tensor>& in) {
    return std::vector<Tensor>{in[0].to(DType::i64)};
  };
  CHECK_THROWS_WITH_AS(gradcheck(indices, {ones({2}, DType::f64).requires_grad_()}),
                       "gradcheck: the function returns no f64 tensor, expected at least one", Error);
}

TEST_CASE("gradgradcheck: an empty function is refused") {
  CHECK_THROWS_WITH_AS(gradgradcheck(TensorFunction(), {}),
                       "gradgradcheck: the function is empty, expected one", Error);
}
