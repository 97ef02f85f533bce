// An object of a Keras document, read key by key: what is neither read nor known to change nothing is refused. Internal, as
// nn/config/json.hpp, like all of nn/keras.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rill/nn/config/check.hpp>
#include <rill/nn/config/json.hpp>

namespace rill::nn::keras {

using config::Json;
using config::Node;

/// What a number may be: from `low` to `high`, or above `low` where `open`.
struct Range {
  double low = -config::most;
  double high = config::most;
  bool open = false;
};

class Fields {
 public:
  /// `owner` names the object in messages: LeakyReLU "leaky_re_lu". Throws Error for what is no object.
  Fields(const Node& object, std::string owner);

  const Node& node() const { return node_; }
  const std::string& owner() const { return owner_; }

  /// The value of a key, if there is one; null is one.
  std::optional<Node> find(std::string_view key);
  /// The same without null.
  std::optional<Node> given(std::string_view key);

  // Each throws Error, naming owner, key and value, for a value of another kind. Without the key it is the fallback.

  bool boolean(std::string_view key, bool fallback);
  double number(std::string_view key, double fallback, const Range& range);
  /// The same for a key that has to be there.
  double number(std::string_view key, const Range& range);

  /// Keys whose values change nothing.
  void ignore(std::initializer_list<std::string_view> keys);
  /// Keys of what rill does not have. Throws Error for a value other than null and false.
  void refuse_set(std::initializer_list<std::string_view> keys);
  /// Throws Error for a key that was not asked for.
  void finish() const;

  /// Throws Error: "alpha of LeakyReLU "x" is null, expected a number".
  [[noreturn]] void refuse(std::string_view key, const Node& value, const std::string& expected) const;

 private:
  double read_number(std::string_view key, const Node& value, const Range& range) const;

  Node node_;
  std::string owner_;
  std::vector<std::string_view> known_ = {};
};

/// The items of a list, which may be an array or Keras' {"class_name": "__tuple__" or "TensorShape", "items": […]}; none if it
/// is neither.
std::optional<std::vector<Node>> items_of(const Node& value);

/// Throws Error for a "registered_name" or a "module" of an object, which `what` names, that is not of Keras: keras, tf_keras,
/// keras_core or tensorflow, or a part of these. A program's own may have the name of one of Keras'.
void check_origin(const Node& object, const std::string& what);
/// Whether a module is of Keras, as above.
bool is_keras_module(std::string_view module);

}  // namespace rill::nn::keras
