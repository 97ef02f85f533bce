// A run whose model comes from a file with weights goes on with it: the inputs and classes keep their meaning, or it is refused.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <rill/optim/run/make.hpp>
#include <rill/rill.hpp>

#include "temp_dir.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using optim::parse_run;
using optim::run_training;
using test::message_of;
using test::TempDir;

// y follows from b alone.
std::string table(bool swapped, int shift) {
  std::string text = swapped ? "b,a,y\n" : "a,b,y\n";
  for (int i = 0; i < 60; ++i) {
    const std::string a = std::to_string(i * 7 % 60 + shift), b = std::to_string(i * 11 % 60 + shift);
    text += (swapped ? b + "," + a : a + "," + b) + "," + std::to_string(2 * (i * 11 % 60)) + "\n";
  }
  return text;
}

std::string classes(const std::string& low, const std::string& high) {
  std::string text = "a,y\n";
  for (int i = 0; i < 60; ++i)
    text += std::to_string(i * 7 % 60) + "," + (i * 7 % 60 < 30 ? low : high) + "\n";
  return text;
}

// A run on one of the folder's files, for one epoch.
optim::RunResult train(const TempDir& folder, const std::string& name, const std::string& data,
                       bool regression, std::vector<std::string> overrides) {
  const std::string inputs = regression ? "2" : "1", outputs = regression ? "1" : "2";
  const std::string text = R"({"rill": 1, "model": {"rill": 1, "input_shape": [)" + inputs +
                           R"(], "layers": [{"type": "dense", "units": )" + outputs +
                           R"(}]}, "data": {"format": "csv", "path": "x", "target": "y", "regression": )" +
                           (regression ? "true" : "false") + R"(}, "loss": ")" +
                           (regression ? "mse" : "cross_entropy") +
                           R"(", "optimizer": {"type": "sgd", "lr": 0.01}, "training": {"epochs": 1}})";
  overrides.insert(overrides.begin(), {"data.path=" + folder.file(data), "out=" + folder.file(name)});
  return run_training(parse_run(text, "run.json", overrides), {.report = false});
}

}  // namespace

TEST_CASE("run: a model that goes on refuses columns in another order, and takes them by name") {
  const TempDir folder;
  folder.write("a.csv", table(false, 0));
  folder.write("b.csv", table(true, 0));
  const auto first = train(folder, "first", "a.csv", true, {"training.epochs=20"});
  const std::string model = "model=" + folder.file("first/last.safetensors");
  CHECK(
      message_of([&] { train(folder, "second", "b.csv", true, {model}); }) ==
      R"(run: /model: it was trained on the columns "a", "b", the data have "b", "a", expected the same in )"
      R"(the same order; set /data/features)");
  const auto by_name =
      train(folder, "third", "b.csv", true, {model, "optimizer.lr=0", R"(data.features=["a","b"])"});
  CHECK(*by_name.last("val_loss") == *first.last("val_loss"));
}

TEST_CASE("run: a model that goes on refuses other classes, and takes them in their order") {
  const TempDir folder;
  folder.write("a.csv", classes("cat", "dog"));
  folder.write("b.csv", classes("zebra", "dog"));
  train(folder, "first", "a.csv", false, {});
  const std::string model = "model=" + folder.file("first/last.safetensors");
  CHECK(
      message_of([&] { train(folder, "second", "b.csv", false, {model}); }) ==
      R"(run: /model: it was trained on the classes "cat", "dog", the data have "dog", "zebra", expected the )"
      R"(same in the same order; set /data/classes)");
  CHECK_NOTHROW(train(folder, "third", "a.csv", false, {model, R"(data.classes=["cat","dog"])"}));
  CHECK(message_of([&] {
          train(folder, "fourth", "a.csv", false, {model, R"(data.classes=["dog","cat"])"});
        }).starts_with("run: /model: it was trained on the classes \"cat\", \"dog\""));
}

TEST_CASE("run: a model that goes on gets its inputs as it was trained, from other rows too") {
  const TempDir folder;
  folder.write("a.csv", table(false, 0));
  folder.write("b.csv", table(false, 1000));
  train(folder, "first", "a.csv", true, {"training.epochs=20"});
  const std::string saved = folder.file("first/last.safetensors"), model = "model=" + saved;
  auto second = train(folder, "second", "b.csv", true, {model, "optimizer.lr=0"});
  const Tensor x = tensor({1010, 1020}).reshape({1, 2});
  CHECK(nn::load_model(saved).predict(x).item() == second.model.predict(x).item());
  const std::string refused = message_of([&] {
    train(folder, "third", "a.csv", true, {model, "data.standardize=false"});
  });
  CHECK(
      refused.starts_with("run: /data: samples are prepared by [], expected what the model was trained with, "
                          "[{\"type\":\"standardize\""));
  train(folder, "raw", "a.csv", true, {"data.standardize=false", "optimizer.lr=1e-6"});
  CHECK(message_of([&] {
          train(folder, "fourth", "a.csv", true, {"model=" + folder.file("raw/last.safetensors")});
        }).find("expected what the model was trained with, []") != std::string::npos);
}
