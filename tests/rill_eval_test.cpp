// `rill eval`: the numbers of a model on each kind of data, against those of the library.
#include <fmt/format.h>

#include <rill/core/io/idx.hpp>
#include <rill/core/io/npy.hpp>

#include "idx_digits.hpp"
#include "rill_command.hpp"

namespace {

using namespace rill;
using namespace rill::test;

struct Flowers {
  TempDir folder;
  nn::Model model = flower_model();
  std::string path = save(flower_model(), folder.file("flowers.safetensors"));
  std::string table = folder.write("flowers.csv", flower_table);
  Tensor labels = tensor({0, 1, 2, 0}, DType::i64);
};

nn::Model number_model() {
  Generator generator(2);
  return nn::Model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
}

// As a table without a header leaves it.
nn::Model numbered_model() {
  Generator generator(2);
  nn::Model model(nn::Sequential{nn::Dense(2, 4, generator), nn::LeakyReLU(0.1), nn::Dense(4, 1, generator)},
                  {2});
  model.features = {"0", "1"};
  model.target = "2";
  return model;
}

}  // namespace

TEST_CASE("rill eval: loss, accuracy and classes of a table are those of the library") {
  Flowers flowers;
  const nlohmann::json json = rill_json({"eval", flowers.path, "--csv", flowers.table});
  const Tensor y = flowers.model.predict(flower_rows());
  CHECK(json["samples"] == 4);
  CHECK(json["loss"]["name"] == "cross_entropy");
  CHECK(json["loss"]["value"].get<double>() ==
        doctest::Approx(cross_entropy(y, flowers.labels).item()).epsilon(1e-6));
  CHECK(json["accuracy"] == nn::accuracy(y, flowers.labels));
  CHECK(json["classes"][0]["name"] == "setosa");
  CHECK(json["classes"][0]["samples"] == 2);
  CHECK(json["classes"].size() == 3);
}

TEST_CASE("rill eval: as text, the accuracy has two decimals and a line of its own") {
  Flowers flowers;
  const Outcome run = rill::test::rill({"eval", flowers.path, "--csv", flowers.table});
  CHECK(run.status == 0);
  const double share = nn::accuracy(flowers.model.predict(flower_rows()), flowers.labels);
  CHECK(run.says(fmt::format("\naccuracy: {:.2f} %\n", 100 * share)));
  CHECK(run.says("versicolor"));
}

TEST_CASE("rill eval: npy files give the same numbers as the table") {
  Flowers flowers;
  io::save_npy(flowers.folder.file("x.npy"), flower_rows());
  io::save_npy(flowers.folder.file("y.npy"), flowers.labels);
  nlohmann::json a = rill_json({"eval", flowers.path, "--csv", flowers.table});
  nlohmann::json b =
      rill_json({"eval", flowers.path, "--npy", flowers.folder.file("x.npy"), flowers.folder.file("y.npy")});
  CHECK(a["loss"] == b["loss"]);
  CHECK(a["classes"] == b["classes"]);
}

TEST_CASE("rill eval: labels of a model without class names are those that stand in the table") {
  Flowers flowers;
  nn::Model nameless = flowers.model;
  nameless.classes.clear();
  const std::string path = flowers.folder.file("nameless.safetensors");
  nn::save_model(nameless, path);
  // Of three classes the table has two.
  const std::string head = "sepal length,sepal width,petal length,petal width,species\n";
  const std::string rows = "5.1,3.5,1.4,0.2,0\n6.3,3.3,6.0,2.5,2\n";
  const Tensor x = tensor({{5.1, 3.5, 1.4, 0.2}, {6.3, 3.3, 6.0, 2.5}});
  const double loss = cross_entropy(flowers.model.predict(x), tensor({0, 2}).to(DType::i64)).item();
  const auto json = rill_json({"eval", path, "--csv", flowers.folder.write("two.csv", head + rows)});
  CHECK(json["loss"]["value"].get<double>() == doctest::Approx(loss).epsilon(1e-6));
  const Outcome named = rill::test::rill(
      {"eval", path, "--csv", flowers.folder.write("named.csv", head + "5,3,1,0,a\n6,3,6,2,b\n")});
  CHECK(named.status == 1);
  CHECK(named.says(
      "there are 2 classes, \"a\", \"b\", and the model tells 3 apart and knows no names, expected all "
      "of them, or labels from 0 to 2"));
}

TEST_CASE("rill doctor: a config before training is judged by the statistics of its batches") {
  const TempDir folder;
  const std::string config = folder.write("m.json", R"({"rill": 1, "input_shape": [28, 28], "layers": [
    {"type": "flatten"}, {"type": "dense", "units": 16, "bias_init": {"type": "constant", "value": -50}},
    {"type": "batch_norm"}, {"type": "relu"}, {"type": "dense", "units": 10}]})");
  const auto json = rill_json({"doctor", config, "--digits", "--scale", "0.00392156862745098"});
  CHECK(json["health"]["layers"][0]["dead"] == 0);
}

TEST_CASE("rill eval: --samples takes the first ones alone") {
  Flowers flowers;
  const auto three = rill_json({"eval", flowers.path, "--csv", flowers.table, "--samples", "3"});
  CHECK(three["samples"] == 3);
  std::string rows = flower_table;
  rows.erase(rows.rfind('\n', rows.size() - 2) + 1);
  const auto short_table = rill_json({"eval", flowers.path, "--csv", flowers.folder.write("3.csv", rows)});
  CHECK(three["loss"] == short_table["loss"]);
}

TEST_CASE("rill eval: a model with one output is judged by its errors") {
  const TempDir folder;
  nn::Model model = number_model();
  const std::string path = save(number_model(), folder.file("m.safetensors"));
  const std::string table = folder.write("t.csv", "a,b,price\n1,2,3\n2,0.5,1\n0,1,2.5\n");
  const nlohmann::json json = rill_json({"eval", path, "--csv", table, "--target", "price"});
  const Tensor y = model.predict(tensor({{1, 2}, {2, 0.5}, {0, 1}}));
  const Tensor target = tensor({{3}, {1}, {2.5}});
  CHECK(json["loss"]["name"] == "mse");
  CHECK(json["loss"]["value"].get<double>() ==
        doctest::Approx(nn::mean_squared_error(y, target)).epsilon(1e-6));
  CHECK(json["mean_absolute_error"].get<double>() ==
        doctest::Approx(nn::mean_absolute_error(y, target)).epsilon(1e-6));
  CHECK(json["r2"].get<double>() == doctest::Approx(nn::r2_score(y, target)).epsilon(1e-6));
}

TEST_CASE("rill eval: a model of a table without a header reads columns by their numbers, rill doctor too") {
  const TempDir folder;
  const std::string path = save(numbered_model(), folder.file("m.safetensors"));
  const std::string rows = "0.5,2,3\n2,0.5,1\n0,1,2.5\n", table = folder.write("bare.csv", rows);
  const Tensor y = numbered_model().predict(tensor({{0.5, 2}, {2, 0.5}, {0, 1}}));
  const nlohmann::json bare = rill_json({"eval", path, "--csv", table});
  CHECK(bare["samples"] == 3);
  CHECK(bare["loss"]["value"].get<double>() ==
        doctest::Approx(nn::mean_squared_error(y, tensor({{3}, {1}, {2.5}}))).epsilon(1e-6));
  const std::string named = folder.write("named.csv", "a,b,price\n" + rows);
  CHECK(rill_json({"eval", path, "--csv", named})["loss"] == bare["loss"]);
  CHECK(rill_json({"eval", path, "--csv", table, "--target", "2"})["loss"] == bare["loss"]);
  CHECK(rill_json({"doctor", path, "--csv", table})["health"]["samples"] == 3);
}

TEST_CASE("rill eval: numbers of columns may be values of the first row, in their order they are a header") {
  const TempDir folder;
  const std::string path = save(numbered_model(), folder.file("m.safetensors"));
  const auto samples = [&](const std::string& table) {
    return rill_json({"eval", path, "--csv", folder.write("t.csv", table)})["samples"];
  };
  CHECK(samples("2,0,1\n1,2,0\n3,4,5\n") == 3);
  CHECK(samples("0,1,2\n1,2,0\n3,4,5\n") == 2);
  const Outcome narrow = rill::test::rill({"eval", path, "--csv", folder.write("t.csv", "0.5,2\n")});
  CHECK(narrow.status == 1);
  CHECK(narrow.says("t.csv:1: there is no column 2, expected -2 to 1"));
}

TEST_CASE("rill eval: a last softmax is taken for probabilities") {
  const TempDir folder;
  Generator generator(2), same(2);
  nn::Model logits(nn::Sequential{nn::Dense(4, 3, same)}, {4});
  const std::string path = save(nn::Model(nn::Sequential{nn::Dense(4, 3, generator), nn::Softmax()}, {4}),
                                folder.file("m.safetensors"));
  const std::string table = folder.write("flowers.csv", flower_table);
  const nlohmann::json json = rill_json({"eval", path, "--csv", table});
  const double expected =
      cross_entropy(logits.predict(flower_rows()), tensor({0, 1, 2, 0}, DType::i64)).item();
  CHECK(json["loss"]["value"].get<double>() == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("rill eval: the loss is the one that the model was trained by, where that can be") {
  const TempDir folder;
  const std::string table = folder.write("t.csv", "a,b,y\n1,2,1\n2,0.5,0\n0,1,1\n");
  const auto measured_by = [&](const std::string& trained_by, std::vector<std::string> arguments = {}) {
    nn::Model model = number_model();
    model.loss = trained_by;
    const std::string path = save(std::move(model), folder.file("m.safetensors"));
    arguments.insert(arguments.begin(), {"eval", path, "--csv", table});
    return rill_json(arguments)["loss"];
  };
  const Tensor y = number_model().predict(tensor({{1, 2}, {2, 0.5}, {0, 1}}));
  const Tensor target = tensor({{1}, {0}, {1}});
  CHECK(measured_by("l1")["name"] == "l1");
  CHECK(measured_by("l1")["value"].get<double>() == doctest::Approx(l1_loss(y, target).item()).epsilon(1e-6));
  CHECK(measured_by("bce_with_logits")["value"].get<double>() ==
        doctest::Approx(binary_cross_entropy_with_logits(y, target).item()).epsilon(1e-6));
  for (const char* other : {"", "of my own", "auto", "cross_entropy"})
    CHECK(measured_by(other)["name"] == "mse");
  CHECK(measured_by("l1", {"--loss", "huber"})["name"] == "huber");
}

TEST_CASE("rill eval: what a run trained by bce_with_logits takes numbers, as the run does") {
  const TempDir folder;
  nn::Model model = number_model();
  model.loss = "bce_with_logits";
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  const Tensor x = tensor({{1, 2}, {2, 0.5}, {0, 1}}), y = number_model().predict(x);
  const auto check = [&](std::vector<double> target, std::vector<std::string> data) {
    data.insert(data.begin(), {"eval", path});
    const nlohmann::json json = rill_json(data);
    double right = 0;
    for (std::size_t i = 0; i < 3; ++i) right += (y.data<float>()[i] > 0) == (target[i] > 0.5) ? 1 : 0;
    CHECK(json["accuracy"].get<double>() == doctest::Approx(right / 3));
    CHECK(json["loss"]["value"].get<double>() ==
          doctest::Approx(binary_cross_entropy_with_logits(y, tensor(target, {3, 1}).to(DType::f32)).item())
              .epsilon(1e-6));
    CHECK(json["classes"].size() == 2);
  };
  // A column of ones alone tells no zeros.
  check({1, 1, 1}, {"--csv", folder.write("ones.csv", "a,b,y\n1,2,1\n2,0.5,1\n0,1,1.0\n")});
  check({0.3, 1, 0.8}, {"--csv", folder.write("soft.csv", "a,b,y\n1,2,0.3\n2,0.5,1\n0,1,0.8\n")});
  io::save_npy(folder.file("x.npy"), x);
  io::save_npy(folder.file("y.npy"), tensor({{0}, {1}, {1}}));
  check({0, 1, 1}, {"--npy", folder.file("x.npy"), folder.file("y.npy")});
}

TEST_CASE("rill eval: several outputs that were trained as numbers are no classes") {
  const TempDir folder;
  Generator generator(3);
  nn::Model model(nn::Sequential{nn::Dense(2, 2, generator)}, {2});
  const Tensor x = tensor({{1, 2}, {2, 0.5}, {0, 1}}), target = tensor({{1, 2}, {3, 4}, {5, 6}});
  const double expected = mse_loss(model.predict(x), target).item();
  io::save_npy(folder.file("x.npy"), x);
  io::save_npy(folder.file("y.npy"), target);
  model.loss = "mse";
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  const nlohmann::json json = rill_json({"eval", path, "--npy", folder.file("x.npy"), folder.file("y.npy")});
  CHECK(json["loss"]["value"].get<double>() == doctest::Approx(expected).epsilon(1e-6));
  CHECK_FALSE(json.contains("accuracy"));
}

TEST_CASE("rill eval: one output with two class names is a binary classifier") {
  const TempDir folder;
  nn::Model model = number_model();
  model.classes = {"no", "yes"};
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  const std::string table = folder.write("t.csv", "a,b,answer\n1,2,yes\n2,0.5,no\n0,1,yes\n");
  const nlohmann::json json = rill_json({"eval", path, "--csv", table});
  const Tensor y = number_model().predict(tensor({{1, 2}, {2, 0.5}, {0, 1}}));
  double right = 0;
  for (std::size_t i = 0; i < 3; ++i) right += (y.data<float>()[i] > 0) == (i != 1) ? 1 : 0;
  CHECK(json["loss"]["name"] == "bce_with_logits");
  CHECK(json["loss"]["value"].get<double>() ==
        doctest::Approx(binary_cross_entropy_with_logits(y, tensor({{1}, {0}, {1}})).item()).epsilon(1e-6));
  CHECK(json["accuracy"].get<double>() == doctest::Approx(right / 3));
  CHECK(json["classes"][1]["name"] == "yes");
}

TEST_CASE("rill eval: IDX files are raw pixels, which the model's preprocessing scales") {
  const TempDir folder;
  const auto digits = nn::data::draw_digits(20, 1, false);
  test::write_idx_digits(folder.file("t10k"), *digits);
  const io::IdxArray images = io::read_idx(folder.file("t10k-images-idx3-ubyte")),
                     labels = io::read_idx(folder.file("t10k-labels-idx1-ubyte"));
  Generator generator(2), same(2);
  nn::Model model(nn::Sequential{nn::Flatten(), nn::Dense(784, 10, generator)}, {28, 28});
  const Tensor x = images.to_tensor(DType::f32);
  const double raw = cross_entropy(model.predict(x), labels.to_tensor(DType::i64)).item();
  model.preprocessing.push_back(std::make_shared<nn::data::Normalize>());
  const double scaled = cross_entropy(model.predict(x), labels.to_tensor(DType::i64)).item();
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  CHECK(rill_json({"eval", path, "--idx", folder.path()})["loss"]["value"].get<double>() ==
        doctest::Approx(scaled).epsilon(1e-6));
  const std::string bare = save(nn::Model(nn::Sequential{nn::Flatten(), nn::Dense(784, 10, same)}, {28, 28}),
                                folder.file("bare.safetensors"));
  CHECK(rill_json({"eval", bare, "--idx", folder.path()})["loss"]["value"].get<double>() ==
        doctest::Approx(raw).epsilon(1e-6));
  CHECK(rill_json({"eval", bare, "--idx", folder.path(), "--scale", "0.00392156862745098"})["loss"]["value"]
            .get<double>() == doctest::Approx(scaled).epsilon(1e-5));
}

TEST_CASE("rill eval: drawn digits need no file") {
  const TempDir folder;
  Generator generator(2);
  const std::string path =
      save(nn::Model(nn::Sequential{nn::Flatten(), nn::Dense(784, 10, generator)}, {28, 28}),
           folder.file("m.safetensors"));
  CHECK(rill_json({"eval", path, "--digits", "--samples", "30"})["samples"] == 30);
}

TEST_CASE("rill eval: a loss for numbers is refused for a model of classes, as wrong usage") {
  const TempDir folder;
  const std::string path = save(flower_model(), folder.file("m.safetensors"));
  const Outcome run =
      rill::test::rill({"eval", path, "--csv", folder.write("in.csv", flower_table), "--loss", "mse"});
  CHECK(run.status == 2);
  CHECK(run.output ==
        "rill: --loss mse: is for numbers, the model tells 3 classes apart, expected cross_entropy\n");
}

TEST_CASE("rill eval: a table with semicolons is read, and a NaN is printed without a sign") {
  const TempDir folder;
  nn::Model model = flower_model();
  for (Tensor value : model.parameters())
    for (float& each : value.mutable_data<float>()) each = -NAN;
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  std::string table = flower_table;
  std::ranges::replace(table, ',', ';');
  const Outcome run = rill::test::rill({"eval", path, "--csv", folder.write("in.csv", table)});
  CHECK(run.status == 0);
  CHECK(run.says("loss: nan ("));
}

TEST_CASE("rill eval: data that does not fit the model is refused") {
  const Flowers flowers;
  const Outcome digits = rill::test::rill({"eval", flowers.path, "--digits"});
  CHECK(digits.status == 1);
  CHECK(digits.output == "rill: drawn digits, test: samples are [28, 28], the model expects [4]\n");
  const std::string table = flowers.folder.write("t.csv", "1,2,3,4,rose\n");
  const Outcome unknown = rill::test::rill({"eval", flowers.path, "--csv", table});
  CHECK(unknown.status == 1);
  CHECK(rill::test::rill({"eval", flowers.path, "--csv", table, "--split", "train"}).status == 2);
}
