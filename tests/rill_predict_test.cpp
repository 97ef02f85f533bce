// `rill predict`: the same bits as Model::predict, whatever the file's format.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <rill/core/io/idx.hpp>

#include "rill_command.hpp"

namespace {

using namespace rill;
using namespace rill::test;

struct Flowers {
  TempDir folder;
  nn::Model model = flower_model();
  std::string path = save(flower_model(), folder.file("flowers.safetensors"));
  std::string output = folder.file("out.csv");

  Outcome predict(const std::string& input, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"predict", path, "--input", input, "--output", output});
    return rill::test::rill(more);
  }
  std::vector<std::string> lines() const { return lines_of(folder.read("out.csv")); }
  // Whether the lines from `first` on are the model's outputs for the rows in batches of `batch`, to the bit.
  void check_outputs(const Tensor& x, std::size_t first, std::int64_t batch = 1000) {
    std::vector<Tensor> parts;
    for (std::int64_t row = 0; row < x.size(0); row += batch)
      parts.push_back(model.predict(x.slice(0, row, std::min(row + batch, x.size(0)))));
    const Tensor y = concat(parts, 0);
    const std::vector<std::string> found = lines();
    REQUIRE(found.size() == first + static_cast<std::size_t>(x.size(0)));
    for (std::size_t row = 0; row + first < found.size(); ++row) {
      const auto expected = y.data<float>().subspan(row * 3, 3);
      CHECK(std::ranges::equal(numbers_of<float>(found[first + row]), expected));
    }
  }
};

std::string without_header(std::string table) {
  std::string text;
  for (const std::string& line : lines_of(table)) {
    if (!line.starts_with("sepal")) text += line.substr(0, line.rfind(',')) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("rill predict: a table with a header gives one, and the model's outputs to the bit") {
  Flowers flowers;
  const std::string table = flowers.folder.write("in.csv", flower_table);
  const Outcome run = flowers.predict(table);
  CHECK(run.status == 0);
  CHECK(run.output ==
        "rill: note: " + table + ": columns that the model does not read are left out: \"species\"\n");
  CHECK(flowers.lines()[0] == "setosa,versicolor,virginica");
  flowers.check_outputs(flower_rows(), 1);
}

TEST_CASE("rill predict: columns are found by their names, in any order") {
  Flowers flowers;
  const std::string table = flowers.folder.write(
      "in.csv", "petal width,id,sepal length, petal length ,sepal width\n0.2,7,5.1,1.4,3.5\n");
  CHECK(flowers.predict(table).status == 0);
  flowers.check_outputs(tensor({{5.1, 3.5, 1.4, 0.2}}), 1);
}

TEST_CASE("rill predict: what is not finite is inf, -inf or nan, which has no sign") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(1, 2, generator)}, {1});
  std::ranges::copy(std::array{1e38f, INFINITY}, model.parameters()[0].mutable_data<float>().begin());
  model.parameters()[1].mutable_data<float>()[1] = -INFINITY;
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  const std::string table = folder.write("in.csv", "1e38\n-1e38\n");
  const Outcome run = rill::test::rill({"predict", path, "--input", table, "--output", "-"});
  CHECK(run.output == "inf,nan\n-inf,-inf\n");
}

TEST_CASE("rill predict: --labels of a model that a run trained by bce_with_logits are 0 and 1") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(1, 1, generator, {.bias = false})}, {1});
  model.parameters()[0].mutable_data<float>()[0] = 2;
  model.loss = "bce_with_logits";
  const std::string path = save(std::move(model), folder.file("m.safetensors"));
  const std::string table = folder.write("in.csv", "1\n-3\n");
  const Outcome run = rill::test::rill({"predict", path, "--input", table, "--output", "-", "--labels"});
  CHECK(run.output == "2,1\n-6,0\n");
}

TEST_CASE("rill predict: a table without a header gives none") {
  Flowers flowers;
  const Outcome run = flowers.predict(flowers.folder.write("in.csv", without_header(flower_table)));
  CHECK(run.output == "");
  flowers.check_outputs(flower_rows(), 0);
}

TEST_CASE("rill predict: tables with semicolons or tabs give the model's outputs to the bit") {
  Flowers flowers;
  for (const char delimiter : {';', '\t', '|'}) {
    std::string table = flower_table, bare = without_header(flower_table);
    std::ranges::replace(table, ',', delimiter);
    std::ranges::replace(bare, ',', delimiter);
    CHECK(flowers.predict(flowers.folder.write("in.csv", table)).status == 0);
    flowers.check_outputs(flower_rows(), 1);
    CHECK(flowers.predict(flowers.folder.write("in.csv", bare)).status == 0);
    flowers.check_outputs(flower_rows(), 0);
  }
}

TEST_CASE(
    "rill predict: names that are numbers are a header, the numbers of columns without names are none") {
  Flowers flowers;
  const auto lines_with = [&](std::vector<std::string> features, const std::string& first) {
    flowers.model.features = std::move(features);
    save(flowers.model, flowers.path);
    CHECK(flowers.predict(flowers.folder.write("in.csv", first + "\n5.1,3.5,1.4,0.2\n")).status == 0);
    return flowers.lines().front() == "setosa,versicolor,virginica" ? "header" : "sample";
  };
  CHECK(lines_with({"1990", "2000", "2010", "2020"}, "1990,2000,2010,2020") == std::string("header"));
  CHECK(lines_with({"1990", "2000", "2010", "2020"}, "1990,2000,2010,2021") == std::string("sample"));
  CHECK(lines_with({"0", "1", "2", "3"}, "0,1,2,3") == std::string("sample"));
}

TEST_CASE("rill predict: of whole rows without a header, the target is left out by its number") {
  Flowers flowers;
  flowers.model.features = {"1", "2", "3", "4"};
  flowers.model.target = "0";
  save(flowers.model, flowers.path);
  const std::string rows = "setosa,5.1,3.5,1.4,0.2\nvirginica,6.3,3.3,6.0,2.5\n";
  const std::string table = flowers.folder.write("in.csv", rows);
  const Tensor x = tensor({{5.1, 3.5, 1.4, 0.2}, {6.3, 3.3, 6.0, 2.5}});
  const Outcome run = flowers.predict(table);
  CHECK(run.status == 0);
  CHECK(run.output ==
        "rill: note: " + table + ": columns that the model does not read are left out: \"0\"\n");
  flowers.check_outputs(x, 0);
  for (const std::string header : {"species,a,b,c,d\n", "0,1,2,3,4\n"}) {
    CHECK(flowers.predict(flowers.folder.write("in.csv", header + rows)).status == 0);
    flowers.check_outputs(x, 1);
  }
  CHECK(flowers.predict(flowers.folder.write("in.csv", "5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n")).output == "");
  flowers.check_outputs(x, 0);
}

TEST_CASE("rill predict: a file that is read is not overwritten, by whatever path") {
  const Flowers flowers;
  const std::string rows = without_header(flower_table), table = flowers.folder.write("in.csv", rows),
                    link = flowers.folder.file("link.csv");
  std::filesystem::create_symlink(table, link);
  const std::string model = flowers.folder.read("flowers.safetensors");
  for (const std::string& output : {table, link, flowers.path}) {
    const Outcome run = rill::test::rill({"predict", flowers.path, "--input", table, "--output", output});
    CHECK(run.status == 2);
    CHECK(run.output == "rill: --output is " + output + ", which is read, expected another file\n");
  }
  CHECK(rill_sh("rill predict " + flowers.path + " -i - -o " + table + " < " + table).status == 2);
  CHECK(flowers.folder.read("in.csv") == rows);
  CHECK(flowers.folder.read("flowers.safetensors") == model);
}

TEST_CASE("rill predict: a NaN or an infinity in an npy file is refused with its place") {
  Flowers flowers;
  Tensor x = flower_rows().clone();
  x.mutable_data<float>()[6] = NAN;
  io::save_npy(flowers.folder.file("x.npy"), x);
  const Outcome run = flowers.predict(flowers.folder.file("x.npy"), {"--batch", "1"});
  CHECK(run.status == 1);
  CHECK(run.output == "rill: " + flowers.folder.file("x.npy") +
                          ": element 2 of sample 1 is nan, expected a finite number\n");
  CHECK_FALSE(std::filesystem::exists(flowers.output));
}

TEST_CASE("rill predict: batches of any size give the same file") {
  const Flowers flowers;
  const std::string table = flowers.folder.write("in.csv", without_header(flower_table));
  CHECK(flowers.predict(table).status == 0);
  const std::string expected = flowers.folder.read("out.csv");
  CHECK(flowers.predict(table, {"--batch", "3"}).status == 0);
  CHECK(flowers.folder.read("out.csv") == expected);
  CHECK(flowers.predict(table, {"--batch", "1", "--threads", "2"}).status == 0);
  CHECK(flowers.folder.read("out.csv") == expected);
}

TEST_CASE("rill predict: npy files of f32 and f64 give the model's outputs to the bit") {
  Flowers flowers;
  const Tensor x = flower_rows();
  io::save_npy(flowers.folder.file("x.npy"), x);
  CHECK(flowers.predict(flowers.folder.file("x.npy")).status == 0);
  flowers.check_outputs(x, 0);
  io::save_npy(flowers.folder.file("x.npy"), x.to(DType::f64));
  CHECK(flowers.predict(flowers.folder.file("x.npy"), {"--batch", "3"}).status == 0);
  flowers.check_outputs(x, 0, 3);
}

TEST_CASE("rill predict: IDX files give the model's outputs to the bit, images flattened") {
  Flowers flowers;
  io::IdxArray array{.shape = {5, 2, 2}, .type = io::IdxType::u8, .bytes = {}};
  for (int i = 0; i < 20; ++i) array.bytes.push_back(static_cast<std::byte>(i * 12));
  io::write_idx(flowers.folder.file("x.idx"), array);
  CHECK(flowers.predict(flowers.folder.file("x.idx"), {"--batch", "2"}).status == 0);
  flowers.check_outputs(array.to_tensor(DType::f32).reshape({5, 4}), 0, 2);
}

TEST_CASE("rill predict: an f64 model's numbers read back as the same f64") {
  const TempDir folder;
  Generator generator(3);
  nn::Model model(nn::Sequential{nn::Dense(4, 2, generator, {.dtype = DType::f64})}, {4});
  const std::string path = save(model, folder.file("m.safetensors"));
  io::save_npy(folder.file("x.npy"), flower_rows());
  const Outcome run = rill::test::rill({"predict", path, "--input", folder.file("x.npy"), "--output", "-"});
  CHECK(run.status == 0);
  const Tensor y = model.predict(flower_rows());
  const std::vector<std::string> lines = lines_of(run.output);
  REQUIRE(lines.size() == 4);
  for (std::size_t row = 0; row < 4; ++row)
    CHECK(std::ranges::equal(numbers_of<double>(lines[row]), y.data<double>().subspan(row * 2, 2)));
}

TEST_CASE("rill predict: --labels adds the name of the class with the largest output") {
  Flowers flowers;
  CHECK(flowers.predict(flowers.folder.write("in.csv", flower_table), {"--labels"}).status == 0);
  const std::vector<std::string> lines = flowers.lines();
  CHECK(lines[0] == "setosa,versicolor,virginica,class");
  const Tensor best = flowers.model.predict(flower_rows()).argmax(1);
  for (std::size_t row = 0; row < 4; ++row)
    CHECK(fields_of(lines[row + 1]).back() ==
          flowers.model.classes[static_cast<std::size_t>(best.data<std::int64_t>()[row])]);
}

TEST_CASE("rill predict: --labels is refused for a model that predicts a number") {
  const TempDir folder;
  Generator generator(3);
  const std::string path =
      save(nn::Model(nn::Sequential{nn::Dense(4, 1, generator)}, {4}), folder.file("m.safetensors"));
  const Outcome run = rill::test::rill({"predict", path, "--input", "x", "--output", "-", "--labels"});
  CHECK(run.status == 1);
  CHECK(run.output == "rill: --labels: the model predicts a number, expected one that tells classes apart\n");
}

TEST_CASE("rill predict: --keep writes columns of the table in front, as they are") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(1, 1, generator)}, {1});
  model.features = {"x"};
  model.target = "y";
  const std::string path = folder.file("m.safetensors");
  nn::save_model(model, path);
  const auto predicted = [&](const std::string& table, const std::string& keep) {
    return rill::test::rill({"predict", path, "--input", folder.write("a.csv", table), "--output", "-",
                             "--batch", "2", "--keep", keep});
  };
  const auto without_last = [](const std::string& line) { return line.substr(0, line.rfind(',')); };
  const Outcome done =
      predicted("id,x,a name,other\n07,1,\"Ulm, Stadt\",-\n8,2,\"say \"\"a\"\"\",-\n9,3,,-\n", "a name,id");
  REQUIRE(done.status == 0);
  CHECK(done.says("columns that the model does not read are left out: \"other\"\n"));
  std::vector<std::string> lines;
  for (const std::string& line : lines_of(done.output))
    if (!line.starts_with("rill: note")) lines.push_back(line);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "a name,id,y");
  CHECK(without_last(lines[1]) == "\"Ulm, Stadt\",07");
  CHECK(without_last(lines[2]) == "\"say \"\"a\"\"\",8");
  CHECK(without_last(lines[3]) == ",9");
  CHECK(predicted("x,id\n1,a\n", "1").says("id,y\na,"));
  CHECK(predicted("1\n2\n", "0").says("1,"));
  const Outcome unknown = predicted("x,id\n1,a\n", "name");
  CHECK(unknown.status == 2);
  CHECK(unknown.says("--keep: " + folder.file("a.csv") +
                     " has no column \"name\"; the file has \"x\", \"id\""));
  CHECK(
      predicted("id,x,id\n1,2,3\n", "id").says("has two columns \"id\", expected the number of one of them"));
  CHECK(predicted("id,x,id\n1,2,3\n", "2").says("id,y\n3,"));
  CHECK(predicted("1\n2\n", "1").says("a.csv has no column \"1\", expected 0 to 0"));
}

TEST_CASE(
    "rill: a model or config that comes through a pipe is refused, and one on standard input as a file is "
    "read") {
  const std::string text = R"('{"rill": 1, "input_shape": [2], "layers": [{"type": "dense", "units": 1}]}')";
  for (const std::string command : {"check", "summary"}) {
    const Outcome piped = rill::test::rill_sh("echo " + text + " | rill " + command + " /dev/stdin");
    CHECK(piped.status != 0);
    CHECK(piped.says(
        "rill: /dev/stdin: what comes through a pipe or a device is read only once, expected a file"));
    const TempDir folder;
    const std::string path = folder.file("m.json");
    CHECK(rill::test::rill_sh("echo " + text + " > " + path + "; rill " + command + " /dev/stdin < " + path)
              .status == 0);
  }
}

TEST_CASE("rill predict: a pipe is read from its first byte, by whatever name") {
  Flowers flowers;
  const std::string semicolons = flowers.folder.write(
      "semicolons.csv", "petal width;id;sepal length;petal length;sepal width\n0.2;7;5.1;1.4;3.5\n");
  CHECK(flowers.predict(semicolons).status == 0);
  const std::string expected = flowers.folder.read("out.csv");
  for (const std::string input : {"-", "/dev/stdin"}) {
    const Outcome run = rill_sh("cat '" + semicolons + "' | rill predict '" + flowers.path + "' -o - -i " +
                                input + " 2>/dev/null");
    CHECK(run.output == expected);
  }
}

TEST_CASE("rill predict: standard input and standard output take the place of files") {
  Flowers flowers;
  const std::string table = flowers.folder.write("in.csv", without_header(flower_table));
  const Outcome run = rill_sh("rill predict " + flowers.path + " -i - -o - < " + table);
  CHECK(run.status == 0);
  CHECK(lines_of(run.output).size() == 4);
  CHECK(flowers.predict(table).status == 0);
  CHECK(run.output == flowers.folder.read("out.csv"));
}

TEST_CASE("rill predict: a model without weights is refused") {
  const TempDir folder;
  const std::string config = folder.write(
      "model.json", R"({"rill": 1, "input_shape": [4], "layers": [{"type": "dense", "units": 3}]})");
  const Outcome run = rill::test::rill({"predict", config, "--input", "x", "--output", "-"});
  CHECK(run.status == 1);
  CHECK(run.output ==
        "rill: " + config +
            ": the model has no weights, expected a trained one; give a saved model, or the weights of this "
            "config with --weights\n");
}

TEST_CASE("rill predict: input that does not fit is refused with its place, and no output is left") {
  const Flowers flowers;
  const auto message = [&](const std::string& table) {
    const Outcome run = flowers.predict(flowers.folder.write("in.csv", table));
    CHECK(run.status == 1);
    CHECK_FALSE(std::filesystem::exists(flowers.output));
    const std::size_t at = run.output.find("in.csv");
    return run.output.substr(at == std::string::npos ? 0 : at);
  };
  CHECK(message("sepal length,sepal width\n1,2\n") ==
        "in.csv: columns that the model reads are missing: \"petal length\", \"petal width\"; the file has "
        "\"sepal length\", \"sepal width\"\n");
  CHECK(message("1,2,3\n") ==
        "in.csv: the rows have 3 columns, the model expects 4: \"sepal length\", \"sepal width\", \"petal "
        "length\", \"petal width\"\n");
  CHECK(message("1,2,3,4\n1,2,x,4\n") == "in.csv:2: column 2 is \"x\", expected a finite number\n");
  CHECK(message("1,2,3,4\n1,2,,4\n") ==
        "in.csv:2: column 2 is \"\" (a missing value), expected a finite number; the model fills in none\n");
  CHECK(message("petal width,sepal length,petal length,sepal width\n1,2,x,4\n") ==
        "in.csv:2: column \"petal length\" is \"x\", expected a finite number\n");
  CHECK(message("1,2,3,4\n1,2,3\n") == "in.csv:2: the row has 3 fields, expected 4 as in the first row\n");
  CHECK(message("") == "in.csv: the file is empty, expected a row for each sample\n");
  CHECK(message(R"({"a": 1})") == "in.csv: this looks like a model, expected samples as CSV, IDX or npy\n");
  CHECK(message("sepal length,sepal length,sepal width,petal length,petal width\n1,2,3,4,5\n") ==
        "in.csv: column \"sepal length\" stands there twice, expected once\n");
}

TEST_CASE("rill predict: a failed run leaves the old output as it was") {
  const Flowers flowers;
  flowers.folder.write("out.csv", "old\n");
  CHECK(flowers.predict(flowers.folder.write("in.csv", "1,2,3,4\n1,2,3\n")).status == 1);
  CHECK(flowers.folder.read("out.csv") == "old\n");
}
