// StateDict: what a callback or a metric has to remember where a run is stopped and resumed.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <rill/core/tensor.hpp>

namespace rill::optim {

/// Named numbers (NaN and infinities too), texts and tensors. What reads one throws Error, naming `where`, if it is not
/// there, or not of that kind.
struct StateDict {
  std::map<std::string, double> numbers = {};
  std::map<std::string, std::string> texts = {};
  std::map<std::string, Tensor> tensors = {};

  double number(const std::string& name, const char* where) const;
  /// A whole number, 0 or more.
  std::int64_t count(const std::string& name, const char* where) const;
  const std::string& text(const std::string& name, const char* where) const;
  const Tensor& tensor(const std::string& name, const char* where) const;

  /// For numbers that there may be.
  void set_optional(const std::string& name, std::optional<double> value);
  std::optional<double> optional(const std::string& name) const;
};

}  // namespace rill::optim
