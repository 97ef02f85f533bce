// Reading, writing, and the JSON schema of structs that describe their fields (check.hpp). Internal.
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
      if (std::ranges::find(known_, key) == known_.end())
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
/// out. Throws Error for a number that is not finite.
class Writer {
 public:
  template <class T>
  static OrderedJson write(const T& value, const Check& check = {}) {
    if constexpr (std::is_enum_v<T>) {
      return check.choices.at(static_cast<std::size_t>(value));
    } else if constexpr (std::same_as<T, detail::NumberOrText>) {
      return std::visit([](const auto& each) -> OrderedJson { return each; }, value);
    } else if constexpr (detail::PathOrObject<T>) {
      return value.object ? write(*value.object) : OrderedJson(value.path);
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

/// The JSON schema (draft 7) of what Reader accepts; tagged structs go into `definitions` under their noun.
class Schema {
 public:
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
      return check.choices.empty() ? OrderedJson{{"type", "string"}}
                                   : OrderedJson{{"type", "string"}, {"enum", check.choices}};
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
    OrderedJson& property = properties_[std::string(key)];
    property = type.contains("$ref") ? OrderedJson{{"allOf", {type}}} : type;
    property["description"] = doc;
    if (!check.alias.empty()) {
      properties_[std::string(check.alias)] = type;
      exclusive_.push_back({{"not", {{"required", {key, check.alias}}}}});
    }
    return property;
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
