#include <algorithm>
#include <array>

#include <rill/nn/keras/fields.hpp>

namespace rill::nn::keras {
namespace {

std::string text_of(const Range& range) {
  const bool low = range.low > -config::most, high = range.high < config::most;
  if (low && high)
    return "a number " + std::string(range.open ? "above " : "from ") + config::number_text(range.low) +
           (range.open ? " and up to " : " to ") + config::number_text(range.high);
  if (!low) return "a finite number";
  return "a finite number" + (range.open ? " above " + config::number_text(range.low)
                                         : ", " + config::number_text(range.low) + " or more");
}

}  // namespace

Fields::Fields(const Node& object, std::string owner)
    : node_(object.expect_object()), owner_(std::move(owner)) {}

std::optional<Node> Fields::find(std::string_view key) {
  known_.push_back(key);
  const std::string name(key);
  if (!node_.has(name)) return {};
  return node_.at(name);
}

std::optional<Node> Fields::given(std::string_view key) {
  std::optional<Node> value = find(key);
  if (value && value->is_null()) value.reset();
  return value;
}

bool Fields::boolean(std::string_view key, bool fallback) {
  const std::optional<Node> value = find(key);
  if (!value) return fallback;
  if (!value->json().is_boolean()) refuse(key, *value, "true or false");
  return value->boolean();
}

double Fields::read_number(std::string_view key, const Node& value, const Range& range) const {
  if (!value.json().is_number()) refuse(key, value, text_of(range));
  const double number = value.json().get<double>();
  if (!(range.open ? number > range.low : number >= range.low) || !(number <= range.high))
    refuse(key, value, text_of(range));
  return number;
}

double Fields::number(std::string_view key, double fallback, const Range& range) {
  std::optional<Node> value = find(key);
  if (!value) return fallback;
  // Keras before 2.0.6 wrote arrays of one number.
  if (value->has("type") && value->has("value")) {
    value = value->at("value");
    if (value->is_array() && value->size() == 1) value = (*value)[0];
  }
  return read_number(key, *value, range);
}

double Fields::number(std::string_view key, const Range& range) {
  const std::optional<Node> value = find(key);
  if (!value) node_.fail(std::string(key) + " of " + owner_ + " is missing, expected " + text_of(range));
  return read_number(key, *value, range);
}

void Fields::ignore(std::initializer_list<std::string_view> keys) {
  known_.insert(known_.end(), keys.begin(), keys.end());
}

void Fields::refuse_set(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const std::optional<Node> value = given(key);
    if (value && value->json() != Json(false)) refuse(key, *value, "none, which is what rill has");
  }
}

void Fields::finish() const {
  for (const auto& [key, value] : node_.json().items()) {
    if (std::ranges::find(known_, key) != known_.end()) continue;
    const std::string_view near = config::nearest(key, known_);
    node_.fail("unknown key " + config::in_quotes(key) + " of " + owner_ +
               (near.empty() ? ", expected keys of Keras' layer of that name"
                             : "; did you mean \"" + std::string(near) + "\"?"));
  }
}

void Fields::refuse(std::string_view key, const Node& value, const std::string& expected) const {
  value.fail(std::string(key) + " of " + owner_ + " is " + value.shown() + ", expected " + expected);
}

std::optional<std::vector<Node>> items_of(const Node& value) {
  Node list = value;
  if (list.has("class_name") && list.has("items")) {
    const Json& kind = list.json().at("class_name");
    if (kind != "__tuple__" && kind != "TensorShape") return {};
    list = list.at("items");
  }
  if (!list.is_array()) return {};
  std::vector<Node> items;
  for (std::size_t i = 0; i < list.size(); ++i) items.push_back(list[i]);
  return items;
}

bool is_keras_module(std::string_view module) {
  constexpr std::array<std::string_view, 4> roots{"keras", "tf_keras", "keras_core", "tensorflow"};
  return std::ranges::find(roots, module.substr(0, module.find('.'))) != roots.end();
}

void check_origin(const Node& object, const std::string& what) {
  const std::string own = " is not Keras' own, expected " + what + "s of Keras";
  if (object.has("registered_name") && object.at("registered_name").is_string() &&
      object.at("registered_name").text().find('>') != std::string::npos)
    object.at("registered_name").fail("the " + what + " " + object.at("registered_name").shown() + own);
  if (!object.has("module") || object.at("module").is_null()) return;
  const std::string& module = object.at("module").text();
  if (!module.empty() && !is_keras_module(module))
    object.at("module").fail("the module " + config::in_quotes(module) + " of the " + what + own);
}

}  // namespace rill::nn::keras
