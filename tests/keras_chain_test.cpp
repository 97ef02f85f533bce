#include <doctest/doctest.h>

#include "keras.hpp"

namespace {

using namespace rill;
using test::Json;
using test::keras_dense;
using test::keras_error;
using test::keras_layer;

Json called(Json layer, const char* name, const Json& inbound) {
  layer["config"]["name"] = name;
  layer["name"] = name;
  layer["inbound_nodes"] = inbound;
  return layer;
}

Json from(const char* name) {
  return Json::array({Json::array({Json::array({name, 0, 0, Json::object()})})});
}

// in -> a -> b, as Keras 2 writes it.
Json functional() {
  const Json input =
      called(keras_layer("InputLayer", {{"batch_input_shape", {nullptr, 3}}}), "in", Json::array());
  return {
      {"class_name", "Functional"},
      {"config",
       {{"name", "net"},
        {"layers", {input, called(keras_dense(3), "a", from("in")), called(keras_dense(3), "b", from("a"))}},
        {"input_layers", {{"in", 0, 0}}},
        {"output_layers", {{"b", 0, 0}}}}}};
}

template <class Change>
std::string changed(Change change) {
  Json model = functional();
  change(model["config"]);
  return keras_error(model);
}

const std::string chain = ", expected a chain of layers, each with one input";

}  // namespace

TEST_CASE("keras: a functional chain is read in the order of its calls") {
  CHECK(keras_error(functional()) == "accepted");
  Json model = functional();
  model["class_name"] = "Model";
  std::swap(model["config"]["layers"][0], model["config"]["layers"][2]);
  CHECK(test::load_keras(model).network.size() == 2);
}

TEST_CASE("keras: layers that join, branch or are used twice are refused by name") {
  CHECK(changed([](Json& config) {
          config["layers"][2]["inbound_nodes"][0].push_back({"in", 0, 0, Json::object()});
        }) == "m.json: /config/layers/2/inbound_nodes/0: the \"Dense\" layer \"b\" joins 2 inputs" + chain);
  CHECK(changed([](Json& config) { config["layers"][2]["inbound_nodes"] = from("in"); }) ==
        "m.json: /config/layers/2: the output of \"in\" is read twice" + chain);
  CHECK(changed([](Json& config) {
          config["layers"][2]["inbound_nodes"].push_back({{"in", 0, 0, Json::object()}});
        }) == "m.json: /config/layers/2/inbound_nodes: the \"Dense\" layer \"b\" is used 2 times" + chain +
                  " and used once");
  CHECK(changed([](Json& config) {
          const Json add{{"class_name", "__keras_tensor__"}, {"config", {{"keras_history", {"a", 0, 0}}}}};
          config["layers"][2]["inbound_nodes"] = {{{"args", {{add, add}}}, {"kwargs", Json::object()}}};
        }) ==
        "m.json: /config/layers/2/inbound_nodes/0/args: the \"Dense\" layer \"b\" joins several inputs" +
            chain);
}

TEST_CASE("keras: chains that do not go from input to output are refused") {
  CHECK(changed([](Json& config) { config["layers"][1]["inbound_nodes"] = from("b"); }) ==
        "m.json: /config/layers: only 1 of 3 layers follow from the input" + chain);
  CHECK(changed([](Json& config) {
          config["output_layers"] = {{"a", 0, 0}};
        }) == "m.json: /config/output_layers: the output is not the last layer \"b\", expected it");
  CHECK(changed([](Json& config) {
          config["output_layers"] = {{"a", 0, 0}, {"b", 0, 0}};
        }) == "m.json: /config/output_layers: the model has 2 of them, expected one");
  CHECK(changed([](Json& config) {
          config["input_layers"] = {{"a", 0, 0}};
        }) == "m.json: /config/input_layers: the input is not the first layer \"in\", expected it");
  CHECK(changed([](Json& config) { config["layers"][1]["inbound_nodes"] = Json::array(); }) ==
        "m.json: /config/layers/1: the model has two inputs" + chain);
  CHECK(changed([](Json& config) { config["layers"][1]["name"] = "b"; }) ==
        "m.json: /config/layers/2: two layers have the name \"b\", expected different ones");
}

TEST_CASE("keras: layers that are called with options are refused") {
  CHECK(changed([](Json& config) {
          config["layers"][2]["inbound_nodes"][0][0][3] = {{"training", false}};
        }) ==
        "m.json: /config/layers/2/inbound_nodes/0/0/3: the \"Dense\" layer \"b\" is called with "
        "\"training\", expected its "
        "input alone");
  CHECK(changed([](Json& config) {
          config["layers"][2]["inbound_nodes"][0][0][3] = {{"mask", nullptr}};
        }) == "accepted");
  CHECK(changed([](Json& config) { config["layers"][2]["inbound_nodes"][0][0][2] = 1; }) ==
        "m.json: /config/layers/2/inbound_nodes/0/0: the \"Dense\" layer \"b\" reads output 1 of a layer, "
        "expected its only "
        "one, 0");
  CHECK(changed([](Json& config) { config["layers"][2]["inbound_nodes"][0][0] = "a"; }) ==
        "m.json: /config/layers/2/inbound_nodes/0/0: got \"a\", expected [name, node, tensor]");
}
