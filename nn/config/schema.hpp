// The JSON schema of structs that describe their fields (check.hpp), from the descriptions that read and write them. Internal.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <rill/nn/config/archive.hpp>

namespace rill::nn::config {

/// The JSON schema (draft 7) of what Reader accepts; tagged structs go into `definitions` under their noun.
class Schema {
 public:
  static constexpr const char* note_pattern = "^(//|\\$schema$|\\$comment$)";  // is_note()

  explicit Schema(OrderedJson& definitions) : definitions_(definitions) {}

  template <class T>
  OrderedJson of(const T& value, const Check& check = {}) {
    if constexpr (std::same_as<T, bool>) {
      return {{"type", "boolean"}};
    } else if constexpr (std::same_as<T, double> || std::same_as<T, std::int64_t>) {
      return number(std::same_as<T, double> ? "number" : "integer", check);
    } else if constexpr (std::same_as<T, detail::NumberOrText>) {
      return {{"type", {"integer", "string"}}, {"minimum", -9007199254740992}, {"maximum", 9007199254740992}};
    } else if constexpr (detail::PathOrObject<T>) {
      return {{"anyOf", {{{"type", "string"}, {"minLength", 1}}, of(typename T::Object{})}}};
    } else if constexpr (std::same_as<T, std::string> || std::is_enum_v<T>) {
      OrderedJson text{{"type", "string"}};
      if (!check.choices.empty()) text["enum"] = check.choices;
      return text;
    } else if constexpr (detail::IsVector<T>::value) {
      return {{"type", "array"},
              {"items", of(typename T::value_type{}, check)},
              {"minItems", check.min_items},
              {"maxItems", check.max_items}};
    } else if constexpr (detail::IsOptional<T>::value) {
      return of(typename T::value_type{}, check);
    } else if constexpr (detail::Tagged<T>) {
      return tagged(value);
    } else {
      return object(value);
    }
  }

  template <class T>
  OrderedJson object(const T& value, std::string_view type = {}, std::string_view tag = "type") {
    Schema inner(definitions_);
    if (!type.empty()) {
      inner.properties_[std::string(tag)] = {{"const", type}};
      inner.required_.push_back(std::string(tag));
    }
    T::fields(value, inner);
    OrderedJson result{{"type", "object"}, {"properties", inner.properties_}};
    if (!inner.required_.empty()) result["required"] = inner.required_;
    if (!inner.exclusive_.empty()) result["allOf"] = inner.exclusive_;
    result["patternProperties"] = {{note_pattern, true}};
    result["additionalProperties"] = false;
    return result;
  }

  template <class T>
  void required(std::string_view key, const T& value, std::string_view doc, const Check& check = {}) {
    field(key, value, doc, check);
    required_.push_back(std::string(key));
  }
  template <class T>
  void optional(std::string_view key, const T& value, std::string_view doc, const Check& check = {}) {
    OrderedJson& property = field(key, value, doc, check);
    if constexpr (!detail::IsOptional<T>::value) property["default"] = Writer::write(value, check);
  }

 private:
  static OrderedJson number(const char* type, const Check& check) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    OrderedJson result{{"type", type}};
    const auto bound = [&](double value) -> OrderedJson {
      constexpr double whole = 9007199254740992.0;
      if (std::abs(value) <= whole && value == std::floor(value)) return static_cast<std::int64_t>(value);
      return value;
    };
    if (check.low > -infinity) result[check.open ? "exclusiveMinimum" : "minimum"] = bound(check.low);
    if (check.high < infinity) result["maximum"] = bound(check.high);
    return result;
  }

  template <class T>
  OrderedJson& field(std::string_view key, const T& value, std::string_view doc, const Check& check) {
    // A reference has no room for a description of its own in draft 7.
    OrderedJson type = of(value, check);
    OrderedJson property = type;
    // No choice by ?: here: clang 14 loses the memory of a list in one of its branches.
    if (type.contains("$ref")) property = {{"allOf", OrderedJson::array({type})}};
    property["description"] = doc;
    // The alias first: a new key moves those before it.
    if (!check.alias.empty()) {
      properties_[std::string(check.alias)] = type;
      exclusive_.push_back({{"not", {{"required", {key, check.alias}}}}});
    }
    return properties_[std::string(key)] = property;
  }

  template <detail::Tagged T>
  OrderedJson tagged(const T&) {
    const std::string noun(T::noun);
    if (!definitions_.contains(noun)) {
      definitions_[noun] = OrderedJson::object();  // a layer may hold layers
      OrderedJson names = OrderedJson::array(), kinds = OrderedJson::array();
      detail::Alternatives<decltype(T::value)>::each([&]<class Each>(const Each& fresh) {
        if (T::by_name && !detail::needs_fields<Each>()) names.push_back(Each::type_name);
        kinds.push_back(object(fresh, Each::type_name, detail::tag_of<T>()));
      });
      if (!names.empty()) kinds.insert(kinds.begin(), OrderedJson{{"enum", names}});
      definitions_[noun] = {{"oneOf", kinds}};
    }
    return {{"$ref", "#/definitions/" + noun}};
  }

  OrderedJson& definitions_;
  OrderedJson properties_ = OrderedJson::object();
  std::vector<std::string> required_;
  OrderedJson exclusive_ = OrderedJson::array();
};

}  // namespace rill::nn::config
