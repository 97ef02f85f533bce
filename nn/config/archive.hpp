// Reading and writing of structs that describe their fields (check.hpp). Internal.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <rill/nn/config/check.hpp>
#include <rill/nn/config/json.hpp>

namespace rill::nn::config {

namespace detail {

template <class T>
concept Tagged = requires(T tagged) {
  std::visit([](auto&) {}, tagged.value);
};

template <class T>
concept PathOrObject = requires(T source) {
  typename T::Object;
  source.path;
};
using NumberOrText = std::variant<std::int64_t, std::string>;

/// The key that tells the alternatives of a Tagged apart.
template <class T>
constexpr std::string_view tag_of() {
  if constexpr (requires { T::tag; }) {
    return T::tag;
  } else {
    return "type";
  }
}

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class Variant>
struct Alternatives;
template <class... Each>
struct Alternatives<std::variant<Each...>> {
  static std::vector<std::string_view> names() { return {Each::type_name...}; }
  template <class Function>
  static void each(Function function) {
    (function(Each{}), ...);
  }
};

/// Whether an object of this kind can be given by its name alone: none of its fields is required.
struct RequiredCounter {
  int count = 0;
  template <class T>
  void required(std::string_view, T&, std::string_view, const Check& = {}) {
    ++count;
  }
  template <class T>
  void optional(std::string_view, T&, std::string_view, const Check& = {}) {}
};
template <class T>
bool needs_fields() {
  RequiredCounter counter;
  T fresh{};
  T::fields(fresh, counter);
  return counter.count > 0;
}

}  // namespace detail

/// Whether a key is for people and editors alone, and allowed in every object: "$schema", "$comment", or one that begins with
/// "//".
inline bool is_note(std::string_view key) {
  return key == "$schema" || key == "$comment" || key.starts_with("//");
}

/// Fills structs from a document. Every function throws Error, naming the place, for what does not fit; each key of an object
/// has to be known.
class Reader {
 public:
  template <class T>
  static void read(const Node& node, T& value, const Check& check = {}) {
    if constexpr (std::same_as<T, bool>) {
      value = node.boolean();
    } else if constexpr (std::same_as<T, double>) {
      value = node.number(check.low, check.high, check.open);
    } else if constexpr (std::same_as<T, std::int64_t>) {
      constexpr double whole = 9007199254740992.0;
      value = node.integer(static_cast<std::int64_t>(std::max(check.low, -whole)),
                           static_cast<std::int64_t>(std::min(check.high, whole)));
    } else if constexpr (std::same_as<T, std::string>) {
      if (!check.choices.empty()) choice(node, check);
      value = node.text();
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(choice(node, check));
    } else if constexpr (std::same_as<T, detail::NumberOrText>) {
      read_number_or_text(node, value);
    } else if constexpr (detail::PathOrObject<T>) {
      read_path_or_object(node, value);
    } else if constexpr (detail::IsVector<T>::value) {
      read_items(node, value, check);
    } else if constexpr (detail::IsOptional<T>::value) {
      read(node, value.emplace(), check);
    } else if constexpr (detail::Tagged<T>) {
      read_tagged(node, value);
    } else {
      node.expect_object();
      Reader reader(node);
      T::fields(value, reader);
      reader.finish();
    }
  }

  template <class T>
  void required(std::string_view key, T& value, std::string_view, const Check& check = {}) {
    if (!field(key, value, check) && missing_.empty()) missing_ = key;
  }
  template <class T>
  void optional(std::string_view key, T& value, std::string_view, const Check& check = {}) {
    field(key, value, check);
  }

 private:
  explicit Reader(Node node) : node_(std::move(node)) {}

  template <class T>
  bool field(std::string_view key, T& value, const Check& check) {
    const bool here = find(key), other = !check.alias.empty() && find(check.alias);
    if (here && other)
      node_.fail("both \"" + std::string(key) + "\" and \"" + std::string(check.alias) +
                 "\" are given, expected one of them");
    if (here) read(node_.at(std::string(key)), value, check);
    if (other) read(node_.at(std::string(check.alias)), value, check);
    return here || other;
  }
  bool find(std::string_view key) {
    known_.push_back(key);
    return node_.has(std::string(key));
  }

  // A key that is misspelt is unknown and missing: the first says more.
  void finish() const {
    for (const auto& [key, value] : node_.json().items()) {
      if (!is_note(key) && std::ranges::find(known_, key) == known_.end())
        node_.fail("unknown key " + in_quotes(key) + suggestion(key, known_));
    }
    if (!missing_.empty()) node_.fail(in_quotes(missing_) + " is missing, expected it");
  }

  // Where a text stands in the choices.
  static std::ptrdiff_t choice(const Node& node, const Check& check) {
    const std::string& text = node.text();
    const auto found = std::ranges::find(check.choices, text);
    if (found == check.choices.end())
      node.fail("unknown value " + in_quotes(text) + suggestion(text, check.choices));
    return found - check.choices.begin();
  }

  static void read_number_or_text(const Node& node, detail::NumberOrText& value) {
    if (node.is_string()) {
      value = node.text();
    } else if (node.json().is_number()) {
      read(node, value.emplace<std::int64_t>());
    } else {
      node.fail("got " + node.shown() + ", expected a number or a name");
    }
  }

  template <class T>
  static void read_path_or_object(const Node& node, T& value) {
    value = {};
    if (node.is_object()) return read(node, value.object);
    if (!node.is_string()) node.fail("got " + node.shown() + ", expected a path or an object");
    value.path = node.text();
    if (value.path.empty()) node.fail("the path is empty, expected one");
  }

  template <class T>
  static void read_items(const Node& node, std::vector<T>& values, const Check& check) {
    const std::size_t count = node.expect_array().size();
    if (count < check.min_items || count > check.max_items)
      node.fail("got " + node.shown() + ", expected " + std::to_string(check.min_items) + " to " +
                std::to_string(check.max_items));
    values.clear();
    for (std::size_t i = 0; i < count; ++i) {
      T value{};
      read(node[i], value, check);
      values.push_back(std::move(value));
    }
  }

  template <detail::Tagged T>
  static void read_tagged(const Node& node, T& tagged) {
    using List = detail::Alternatives<decltype(tagged.value)>;
    const std::string noun(T::noun), tag(detail::tag_of<T>());
    if (T::by_name && node.is_string()) {
      bool needs = false;
      const bool found =
          choose<T>(tagged, node.text(), [&]<class Each>(Each&) { needs = detail::needs_fields<Each>(); });
      if (!found)
        node.fail("unknown " + noun + " " + in_quotes(node.text()) + suggestion(node.text(), List::names()));
      if (needs)
        node.fail(noun + " " + in_quotes(node.text()) + " needs more than its name, expected an object");
      return;
    }
    if (!node.is_object())
      node.fail("got " + node.shown() + ", expected " + (T::by_name ? "a name or " : "") +
                "an object with \"" + tag + "\"");
    const Node type = node.at(tag);
    const bool found = choose<T>(tagged, type.text(), [&]<class Each>(Each& each) {
      Reader reader(node);
      reader.known_.push_back(detail::tag_of<T>());
      Each::fields(each, reader);
      reader.finish();
    });
    if (!found)
      type.fail("unknown " + noun + " " + in_quotes(type.text()) + suggestion(type.text(), List::names()));
  }

  // Gives `tagged` a fresh alternative of that name, which `then` fills.
  template <class T, class Then>
  static bool choose(T& tagged, const std::string& name, Then then) {
    bool found = false;
    detail::Alternatives<decltype(tagged.value)>::each([&]<class Each>(Each fresh) {
      if (Each::type_name != name) return;
      found = true;
      then(fresh);
      tagged.value = std::move(fresh);
    });
    return found;
  }

  Node node_;
  std::vector<std::string_view> known_;
  std::string_view missing_ = {};  // the first of the required keys
};

/// Makes documents of structs, every default written out, in the order of their fields; an optional that is empty is left
/// out. Throws Error for a number that is not finite, and a text that is not UTF-8.
class Writer {
 public:
  template <class T>
  static OrderedJson write(const T& value, const Check& check = {}) {
    if constexpr (std::is_enum_v<T>) {
      return check.choices.at(static_cast<std::size_t>(value));
    } else if constexpr (std::same_as<T, std::string>) {
      return utf8_text(value);
    } else if constexpr (std::same_as<T, detail::NumberOrText>) {
      return std::visit([](const auto& each) { return write(each); }, value);
    } else if constexpr (detail::PathOrObject<T>) {
      return value.object ? write(*value.object) : write(value.path);
    } else if constexpr (std::same_as<T, double>) {
      RILL_CHECK(value - value == 0, "config: a number is ", value, ", expected finite ones in json");
      return value;
    } else if constexpr (detail::IsVector<T>::value) {
      OrderedJson items = OrderedJson::array();
      for (const auto& item : value) items.push_back(write(item, check));
      return items;
    } else if constexpr (detail::IsOptional<T>::value) {
      return write(*value, check);
    } else if constexpr (detail::Tagged<T>) {
      return std::visit(
          []<class Each>(const Each& each) {
            Writer writer;
            writer.object_[std::string(detail::tag_of<T>())] = Each::type_name;
            Each::fields(each, writer);
            return writer.object_;
          },
          value.value);
    } else if constexpr (requires(Writer archive) { T::fields(value, archive); }) {
      Writer writer;
      T::fields(value, writer);
      return writer.object_;
    } else {
      return value;
    }
  }

  template <class T>
  void required(std::string_view key, const T& value, std::string_view, const Check& check = {}) {
    if constexpr (detail::IsOptional<T>::value) {
      if (!value) return;
    }
    object_[std::string(key)] = write(value, check);
  }
  template <class T>
  void optional(std::string_view key, const T& value, std::string_view doc, const Check& check = {}) {
    required(key, value, doc, check);
  }

 private:
  OrderedJson object_ = OrderedJson::object();
};

}  // namespace rill::nn::config
