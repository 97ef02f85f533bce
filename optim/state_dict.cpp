#include <cmath>

#include <rill/optim/state_dict.hpp>

namespace rill::optim {
namespace {

template <class Map>
const auto& entry_of(const Map& map, const std::string& name, const char* where, const char* kind) {
  const auto found = map.find(name);
  RILL_CHECK(found != map.end(), where, ": state has no ", kind, " \"", name, "\", expected one");
  return found->second;
}

}  // namespace

double StateDict::number(const std::string& name, const char* where) const {
  return entry_of(numbers, name, where, "number");
}

std::int64_t StateDict::count(const std::string& name, const char* where) const {
  const double value = number(name, where);
  RILL_CHECK(value >= 0 && value < 0x1p53 && value == std::trunc(value), where, ": state \"", name, "\" is ",
             value, ", expected a whole number, 0 or more");
  return static_cast<std::int64_t>(value);
}

const std::string& StateDict::text(const std::string& name, const char* where) const {
  return entry_of(texts, name, where, "text");
}

const Tensor& StateDict::tensor(const std::string& name, const char* where) const {
  return entry_of(tensors, name, where, "tensor");
}

void StateDict::set_optional(const std::string& name, std::optional<double> value) {
  if (value) numbers[name] = *value;
}

std::optional<double> StateDict::optional(const std::string& name) const {
  const auto found = numbers.find(name);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace rill::optim
