#include <doctest/doctest.h>

#include <filesystem>

#include "keras.hpp"

namespace {

using namespace rill;
using test::Json;
using test::keras_dense;
using test::keras_layer;
using test::TfjsModel;

// 2 · x0 + 3 · x1 + 0.5, and -x0 + 4 · x1 - 1.
TfjsModel small() {
  return {test::keras_model(Json::array({keras_dense(2, {{"name", "d"}})}), {2}),
          {{"d/kernel", {2, 2}, {2, -1, 3, 4}}, {"d/bias", {2}, {0.5F, -1}}}};
}

std::vector<float> outputs(const TfjsModel& model) {
  nn::Model loaded = model.load();
  const Tensor y = loaded.predict(test::f32({1, 10}, {1, 2}));
  return {y.data<float>().begin(), y.data<float>().end()};
}

const std::vector<float> expected = {32.5F, 38};

}  // namespace

TEST_CASE("tfjs: kernels are transposed") { CHECK(outputs(small()) == expected); }

TEST_CASE("tfjs: weights are found by name, not by order") {
  TfjsModel model = small();
  std::swap(model.weight(0), model.weight(1));
  std::rotate(model.shard.begin(), model.shard.begin() + 16, model.shard.end());
  CHECK(outputs(model) == expected);
}

TEST_CASE("tfjs: a cell's name in the middle, and names of models around, do not matter") {
  TfjsModel model = small();
  model.weight(0)["name"] = "d/cell/kernel";
  model.weight(1)["name"] = "net/d/bias";
  CHECK(outputs(model) == expected);
}

TEST_CASE("tfjs: a tensor may cross the border of shards") {
  TfjsModel model = small();
  model.group()["paths"] = {"./one.bin", "two.bin", "three.bin"};
  const test::TempDir folder;
  folder.write("one.bin", model.shard.substr(0, 7));
  folder.write("two.bin", "");
  folder.write("three.bin", model.shard.substr(7));
  nn::Model loaded = nn::load_model(folder.write("m.json", model.document.dump()));
  CHECK(loaded.predict(test::f32({1, 10}, {1, 2})).to_vector<float>()[1] == 38);
}

TEST_CASE("tfjs: every group has files of its own") {
  TfjsModel model = small();
  Json second{{"paths", {"bias.bin"}}, {"weights", {model.weight(1)}}};
  model.group()["weights"].erase(1);
  model.document["weightsManifest"].push_back(second);
  const test::TempDir folder;
  folder.write("w.bin", model.shard.substr(0, 16));
  folder.write("bias.bin", model.shard.substr(16));
  nn::Model loaded = nn::load_model(folder.write("m.json", model.document.dump()));
  CHECK(loaded.predict(test::f32({1, 10}, {1, 2})).to_vector<float>()[0] == 32.5F);
}

TEST_CASE("tfjs: weights of the optimizer are passed over") {
  TfjsModel model = small();
  Json state = model.weight(0);
  state["name"] = "training/Adam/d/kernel/m";
  state["group"] = "optimizer";
  state["shape"] = {1};
  model.group()["weights"].insert(model.group()["weights"].begin(), state);
  model.shard.insert(0, 4, 'x');
  CHECK(outputs(model) == expected);
}

TEST_CASE("tfjs: uint8 and uint16 stand for v * scale + min") {
  TfjsModel model = small();
  model.weight(0)["quantization"] = {{"dtype", "uint8"}, {"scale", 0.5}, {"min", -1.0}};
  model.weight(1)["quantization"] = {{"dtype", "uint16"}, {"scale", 0.25}, {"min", -100.0}};
  // 6, 0, 8, 10 and 402, 396
  model.shard = std::string("\x06\x00\x08\x0a\x92\x01\x8c\x01", 8);
  CHECK(outputs(model) == expected);
}

TEST_CASE("tfjs: float16 is read, its smallest and largest too") {
  TfjsModel model = small();
  for (std::size_t i = 0; i < 2; ++i) model.weight(i)["quantization"] = {{"dtype", "float16"}};
  model.shard = std::string("\x00\x40\x00\xbc\x00\x42\x00\x44\x00\x38\x00\xbc", 12);
  CHECK(outputs(model) == expected);
  model.shard = std::string("\x01\x00\xff\x7b\x00\x80\x00\x7c\x00\x38\x00\xbc", 12);
  nn::Model loaded = model.load();
  const auto weight = loaded.parameters()[0].data<float>();  // [out, in]
  CHECK(weight[0] == 5.9604645e-8F);
  CHECK(weight[2] == 65504);
  CHECK(weight[1] == 0);
  CHECK(std::isinf(weight[3]));
}

TEST_CASE("tfjs: whole numbers and truth values are read as numbers") {
  TfjsModel model = small();
  model.weight(0)["dtype"] = "int32";
  model.weight(1)["dtype"] = "bool";
  model.shard = std::string("\x02\x00\x00\x00\xff\xff\xff\xff\x03\x00\x00\x00\x04\x00\x00\x00\x01\x00", 18);
  CHECK(outputs(model) == std::vector<float>{33, 39});
}

TEST_CASE("tfjs: int32 that is quantised is rounded") {
  TfjsModel model = small();
  model.weight(1)["dtype"] = "int32";
  model.weight(1)["quantization"] = {{"dtype", "uint8"}, {"scale", 0.6}, {"min", -1.0}};
  model.shard = model.shard.substr(0, 16) + std::string("\x01\x00", 2);  // -0.4, -1
  CHECK(outputs(model) == std::vector<float>{32, 38});
}

TEST_CASE("tfjs: weights with an initializer that rill does not have are enough") {
  TfjsModel model = small();
  model.document["modelTopology"]["config"]["layers"][1]["config"]["kernel_initializer"] = "identity";
  CHECK(outputs(model) == expected);
}

TEST_CASE("tfjs: slopes, statistics and a network in the network get their values") {
  const Json inner{{"class_name", "Sequential"},
                   {"config", {{"name", "inner"}, {"layers", {keras_layer("PReLU", {{"name", "p"}})}}}}};
  const TfjsModel model(
      test::keras_model(
          Json::array({keras_layer("BatchNormalization", {{"name", "b"}, {"epsilon", 0}}), inner}), {2}),
      {{"b/gamma", {2}, {1, 2}},
       {"b/beta", {2}, {0, 1}},
       {"b/moving_mean", {2}, {3, 20}},
       {"b/moving_variance", {2}, {4, 25}},
       {"p/alpha", {2}, {0.5F, 0.25F}}});
  // [(1 - 3) / 2, (10 - 20) / 5 · 2 + 1] = [-1, -3]
  CHECK(outputs(model) == std::vector<float>{-0.5F, -0.75F});
  TfjsModel whole = model;
  whole.weight(4)["name"] = "inner/p/alpha";
  CHECK(outputs(whole) == std::vector<float>{-0.5F, -0.75F});
}

TEST_CASE("tfjs: a shard may be a symlink") {
  const TfjsModel model = small();
  const test::TempDir folder;
  folder.write("elsewhere", model.shard);
  std::filesystem::create_symlink("elsewhere", folder.file("w.bin"));
  CHECK(nn::load_model(folder.write("m.json", model.document.dump())).trained);
}

TEST_CASE("tfjs: a model in the current folder finds its shards") {
  const TfjsModel model = small();
  const test::TempDir folder;
  folder.write("w.bin", model.shard);
  folder.write("m.json", model.document.dump());
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const bool trained = nn::load_model("m.json").trained;
  std::filesystem::current_path(before);
  CHECK(trained);
}
