// What a config's fields may hold. A struct that a config describes has one function, which reading, writing and the JSON
// schema all follow:
//
//   struct DropoutConfig {
//     static constexpr std::string_view type_name = "dropout";
//     double p = 0.5;
//     template <class Self, class Archive>
//     static void fields(Self& self, Archive& archive) {
//       archive.optional("p", self.p, "share of elements that become 0", between(0, 1));
//     }
//   };
//
// archive.required(key, member, doc, check) is for a key that has to be there, archive.optional(…) for one whose default
// is the member's value in a fresh object. Members are bool, std::int64_t, double, std::string, enums (one_of() names
// their values, from 0 on), a variant of std::int64_t and std::string, structs with fields, structs with a member `value` that is
// a variant of such structs (told apart by their key "type", or what the struct says in `tag`), structs with a type `Object` of that
// kind whose members `path` and `object` are given by a text or by an object, and std::vector and std::optional of these.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <vector>

namespace rill::nn::config {

struct Check {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open = false;                              ///< `low` itself is not allowed
  std::vector<std::string_view> choices = {};     ///< of a text; none for any
  std::size_t min_items = 0, max_items = 100000;  ///< of an array
  std::string_view alias = {};                    ///< another name of the key, that is read but not written
};

/// The largest f32, for numbers that layers compute with.
inline constexpr double most = 3.4028234663852886e38;

inline Check between(double low, double high) { return {.low = low, .high = high}; }
inline Check at_least(double low, double high = most) { return {.low = low, .high = high}; }
inline Check above(double low, double high = most) { return {.low = low, .high = high, .open = true}; }
inline Check finite() { return {.low = -most, .high = most}; }
inline Check one_of(std::vector<std::string_view> choices) { return {.choices = std::move(choices)}; }
inline Check items(std::size_t low, std::size_t high = 100000) {
  return {.min_items = low, .max_items = high};
}
inline Check also_named(std::string_view alias, Check check) {
  check.alias = alias;
  return check;
}

}  // namespace rill::nn::config
