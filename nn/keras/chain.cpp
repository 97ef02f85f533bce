#include <map>
#include <set>
#include <string>

#include <rill/nn/keras/chain.hpp>
#include <rill/nn/keras/fields.hpp>

namespace rill::nn::keras {
namespace {

std::string name_in(const Node& entry) {
  return entry.has("name") ? entry.at("name").text() : entry.at("config").at("name").text();
}

std::string shown_layer(const Node& entry) {
  return config::in_quotes(entry.at("class_name").text()) + " layer " + config::in_quotes(name_in(entry));
}

constexpr const char* chain = ", expected a chain of layers, each with one input";

// The name in ["dense", 0, 0] or ["dense", 0, 0, {}].
std::string tensor_name(const Node& tensor, const Node& entry) {
  if (!tensor.is_array() || tensor.size() < 3 || !tensor[0].is_string())
    tensor.fail("got " + tensor.shown() + ", expected [name, node, tensor]");
  if (tensor[2].integer(0, config::max_json_values) != 0)
    tensor.fail("the " + shown_layer(entry) + " reads output " + tensor[2].shown() +
                " of a layer, expected its only one, 0");
  return tensor[0].text();
}

// training, mask and whatever else a layer was called with.
void refuse_options(const Node& options, const Node& entry) {
  for (const auto& [key, value] : options.expect_object().json().items()) {
    if (!value.is_null())
      options.fail("the " + shown_layer(entry) + " is called with " + config::in_quotes(key) +
                   ", expected its input alone");
  }
}

std::string keras_3_source(const Node& call, const Node& entry) {
  refuse_options(call.at("kwargs"), entry);
  const Node arguments = call.at("args").expect_array();
  if (arguments.size() != 1 || !arguments[0].has("class_name") ||
      arguments[0].at("class_name").json() != "__keras_tensor__")
    arguments.fail("the " + shown_layer(entry) + " joins several inputs" + chain);
  return tensor_name(arguments[0].at("config").at("keras_history"), entry);
}

std::string keras_2_source(const Node& call, const Node& entry) {
  if (call.expect_array().size() != 1)
    call.fail("the " + shown_layer(entry) + " joins " + std::to_string(call.size()) + " inputs" + chain);
  if (call[0].is_array() && call[0].size() > 3) refuse_options(call[0][3], entry);
  return tensor_name(call[0], entry);
}

// The name of the layer whose output an entry reads; empty for an input layer.
std::string source_of(const Node& entry) {
  const Node calls = entry.at("inbound_nodes").expect_array();
  if (calls.size() == 0) return {};
  if (calls.size() > 1)
    calls.fail("the " + shown_layer(entry) + " is used " + std::to_string(calls.size()) + " times" + chain +
               " and used once");
  return calls[0].is_object() ? keras_3_source(calls[0], entry) : keras_2_source(calls[0], entry);
}

// The one layer that "input_layers" or "output_layers" names: [["dense", 0, 0]], or ["dense", 0, 0] in Keras 3.
std::string end_of(const Node& config, const char* key) {
  const Node ends = config.at(key).expect_array();
  if (ends.size() == 3 && ends[0].is_string()) return ends[0].text();
  if (ends.size() != 1) ends.fail("the model has " + std::to_string(ends.size()) + " of them, expected one");
  if (!ends[0].is_array() || ends[0].size() < 1)
    ends[0].fail("got " + ends[0].shown() + ", expected [name, node, tensor]");
  return ends[0][0].text();
}

std::vector<Node> chain_of(const Node& config) {
  const Node layers = config.at("layers").expect_array();
  std::map<std::string, std::size_t> reader;  // of each layer's output, "" is that of the model's input
  std::set<std::string> names;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!names.insert(name_in(layers[i])).second)
      layers[i].fail("two layers have the name " + config::in_quotes(name_in(layers[i])) +
                     ", expected different ones");
    const std::string source = source_of(layers[i]);
    if (!reader.emplace(source, i).second)
      layers[i].fail(source.empty()
                         ? "the model has two inputs" + std::string(chain)
                         : "the output of " + config::in_quotes(source) + " is read twice" + chain);
  }
  std::vector<Node> ordered;
  std::string last;
  while (ordered.size() < layers.size()) {
    const auto next = reader.find(last);
    if (next == reader.end()) break;
    ordered.push_back(layers[next->second]);
    last = name_in(ordered.back());
    if (ordered.size() == 1 && end_of(config, "input_layers") != last)
      config.at("input_layers")
          .fail("the input is not the first layer " + config::in_quotes(last) + ", expected it");
  }
  if (ordered.size() < layers.size())
    layers.fail("only " + std::to_string(ordered.size()) + " of " + std::to_string(layers.size()) +
                " layers follow from the input" + chain);
  if (!layers.size() || end_of(config, "output_layers") != last)
    config.at("output_layers")
        .fail("the output is not the last layer " + config::in_quotes(last) + ", expected it");
  return ordered;
}

}  // namespace

std::vector<Node> layers_in_order(const Node& model) {
  const std::string& kind = model.at("class_name").text();
  const Node config = model.at("config");
  if (kind != "Sequential") return chain_of(config);
  const Node list = config.is_array() ? config : config.at("layers").expect_array();
  std::vector<Node> layers;
  for (std::size_t i = 0; i < list.size(); ++i) layers.push_back(list[i]);
  return layers;
}

}  // namespace rill::nn::keras
