#include <doctest/doctest.h>

#include "keras.hpp"

namespace {

using namespace rill;
using test::Json;
using test::keras_dense;
using test::TfjsModel;

TfjsModel small() {
  return {test::keras_model(Json::array({keras_dense(2, {{"name", "d"}})}), {2}),
          {{"d/kernel", {2, 2}, {2, -1, 3, 4}}, {"d/bias", {2}, {0.5F, -1}}}};
}

std::string with_path(const std::string& path) {
  TfjsModel model = small();
  model.group()["paths"] = {path};
  return model.error();
}

template <class Change>
std::string changed(Change change) {
  TfjsModel model = small();
  change(model);
  return model.error();
}

// Every way of loading has to end in a model or an Error.
void must_not_crash(const test::TempDir& folder, const std::string& document, const std::string& shard) {
  folder.write("w.bin", shard);
  try {
    nn::load_model(folder.write("m.json", document), {.max_parameters = 1 << 16});
  } catch (const Error& error) {
    CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
}

}  // namespace

TEST_CASE("tfjs: shards have plain names beside the model") {
  const std::string place = "m.json: /weightsManifest/0/paths/0: got ";
  const std::string wanted = ", expected the plain name of a file beside the model";
  for (const char* name :
       {"/etc/passwd", "../w.bin", "a/w.bin", "./a/w.bin", "..", ".", "", "./", "./../w.bin", "././w.bin"})
    CHECK(with_path(name) == place + "\"" + name + "\"" + wanted);
  CHECK(with_path("a\\w.bin") == place + "\"a\\w.bin\"" + wanted);
  CHECK(with_path("https://x/w.bin") == place + "\"https://x/w.bin\"" + wanted);
  CHECK(with_path(std::string("w.bin\0x", 7)) == place + "\"w.bin?x\"" + wanted);
  CHECK(with_path("./w.bin") == "accepted");
}

TEST_CASE("tfjs: a shard that is missing, a folder, longer or shorter is refused before it is read") {
  CHECK(with_path("other.bin") ==
        "m.json: /weightsManifest/0/paths/0: cannot read the weights in other.bin (No such file or "
        "directory), expected a "
        "readable file");
  const auto sized = [](const std::string& shard) {
    return changed([&](TfjsModel& model) { model.shard = shard; });
  };
  const std::string bytes = ", expected 24, those of the weights in them";
  CHECK(sized(std::string(23, 'x')) == "m.json: /weightsManifest/0/paths: the files have 23 bytes" + bytes);
  CHECK(sized(std::string(25, 'x')) == "m.json: /weightsManifest/0/paths: the files have 25 bytes" + bytes);
  CHECK(sized("") == "m.json: /weightsManifest/0/paths: the files have 0 bytes" + bytes);
}

TEST_CASE("tfjs: weights of the optimizer that are larger than any keeps are refused") {
  const auto beside = [](std::int64_t elements) {
    return changed([&](TfjsModel& model) {
      Json state = model.weight(0);
      state["group"] = "optimizer";
      state["shape"] = {elements};
      model.group()["weights"].push_back(state);
      model.shard.append(4 * static_cast<std::size_t>(elements), 'x');
    });
  };
  CHECK(beside(262144 + 48) == "accepted");
  CHECK(beside(262144 + 49) ==
        "m.json: /weightsManifest/0/weights/2: the weights of the optimizer have more than 1048768 bytes, "
        "expected "
        "no more beside those of the layers");
}

TEST_CASE("tfjs: weights that are unknown, missing, twice or of another shape are all named") {
  CHECK(changed([](TfjsModel& model) { model.weight(0)["name"] = "e/kernel"; }) ==
        "m.json: /weightsManifest: no layer has the weight \"e/kernel\"; the weight \"d/kernel\" is missing, "
        "expected "
        "exactly the weights of the layers");
  CHECK(changed([](TfjsModel& model) {
          model.weight(1)["shape"] = {1, 2};
        }) ==
        "m.json: /weightsManifest: the weight \"d/bias\" is [1, 2], the layer expects [2], expected exactly "
        "the weights of "
        "the layers");
  CHECK(changed([](TfjsModel& model) { model.weight(1) = model.weight(0); }) ==
        "m.json: /weightsManifest: the weight \"d/kernel\" stands there twice; the weight \"d/bias\" is "
        "missing, expected "
        "exactly the weights of the layers");
  CHECK(changed([](TfjsModel& model) { model.document["weightsManifest"] = Json::array(); }) ==
        "m.json: /weightsManifest: the weight \"d/kernel\" is missing; the weight \"d/bias\" is missing, "
        "expected exactly "
        "the weights of the layers");
}

TEST_CASE("tfjs: layers of the same name are not told apart") {
  const Json layer = keras_dense(2, {{"name", "d"}, {"use_bias", false}});
  const TfjsModel model(test::keras_model(Json::array({layer, layer}), {2}),
                        {{"d/kernel", {2, 2}, {1, 2, 3, 4}}});
  CHECK(model.error() ==
        "m.json: /weightsManifest: several layers have the weight \"d/kernel\"; the weight \"d/kernel\" is "
        "missing; the "
        "weight \"d/kernel\" is missing, expected exactly the weights of the layers");
}

TEST_CASE("tfjs: dtypes and quantizations that are not read are named") {
  const std::string place = "m.json: /weightsManifest/0/weights/0/";
  CHECK(changed([](TfjsModel& model) { model.weight(0)["dtype"] = "string"; }) ==
        place + "dtype: dtype \"string\" is not read, expected float32, float16, int32 or bool");
  CHECK(changed([](TfjsModel& model) {
          model.weight(0)["quantization"] = {{"dtype", "uint4"}};
        }) ==
        place + "quantization/dtype: quantization \"uint4\" is not read, expected uint8, uint16 or float16");
  CHECK(changed([](TfjsModel& model) {
          model.weight(0)["quantization"] = {{"dtype", "uint8"}, {"min", 0}};
        }) == place + "quantization: \"scale\" is missing, expected it");
}

TEST_CASE("tfjs: shapes whose sizes multiply beyond 64 bits are refused") {
  CHECK(changed([](TfjsModel& model) {
          model.weight(0)["shape"] = {4611686018427387904, 4611686018427387904};
        }) ==
        "m.json: /weightsManifest/0/weights/0/shape: the weights have more than 2^64 bytes, expected fewer");
  CHECK(changed([](TfjsModel& model) { model.weight(0)["shape"] = {-1}; }) ==
        "m.json: /weightsManifest/0/weights/0/shape/0: -1 is out of range, expected a whole number from 0 to "
        "9223372036854775807");
}

TEST_CASE("tfjs: weights beside a model that has its own are refused") {
  const test::TempDir folder;
  folder.write("w.bin", small().shard);
  const std::string path = folder.write("m.json", small().document.dump());
  CHECK_THROWS_WITH_AS(
      nn::load_model(path, {.weights = "x.safetensors"}),
      (path + ": /weightsManifest: the model has weights of its own, expected none beside it, got "
              "x.safetensors")
          .c_str(),
      Error);
}

TEST_CASE("tfjs: no truncation of a model or its shard crashes") {
  const test::TempDir folder;
  const TfjsModel model = small();
  const std::string text = model.document.dump();
  for (std::size_t length = 0; length < text.size(); ++length)
    must_not_crash(folder, text.substr(0, length), model.shard);
  for (std::size_t length = 0; length < model.shard.size(); ++length)
    must_not_crash(folder, text, model.shard.substr(0, length));
}

TEST_CASE("tfjs: no changed byte of a model or its shard crashes") {
  const test::TempDir folder;
  const TfjsModel model = small();
  const std::string text = model.document.dump();
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char byte :
         {'0', '9', '"', '-', '{', ']', 'n', '\x01', '\xff', static_cast<char>(text[i] ^ 1)}) {
      std::string other = text;
      other[i] = byte;
      must_not_crash(folder, other, model.shard);
    }
  }
  for (std::size_t i = 0; i < model.shard.size(); ++i) {
    std::string other = model.shard;
    other[i] = '\xff';
    must_not_crash(folder, text, other);
  }
}
