// Where a Keras model says the shape of its inputs.
#include <limits>
#include <string>

#include <rill/nn/keras/chain.hpp>
#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {
namespace {

bool is_model(const Node& entry) {
  if (!entry.has("class_name") || !entry.has("config")) return false;
  const Json& kind = entry.json().at("class_name");
  return kind == "Sequential" || kind == "Functional" || kind == "Model";
}

std::optional<Sizes> shape_under(const Node& object, const char* key, bool with_batch) {
  if (!object.has(key) || object.at(key).is_null()) return {};
  return read_shape(object.at(key), with_batch);
}

std::optional<Sizes> shape_told_by(const Node& entry) {
  if (entry.has("config")) {
    const Node config = entry.at("config");
    for (const char* key : {"batch_shape", "batch_input_shape", "build_input_shape"}) {
      if (auto shape = shape_under(config, key, true)) return shape;
    }
    if (auto shape = shape_under(config, "input_shape", false)) return shape;
  }
  if (is_model(entry)) {
    const std::vector<Node> layers = layers_in_order(entry);
    if (!layers.empty()) {
      if (auto shape = shape_told_by(layers.front())) return shape;
    }
  }
  return entry.has("build_config") ? shape_under(entry.at("build_config"), "input_shape", true)
                                   : std::nullopt;
}

}  // namespace

std::int64_t elements_of(const Sizes& sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) {
    if (__builtin_mul_overflow(count, size, &count)) return std::numeric_limits<std::int64_t>::max();
  }
  return count;
}

std::string shown(const Sizes& sizes) {
  std::string text = "[";
  for (const std::int64_t size : sizes) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

Sizes read_shape(const Node& value, bool with_batch) {
  const std::optional<std::vector<Node>> items = items_of(value);
  const std::size_t first = with_batch ? 1 : 0;
  if (!items || items->size() <= first || items->size() > 7 + first)
    value.fail("got " + value.shown() + ", expected 1 to 7 sizes" +
               (with_batch ? " behind that of the batch" : ""));
  Sizes sizes;
  for (std::size_t i = first; i < items->size(); ++i) {
    const Node& size = (*items)[i];
    if (size.is_null()) size.fail("a size is null, expected a number; only that of the batch may be open");
    sizes.push_back(size.integer(1, config::max_units));
  }
  return sizes;
}

Sizes input_shape_of(const Node& model) {
  if (const std::optional<Sizes> shape = shape_told_by(model)) return *shape;
  model.fail(
      "the model has no input shape, expected one in its first layer; build it in Keras with an Input or "
      "with input_shape=(…) before it is written");
}

}  // namespace rill::nn::keras
