#include <doctest/doctest.h>

#include "keras.hpp"

namespace {

using namespace rill;
using test::Json;
using test::keras_dense;
using test::keras_error;
using test::keras_layer;
using test::keras_model;

const std::string layer_1 = "m.json: /config/layers/1";

// The message about a model of one layer, without the place of that layer.
std::string error_of(const Json& layer, const std::vector<std::int64_t>& shape = {4}) {
  const std::string message = keras_error(keras_model(Json::array({layer}), shape));
  return message.starts_with(layer_1) ? message.substr(layer_1.size()) : message;
}
std::string error_of(const char* class_name, const Json& config) {
  Json named = config;
  named["name"] = "l";
  return error_of(keras_layer(class_name, named));
}

// The message about a document's text.
std::string error_of_text(const std::string& text) {
  const test::TempDir folder;
  const std::string path = folder.write("m.json", text);
  try {
    nn::load_model(path);
  } catch (const Error& error) {
    return std::string(error.what()).substr(path.size() - 6);
  }
  return "accepted";
}

Json object(const char* name, const Json& config) { return {{"class_name", name}, {"config", config}}; }

}  // namespace

TEST_CASE("keras: a slope is null, no number or negative: layer, key and value are named") {
  const std::string wanted = ", expected a finite number, 0 or more";
  CHECK(error_of("LeakyReLU", {{"alpha", nullptr}}) ==
        "/config/alpha: alpha of LeakyReLU \"l\" is null" + wanted);
  CHECK(error_of("LeakyReLU", {{"negative_slope", "0.3"}}) ==
        "/config/negative_slope: negative_slope of LeakyReLU \"l\" is \"0.3\"" + wanted);
  CHECK(error_of("LeakyReLU", {{"alpha", -0.5}}) ==
        "/config/alpha: alpha of LeakyReLU \"l\" is -0.5" + wanted);
  CHECK(error_of("LeakyReLU", {{"alpha", 1e39}}) ==
        "/config/alpha: alpha of LeakyReLU \"l\" is 1e+39" + wanted);
  CHECK(error_of("LeakyReLU", {{"alpha", {{"type", "ndarray"}, {"value", {1, 2}}}}}) ==
        "/config/alpha/value: alpha of LeakyReLU \"l\" is an array of 2" + wanted);
  CHECK(error_of("LeakyReLU", {{"alpha", 1}, {"negative_slope", 1}}) ==
        "/config: both alpha and negative_slope of LeakyReLU \"l\" are given, expected one of them");
  CHECK(error_of("ELU", {{"alpha", nullptr}}) == "/config/alpha: alpha of ELU \"l\" is null" + wanted);
  CHECK(error_of("ReLU", {{"max_value", -1}}) == "/config/max_value: max_value of ReLU \"l\" is -1" + wanted);
  CHECK(error_of("ReLU", {{"threshold", 2}, {"max_value", 1}}) ==
        "/config/max_value: max_value of ReLU \"l\" is 1, expected a finite number, 2 or more");
  CHECK(error_of("ThresholdedReLU", {{"theta", true}}) ==
        "/config/theta: theta of ThresholdedReLU \"l\" is true" + wanted);
}

TEST_CASE("keras: NaN and infinity, as Python writes them, are refused with their line") {
  const std::string start =
      "{\"class_name\": \"Sequential\",\n\"config\": [{\"class_name\": \"LeakyReLU\", \"config\": "
      "{\"alpha\": ";
  CHECK(error_of_text(start + "NaN}}]}")
            .starts_with("m.json:2:60: syntax error while parsing value - invalid literal"));
  CHECK(error_of_text(start + "1e999}}]}") ==
        "m.json:2:64: a number is beyond f64, expected a magnitude up to 1.8e308");
}

TEST_CASE("keras: code is refused by name") {
  const std::string reason =
      " holds code of the program that wrote the model, which rill never runs, expected layers of "
      "Keras; replace it by layers";
  CHECK(error_of(keras_layer("Lambda", {{"function", {{"class_name", "__lambda__"}}}})) ==
        "/class_name: \"Lambda\"" + reason);
  CHECK(error_of(keras_layer("TFOpLambda")) == "/class_name: \"TFOpLambda\"" + reason);
  CHECK(error_of(keras_dense(
            2, {{"activation", {{"class_name", "__lambda__"}, {"config", {{"value", "4w=="}}}}}})) ==
        "/config/activation/class_name: unknown activation \"__lambda__\", expected one of relu, relu6, elu, "
        "selu, gelu, "
        "gelu_new, silu, swish, softplus, tanh, sigmoid, softmax, log_softmax, linear, leaky_relu, celu, "
        "identity");
  CHECK(error_of(keras_dense(
            2, {{"activation", {{"class_name", "function"}, {"module", "builtins"}, {"config", "f"}}}})) ==
        "/config/activation/config: the function \"f\" of Dense \"Dense\" is one of the program that wrote "
        "the model, "
        "expected one of Keras'");
}

TEST_CASE("keras: unknown layers are refused with the nearest name") {
  CHECK(error_of(keras_layer("Densee")) == "/class_name: unknown layer \"Densee\"; did you mean \"Dense\"?");
  CHECK(error_of(keras_layer("Conv2D")) ==
        "/class_name: unknown layer \"Conv2D\", expected one of Dense, Flatten, Dropout, Activation, "
        "LeakyReLU, ReLU, ELU, "
        "PReLU, ThresholdedReLU, Softmax, BatchNormalization, LayerNormalization, Reshape, Rescaling, "
        "Sequential, "
        "Functional, "
        "InputLayer");
}

TEST_CASE("keras: layers of the program's own with a name of Keras' are refused") {
  Json layer = keras_dense(2);
  layer["registered_name"] = "my>Dense";
  CHECK(error_of(layer) ==
        "/registered_name: the layer \"my>Dense\" is not Keras' own, expected layers of Keras");
  layer["registered_name"] = nullptr;
  layer["module"] = "my_layers";
  CHECK(error_of(layer) ==
        "/module: the module \"my_layers\" of the layer is not Keras' own, expected layers of Keras");
  for (const char* module : {"kerasplus", "keras_nlp.layers", "tensorflow_addons.layers", "tf_keras_x"}) {
    layer["module"] = module;
    CHECK(error_of(layer) == "/module: the module \"" + std::string(module) +
                                 "\" of the layer is not Keras' own, expected layers of Keras");
  }
  for (const char* module : {"", "keras", "keras.layers", "keras.src.layers.core.dense", "tf_keras.layers",
                             "keras_core.layers.core.dense", "tensorflow.keras.layers"}) {
    layer["module"] = module;
    CHECK(test::keras_error(keras_model(Json::array({layer}))) == "accepted");
  }
}

TEST_CASE("keras: activations and initializers of the program's own with a name of Keras' are refused") {
  const Json slope{{"negative_slope", 0.5}};
  const auto with = [](const char* key, Json value) { return error_of(keras_dense(2, {{key, value}})); };
  CHECK(with("activation", {{"class_name", "LeakyReLU"}, {"module", "my_app"}, {"config", slope}}) ==
        "/config/activation/module: the module \"my_app\" of the activation is not Keras' own, expected "
        "activations of Keras");
  CHECK(with("activation",
             {{"class_name", "LeakyReLU"}, {"registered_name", "my>LeakyReLU"}, {"config", slope}}) ==
        "/config/activation/registered_name: the activation \"my>LeakyReLU\" is not Keras' own, expected "
        "activations of Keras");
  CHECK(with("activation", {{"class_name", "function"}, {"module", "kerasplus"}, {"config", "gelu"}}) ==
        "/config/activation/config: the function \"gelu\" of Dense \"Dense\" is one of the program that "
        "wrote the "
        "model, expected one of Keras'");
  CHECK(with("kernel_initializer",
             {{"class_name", "Zeros"}, {"module", "my_app"}, {"config", Json::object()}}) ==
        "/config/kernel_initializer/module: the module \"my_app\" of the initializer is not Keras' own, "
        "expected "
        "initializers of Keras");
}

TEST_CASE("keras: activations that rill does not have are refused by name") {
  const std::string names =
      ", expected one of relu, relu6, elu, selu, gelu, gelu_new, silu, swish, softplus, tanh, sigmoid, "
      "softmax, log_softmax, linear, leaky_relu, celu, identity";
  for (const char* name : {"hard_sigmoid", "softsign", "exponential", "mish"})
    CHECK(error_of("Activation", {{"activation", name}}) ==
          "/config/activation: rill has no activation \"" + std::string(name) + "\"" + names);
  CHECK(error_of("Activation", {{"activation", "leaky_rleu"}}) ==
        "/config/activation: unknown activation \"leaky_rleu\"; did you mean \"leaky_relu\"?");
  CHECK(error_of("Activation", {{"activation", 3}}) ==
        "/config/activation: activation of Activation \"l\" is 3, expected a name or a layer");
  CHECK(error_of("Activation", Json::object()) ==
        "/config: activation of Activation \"l\" is missing, expected a name");
  CHECK(error_of("Dense", {{"units", 2}, {"activation", object("PReLU", Json::object())}}) ==
        "/config/activation/class_name: the activation of Dense \"l\" is a PReLU, expected one without "
        "weights; make it a "
        "layer of its own");
}

TEST_CASE("keras: regularizers and constraints are refused with what to do") {
  const std::string place = "/config/kernel_regularizer: kernel_regularizer of Dense \"l\" is ";
  const std::string reason = ", expected null, as rill's losses have no such term; ";
  const auto with = [](const char* key, const Json& value) {
    return error_of("Dense", {{"units", 2}, {key, value}});
  };
  CHECK(with("kernel_regularizer", object("L2", {{"l2", 0.0001}})) ==
        place + "\"L2\" with l2 0.0001" + reason +
            "train with weight_decay 0.0002, which is the same for SGD and Adam and acts on every weight, or "
            "load with "
            "drop_regularizers");
  CHECK(with("kernel_regularizer", object("L1L2", {{"l1", 0.5}, {"l2", 0.25}})) ==
        place + "\"L1L2\" with l1 0.5 and l2 0.25" + reason +
            "load with drop_regularizers to train without it");
  CHECK(with("kernel_regularizer", "l1") ==
        place + "\"l1\" with l1 0.01" + reason + "load with drop_regularizers to train without it");
  CHECK(with("activity_regularizer", object("L2", {{"l2", 0.5}})) ==
        "/config/activity_regularizer: activity_regularizer of Dense \"l\" is \"L2\" with l2 0.5" + reason +
            "load with drop_regularizers to train without it");
  CHECK(with("bias_constraint", object("NonNeg", Json::object())) ==
        "/config/bias_constraint: bias_constraint of Dense \"l\" is \"NonNeg\", expected null, as rill "
        "constrains no weights; "
        "load with drop_regularizers to train without it");
  CHECK(error_of("PReLU", {{"alpha_constraint", "non_neg"}})
            .starts_with("/config/alpha_constraint: alpha_constraint of PReLU"));
  CHECK(error_of("ReLU", {{"activity_regularizer", "l2"}}).starts_with("/config/activity_regularizer: "));
  CHECK(error_of("BatchNormalization", {{"gamma_regularizer", "l2"}})
            .starts_with("/config/gamma_regularizer: "));
}

TEST_CASE("keras: initializers that rill does not have are refused") {
  CHECK(error_of("Dense", {{"units", 2}, {"kernel_initializer", object("Identity", Json::object())}}) ==
        "/config/kernel_initializer/class_name: rill has no initializer \"Identity\" for kernel_initializer "
        "of Dense \"l\", "
        "expected one of GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Zeros, "
        "Ones, Constant, "
        "VarianceScaling, RandomNormal, RandomUniform, Orthogonal, TruncatedNormal, Uniform, Normal");
  CHECK(error_of("Dense",
                 {{"units", 2}, {"kernel_initializer", object("VarianceScaling", {{"mode", "fan_geo"}})}}) ==
        "/config/kernel_initializer/config/mode: mode of initializer \"VarianceScaling\" is \"fan_geo\", "
        "expected one of "
        "fan_in, fan_out, fan_avg");
  CHECK(error_of("Dense", {{"units", 2}, {"kernel_initializer", object("HeNormal", {{"gain", 2}})}}) ==
        "/config/kernel_initializer/config: unknown key \"gain\" of initializer \"HeNormal\", expected keys "
        "of Keras' layer of "
        "that name");
  CHECK(error_of("PReLU", {{"alpha_initializer", "random_uniform"}}) ==
        "/config/alpha_initializer: alpha_initializer of PReLU \"l\" is \"random_uniform\", expected an "
        "initializer that gives "
        "every element one value, as Zeros");
  CHECK(
      error_of("BatchNormalization", {{"gamma_initializer", "zeros"}}) ==
      "/config/gamma_initializer: gamma_initializer of BatchNormalization \"l\" is \"zeros\", expected Ones");
  CHECK(error_of("BatchNormalization", {{"moving_variance_initializer", "zeros"}}) ==
        "/config/moving_variance_initializer: moving_variance_initializer of BatchNormalization \"l\" is "
        "\"zeros\", expected "
        "Ones");
}

TEST_CASE("keras: units and rates are checked, not converted") {
  CHECK(error_of("Dense", Json::object()) ==
        "/config: units of Dense \"l\" is missing, expected a whole number");
  CHECK(error_of("Dense", {{"units", 3.9}}) ==
        "/config/units: 3.9 is not whole, expected a whole number from 1 to 16777216");
  CHECK(error_of("Dense", {{"units", -5}}) ==
        "/config/units: -5 is out of range, expected a whole number from 1 to 16777216");
  CHECK(error_of("Dense", {{"units", 2}, {"use_bias", 1}}) ==
        "/config/use_bias: use_bias of Dense \"l\" is 1, expected true or false");
  CHECK(error_of("Dropout", Json::object()) ==
        "/config: rate of Dropout \"l\" is missing, expected a number from 0 to 1");
  CHECK(error_of("Dropout", {{"rate", 1.5}}) ==
        "/config/rate: rate of Dropout \"l\" is 1.5, expected a number from 0 to 1");
  CHECK(error_of("Rescaling", Json::object()) ==
        "/config: scale of Rescaling \"l\" is missing, expected a finite number");
  CHECK(error_of("Rescaling", {{"scale", {1, 2}}}) ==
        "/config/scale: scale of Rescaling \"l\" is an array of 2, expected a finite number");
  CHECK(error_of("Dropout", {{"rate", 0.5}, {"noise_shape", {1}}}) ==
        "/config/noise_shape: noise_shape of Dropout \"l\" is an array of 1, expected none, which is what "
        "rill has");
}

TEST_CASE("keras: unknown keys are refused") {
  CHECK(error_of("Dense", {{"units", 2}, {"use_bais", true}}) ==
        "/config: unknown key \"use_bais\" of Dense \"l\"; did you mean \"use_bias\"?");
  Json layer = keras_dense(2);
  layer["inbound_node"] = Json::array();
  CHECK(error_of(layer) == ": unknown key \"inbound_node\" of Dense; did you mean \"inbound_nodes\"?");
  Json model = keras_model(Json::array({keras_dense(2)}));
  model["config"]["repeat"] = 2;
  CHECK(keras_error(model) ==
        "m.json: /config: unknown key \"repeat\" of Sequential \"net\", expected keys of Keras' layer of "
        "that name");
}

TEST_CASE("keras: shapes that rill's layers do not take are refused") {
  const auto at = [](const char* name, Json config, const std::vector<std::int64_t>& shape) {
    config["name"] = "l";
    return error_of(keras_layer(name, config), shape);
  };
  CHECK(at("PReLU", Json::object(), {28, 28}) ==
        ": the slopes of PReLU \"l\" are [28, 28] for inputs of [28, 28], expected one slope, or one for "
        "each index of the "
        "first dimension; share the other axes with shared_axes, or put a Flatten before it");
  CHECK(at("PReLU", {{"shared_axes", {3}}}, {28, 28}) ==
        "/config/shared_axes/0: 3 is out of range, expected a whole number from 1 to 2");
  CHECK(at("BatchNormalization", Json::object(), {3, 4}) ==
        ": the axis of BatchNormalization \"l\" is not the first of inputs of [3, 4], expected [features] "
        "or, with axis 1, "
        "[channels, length]; put a Flatten before it");
  CHECK(at("BatchNormalization", {{"axis", 0}}, {4}) ==
        "/config/axis: the axis of BatchNormalization \"l\" is the batch, expected another");
  CHECK(at("LayerNormalization", {{"axis", 1}}, {3, 4}) ==
        ": the axes of LayerNormalization \"l\" are not the last of inputs of [3, 4], expected those");
  CHECK(at("Flatten", {{"data_format", "channels_first"}}, {3, 4}) ==
        "/config/data_format: data_format of Flatten \"l\" is \"channels_first\", expected \"channels_last\" "
        "for inputs of "
        "[3, 4]");
  CHECK(at("Reshape", {{"target_shape", {4, 3}}}, {3, 4}) ==
        "/config/target_shape: target_shape of Reshape \"l\" is [4, 3] for inputs of [3, 4], expected [12], "
        "which rill does "
        "with a flatten");
  CHECK(at("Softmax", {{"axis", 2}}, {4}) ==
        "/config/axis: 2 is out of range, expected a whole number from -2 to 1");
}

TEST_CASE("keras: dtypes that rill does not have, or that differ, are refused") {
  CHECK(error_of("ELU", {{"dtype", "float16"}}) ==
        "/config/dtype: dtype of ELU \"l\" is \"float16\", expected float32, float64, mixed_float16 or "
        "mixed_bfloat16");
  CHECK(error_of("ELU", {{"dtype", object("QuantizedDTypePolicy", Json::object())}}) ==
        "/config/dtype/class_name: unknown dtype policy \"QuantizedDTypePolicy\", expected DTypePolicy or "
        "Policy");
  CHECK(keras_error(keras_model(Json::array(
            {keras_layer("ELU", {{"dtype", "float64"}}), keras_layer("ELU", {{"dtype", "float32"}})}))) ==
        "m.json: /config/layers/2/config/dtype: dtype of ELU \"ELU\" is \"float32\", expected the same in "
        "all layers, and "
        "others have another");
}

TEST_CASE("keras: input shapes that are missing or open are refused") {
  CHECK(keras_error(object("Sequential", Json::array({keras_layer("ELU")}))) ==
        "m.json: the model has no input shape, expected one in its first layer; build it in Keras with an "
        "Input or with "
        "input_shape=(…) before it is written");
  const auto shape = [](const Json& sizes) {
    return keras_error(
        object("Sequential", Json::array({keras_layer("ELU", {{"batch_input_shape", sizes}})})));
  };
  const std::string place = "m.json: /config/0/config/batch_input_shape";
  CHECK(shape({nullptr, nullptr, 3}) ==
        place + "/1: a size is null, expected a number; only that of the batch may be open");
  CHECK(shape(Json::array({nullptr})) ==
        place + ": got an array of 1, expected 1 to 7 sizes behind that of the batch");
  CHECK(shape("x") == place + ": got \"x\", expected 1 to 7 sizes behind that of the batch");
  CHECK(shape({nullptr, 0}) == place + "/1: 0 is out of range, expected a whole number from 1 to 16777216");
  CHECK(shape({nullptr, 1 << 20, 1 << 20}) ==
        "m.json: a sample of [1048576, 1048576] has more than 268435456 elements, expected no more");
}

TEST_CASE("keras: more parameters than allowed are refused at their layer") {
  CHECK(keras_error(keras_model(Json::array({keras_dense(2), keras_dense(1000)})), {.max_parameters = 500}) ==
        "m.json: /config/layers/2: the model has more than 500 parameters, expected no more");
}

TEST_CASE("keras: documents that are no model are refused") {
  CHECK(keras_error({{"class_name", "Dense"}, {"config", Json::object()}}) ==
        "m.json: /class_name: the model is a \"Dense\", expected Sequential or Functional");
  CHECK(keras_error({{"format", "layers-model"}}) == "m.json: \"modelTopology\" is missing, expected it");
  CHECK(keras_error({{"format", "tfjs"}}) ==
        "m.json: /format: unknown format \"tfjs\", expected \"layers-model\"");
  CHECK(keras_error({{"class_name", "Sequential"}}) == "m.json: \"config\" is missing, expected it");
  CHECK(keras_error({{"modelTopology", {{"node", Json::array()}}}})
            .starts_with("m.json: /modelTopology/node: this is a TensorFlow graph-model"));
  Json model = keras_model(Json::array());
  CHECK(keras_error(model) == "m.json: the model has no layers that compute anything, expected one or more");
  model["keras_version"] = "1.2.2";
  CHECK(keras_error(model) ==
        "m.json: /keras_version: the model is of Keras 1.2.2, expected 2 or later; load and save it there");
}
