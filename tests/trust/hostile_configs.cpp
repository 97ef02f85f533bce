// F5: from the JSON schemas of models and runs, every place that a document may have is made, and then made wrong in every
// way that the schema rules out: values of other kinds, out of bounds, 3.9 for a whole number, NaN, keys that are missing,
// unknown or there twice. Each has to be refused with the pointer of that place, or of the object that it stands in.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include <rill/core/error.hpp>
#include <rill/nn/config/model_config.hpp>
#include <rill/nn/model.hpp>
#include <rill/optim/run/run.hpp>

#include "checks.hpp"

namespace rill::trust {
namespace {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;

/// Draft 7, as far as rill's schemas use it.
class Schema {
 public:
  explicit Schema(const std::string& text) : root_(Json::parse(text)) {}
  const Json& root() const { return root_; }

  /// The schema itself, where it only refers to another one.
  const Json& resolve(const Json& schema) const {
    if (schema.contains("$ref"))
      return resolve(root_.at(Pointer(schema["$ref"].get<std::string>().substr(1))));
    if (schema.contains("allOf") && schema["allOf"].size() == 1 && schema["allOf"][0].contains("$ref"))
      return resolve(schema["allOf"][0]);
    return schema;
  }

  /// The alternatives of a schema, or itself.
  std::vector<Json> choices(const Json& schema) const {
    const Json& plain = resolve(schema);
    for (const char* key : {"oneOf", "anyOf"}) {
      if (plain.contains(key)) return plain[key].get<std::vector<Json>>();
    }
    return {plain};
  }

  bool admits(const Json& schema, const Json& value) const {
    int fitting = 0;
    for (const Json& choice : choices(schema)) fitting += admits_plain(choice, value);
    return fitting > 0;
  }

  /// A value that fits.
  Json example(const Json& schema) const {
    const Json plain = resolve(choices(schema).front());
    if (plain.contains("const")) return plain["const"];
    if (plain.contains("enum")) return plain["enum"][0];
    if (plain.contains("default") && !plain["default"].empty()) return plain["default"];
    const std::string type = plain["type"].is_array() ? plain["type"][0] : plain["type"];
    if (type == "boolean") return true;
    if (type == "string") return "a";
    if (type == "array") {
      Json items = Json::array();
      for (std::size_t i = 0; i < plain.value("minItems", std::size_t{0}); ++i)
        items.push_back(example(plain["items"]));
      return items;
    }
    if (type == "object") {
      Json object = Json::object();
      for (const Json& key : plain.value("required", Json::array()))
        object[key.get<std::string>()] = example(plain["properties"][key.get<std::string>()]);
      return object;
    }
    for (const Json& number : {Json(1), Json(2), Json(0.5), Json(0.1)}) {
      if (admits_plain(plain, number)) return number;
    }
    return plain.at("minimum");
  }

 private:
  static bool is_whole(const Json& value) {
    if (value.is_number_integer()) return true;
    return value.is_number_float() && value.get<double>() == std::floor(value.get<double>());
  }
  static bool has_type(const std::string& type, const Json& value) {
    if (type == "integer") return is_whole(value);
    if (type == "number") return value.is_number();
    return type == value.type_name();
  }

  bool admits_plain(const Json& schema, const Json& value) const {
    if (schema.contains("$ref")) return admits(schema, value);
    if (schema.contains("const")) return schema["const"] == value;
    if (schema.contains("type")) {
      const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
      if (std::none_of(types.begin(), types.end(),
                       [&](const Json& type) { return has_type(type.get<std::string>(), value); }))
        return false;
    }
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
      return false;
    if (value.is_number()) return in_bounds(schema, value.get<double>());
    if (value.is_string())
      return value.get<std::string>().size() >= schema.value("minLength", std::size_t{0});
    if (value.is_array()) return admits_items(schema, value);
    return !value.is_object() || admits_object(schema, value);
  }
  static bool in_bounds(const Json& schema, double value) {
    return value >= schema.value("minimum", value) && value <= schema.value("maximum", value) &&
           (!schema.contains("exclusiveMinimum") || value > schema["exclusiveMinimum"].get<double>());
  }
  bool admits_items(const Json& schema, const Json& value) const {
    if (value.size() < schema.value("minItems", std::size_t{0}) ||
        value.size() > schema.value("maxItems", value.size()))
      return false;
    return std::all_of(value.begin(), value.end(),
                       [&](const Json& item) { return admits(schema["items"], item); });
  }
  bool admits_object(const Json& schema, const Json& value) const {
    for (const Json& key : schema.value("required", Json::array())) {
      if (!value.contains(key.get<std::string>())) return false;
    }
    for (const auto& [key, part] : value.items()) {
      if (!schema["properties"].contains(key)) return false;
      if (!admits(schema["properties"][key], part)) return false;
    }
    return true;
  }

  Json root_;
};

struct Outcome {
  std::uint64_t places = 0, wrong = 0, accepted = 0, elsewhere = 0, good_refused = 0;
};

class Generator {
 public:
  using Read = std::function<void(const std::string& text)>;
  Generator(const std::string& schema, Read read, Outcome& outcome, Report& report)
      : schema_(schema), read_(std::move(read)), outcome_(outcome), report_(report) {}

  void run() { visit(schema_.example(schema_.root()), Pointer(), schema_.root(), 0); }

 private:
  /// `document` is right; `place` in it has that schema.
  void visit(Json document, const Pointer& place, const Json& of, int depth) {
    constexpr int deepest = 6;  // a sequential layer holds layers
    if (depth > deepest) return;
    ++outcome_.places;
    replace(document, place, of);
    for (const Json& choice : schema_.choices(of)) {
      document[place] = schema_.example(choice);
      expect_good(document);
      const Json& plain = schema_.resolve(choice);
      if (plain.contains("properties")) visit_object(document, place, plain, depth);
      if (plain.contains("items")) visit_items(document, place, plain, depth);
    }
  }

  void visit_object(const Json& document, const Pointer& place, const Json& schema, int depth) {
    wrong_keys(document, place, schema);
    for (const auto& [key, property] : schema["properties"].items()) {
      if (property.contains("const")) continue;  // which alternative it is
      Json changed = document;
      // One of two names is to be given.
      for (const Json& pair : schema.value("allOf", Json::array())) {
        const Json& names = pair["not"]["required"];
        if (key == names[0]) changed[place].erase(names[1].get<std::string>());
        if (key == names[1]) changed[place].erase(names[0].get<std::string>());
      }
      changed[place][key] = schema_.example(property);
      expect_good(changed);
      visit(changed, place / key, property, depth + 1);
    }
  }

  void visit_items(Json document, const Pointer& place, const Json& schema, int depth) {
    Json& items = document[place];
    if (items.empty()) items.push_back(schema_.example(schema["items"]));
    if (schema_.admits(schema, items)) visit(document, place / 0, schema["items"], depth + 1);
    const std::size_t most = schema.value("maxItems", std::size_t{0});
    if (most == 0 || most > 1000 || depth > 1) return;
    const Json item = items[0];
    items = Json::array();
    for (std::size_t i = 0; i <= most; ++i) items.push_back(item);
    expect_wrong(document.dump(), place);
  }

  void replace(Json document, const Pointer& place, const Json& of) {
    static const std::vector<Json> values{nullptr,
                                          true,
                                          -1,
                                          0,
                                          3.9,
                                          -0.5,
                                          1e300,
                                          -1e300,
                                          9007199254740993,
                                          std::uint64_t{1} << 63,
                                          INT64_MIN,
                                          "",
                                          "no such value",
                                          "1",
                                          std::string("\0", 1),
                                          Json::array(),
                                          Json::array({nullptr}),
                                          Json::array({Json::array()}),
                                          Json::object(),
                                          Json{{"type", "no such type"}},
                                          Json{{"no such key", 1}}};
    for (const Json& value : values) {
      document[place] = value;
      if (!schema_.admits(of, value)) expect_wrong(document.dump(), place);
    }
    // Numbers that JSON does not have, in the place of a text that it has.
    document[place] = "@";
    std::string text = document.dump();
    const std::size_t at = text.find("\"@\"");
    for (const char* number :
         {"NaN", "Infinity", "-Infinity", "1e400", "-1e400", "+1", "01", "0x1", "1.", ".5"})
      expect_wrong(std::string(text).replace(at, 3, number), place, true);
    for (const char* bound : {"minimum", "maximum", "exclusiveMinimum"}) {
      const Json& plain = schema_.resolve(of);
      if (!plain.contains(bound)) continue;
      const double edge = plain[bound].get<double>();
      const double outward = std::string(bound) == "maximum" ? INFINITY : -INFINITY;
      document[place] = std::string(bound) == "exclusiveMinimum" ? edge : std::nextafter(edge, outward);
      // 2^53 and its neighbours above are the same in f64.
      if (std::isfinite(document[place].get<double>()) && !schema_.admits(of, document[place]))
        expect_wrong(document.dump(), place);
    }
  }

  void wrong_keys(const Json& document, const Pointer& place, const Json& schema) {
    Json changed = document;
    for (const char* key : {"no_such_key", "", "Type", "/", "~"}) {
      changed[place][key] = 1;
      expect_wrong(changed.dump(), place);
      changed = document;
    }
    for (const Json& key : schema.value("required", Json::array())) {
      changed[place].erase(key.get<std::string>());
      expect_wrong(changed.dump(), place);
      changed = document;
    }
    for (const auto& [key, value] : document[place].items()) {
      changed[place]["@"] = value;
      std::string text = changed.dump();
      expect_wrong(text.replace(text.find("\"@\":"), 3, "\"" + key + "\""), place);
      changed = document;
    }
  }

  void expect_good(const Json& document) {
    try {
      read_(document.dump());
    } catch (const Error& error) {
      if (outcome_.good_refused++ == 0) report_.detail(document.dump() + " is refused: " + error.what());
    }
  }

  /// `line` allows the place to be given by line and column, which is how what is no JSON is refused.
  void expect_wrong(const std::string& text, const Pointer& place, bool line = false) {
    ++outcome_.wrong;
    try {
      read_(text);
      if (outcome_.accepted++ < 5) report_.detail("accepted: " + text);
    } catch (const Error& error) {
      const std::string message = error.what(), file = "x.json: ";
      const std::string parent = place.empty() ? "" : place.parent_pointer().to_string();
      const bool told = message.starts_with(file + (parent.empty() ? "" : parent)) ||
                        (line && message.starts_with("x.json:1:"));
      if (!told && outcome_.elsewhere++ < 5)
        report_.detail("expected " + place.to_string() + ": " + message + " of " + text);
    }
  }

  Schema schema_;
  Read read_;
  Outcome& outcome_;
  Report& report_;
};

}  // namespace

void check_hostile_configs(const Scale&, Report& report) {
  report.begin("F5");
  Outcome outcome;
  Generator(
      nn::model_schema(), [](const std::string& text) { nn::config::parse_model_config(text, "x.json"); },
      outcome, report)
      .run();
  Generator(
      optim::run_schema(), [](const std::string& text) { optim::parse_run(text, "x.json"); }, outcome, report)
      .run();
  report.at_least("places in models and runs that the schemas describe", outcome.places, 500);
  report.exactly("documents made right that are refused", outcome.good_refused, 0);
  report.at_least("documents made wrong", outcome.wrong, 10000);
  report.exactly("documents made wrong that are accepted", outcome.accepted, 0);
  report.exactly("documents made wrong that are refused without their place", outcome.elsewhere, 0);
}

}  // namespace rill::trust
