// JSON documents, of people and of files that rill has written: read strictly, and with the place of every value for messages.
//
// Invariants: no key stands twice in an object, nesting is at most 100 deep, and a document has at most so many bytes, values
// and keys, so what it takes in memory and time is bounded. Numbers are finite. Internal: nlohmann's types do not leave nn/config and its
// users in .cpp files. Threads: functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include <rill/core/error.hpp>
#include <rill/nn/config/nearest.hpp>

namespace rill::nn::config {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // for what is written, in the order of writing

inline constexpr std::size_t max_json_depth = 100;

/// Room for a model of 1,000 layers with every default written out, and for the names of 100,000 columns; a document as
/// large as that, and wrong at its end, is refused within 50 ms. A key costs five times as much as a value.
inline constexpr std::size_t max_json_bytes = std::size_t{2} << 20;
inline constexpr std::size_t max_json_values = 150'000;
inline constexpr std::size_t max_json_keys = 45'000;

/// A key as a part of a JSON pointer (RFC 6901) in a message: on one line, without control bytes, cut after 100 bytes.
std::string pointer_token(std::string_view key);

/// Reads a document. Throws Error, starting with `where` and the line and column, for what is no JSON in UTF-8, numbers beyond f64, and
/// what the invariants exclude.
Json parse_json(std::string_view text, const std::string& where);

/// The document in a file. Throws Error as io::read_file does, too.
Json read_json(const std::string& path);

/// The text itself, which JSON can hold. Throws Error if it is not UTF-8.
const std::string& utf8_text(const std::string& text);

/// A value of a document with its place: the name of the file, and a JSON pointer. Valid as long as the document.
class Node {
 public:
  Node(const Json& value, std::string where, std::string pointer = "")
      : value_(&value), where_(std::move(where)), pointer_(std::move(pointer)) {}

  const Json& json() const { return *value_; }
  const std::string& pointer() const { return pointer_; }
  const std::string& file() const { return where_; }
  /// "model.json: /layers/1", or the file alone for the whole document.
  std::string where() const { return pointer_.empty() ? where_ : where_ + ": " + pointer_; }

  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_null() const { return value_->is_null(); }
  std::size_t size() const { return value_->size(); }

  bool has(const std::string& key) const { return value_->is_object() && value_->contains(key); }
  /// Throws Error where there is no such key; operator[] of an array wants an index that there is.
  Node at(const std::string& key) const;
  Node operator[](std::size_t index) const;

  // Each throws Error, naming the place, if the value is of another kind.

  const std::string& text() const;
  bool boolean() const;
  /// A finite number in [low, high], or (low, high] where `open`.
  double number(double low, double high, bool open = false) const;
  /// A whole number in [low, high]; 3.0 is one, 3.9 is not.
  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  const Node& expect_object() const;
  const Node& expect_array() const;

  /// The value for messages, short: `"relu"`, 3.9, an array of 3, an object, null.
  std::string shown() const;
  [[noreturn]] void fail(const std::string& what) const { rill::detail::fail(where() + ": " + what); }

 private:
  const Json* value_;
  std::string where_, pointer_;
};

/// A number for messages and files: as few digits as read back the same f64.
std::string number_text(double value);

}  // namespace rill::nn::config
