// Numbers that PyTorch computed, from the JSON files in tests/golden/, and how to compare with them.
#pragma once

#include <cmath>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rill/core/create.hpp>

namespace rill::test {

using Json = nlohmann::json;

/// The cases of a file in tests/golden/. Tests run in the folder of the repository.
inline Json golden_cases(const std::string& file) {
  const std::string path = "tests/golden/" + file;
  std::ifstream in(path);
  if (!in) throw std::runtime_error(path + ": cannot be read; run the tests in the folder of the repository");
  return Json::parse(in).at("cases");
}

/// A number; "nan", "inf" and "-inf" are written as text.
inline double golden_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.get<std::string>();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  throw std::runtime_error("golden: no number: " + text);
}

/// The stored tensor; floating ones as `dtype`.
inline Tensor golden_tensor(const Json& stored, DType dtype = DType::f64) {
  const std::vector<std::int64_t> sizes = stored.at("shape");
  const bool floating = stored.at("dtype") == "f64";
  if (!floating && stored.at("dtype") != "i64") throw std::runtime_error("golden: unknown dtype");
  Tensor result = empty(Shape(sizes), floating ? dtype : DType::i64);
  const Json& data = stored.at("data");
  if (static_cast<std::int64_t>(data.size()) != result.numel())
    throw std::runtime_error("golden: wrong size");
  rill::dispatch(result.dtype(), [&]<class T>(T) {
    const auto out = result.mutable_data<T>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      if constexpr (std::is_same_v<T, std::int64_t>) {
        out[i] = data[i].get<std::int64_t>();
      } else {
        out[i] = static_cast<T>(golden_number(data[i]));
      }
    }
  });
  return result;
}

/// |Δ| of two numbers as a share of max(1, |expected|): 0 where both are equal or NaN.
inline double golden_error(double got, double expected) {
  if (got == expected || (std::isnan(got) && std::isnan(expected)))
    return 0;  // zeros of both signs are equal
  const double error = std::abs(got - expected) / std::max(1.0, std::abs(expected));
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

/// The largest golden_error() of all elements; infinite if the shapes differ. Elements at which `leave_out` is NaN
/// do not count.
inline double golden_error(const Tensor& got, const Json& stored, const Tensor& leave_out = {}) {
  const Tensor expected = golden_tensor(stored).to(DType::f64), wide = got.detach().to(DType::f64);
  if (wide.shape() != expected.shape()) return std::numeric_limits<double>::infinity();
  const bool masked = leave_out.defined() && leave_out.shape() == expected.shape();
  double worst = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(wide.numel()); ++i) {
    if (masked && std::isnan(leave_out.data<double>()[i])) continue;
    worst = std::max(worst, golden_error(wide.data<double>()[i], expected.data<double>()[i]));
  }
  return worst;
}

/// The bound on golden_error(): CONTRACT.md.
inline double golden_bound(DType dtype) { return dtype == DType::f64 ? 1e-12 : 3e-6; }

}  // namespace rill::test
