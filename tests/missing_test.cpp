// Cells that are missing: kept as NaN, filled by what the training rows say, and told apart by features of their own, from the file to
// what a trained model reads.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <rill/nn/data/csv_features.hpp>
#include <rill/nn/data/impute.hpp>

#include "rill_command.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using namespace rill::nn::data;
using namespace rill::test;
using optim::load_data;

using Names = std::vector<std::string>;
using Floats = std::vector<float>;

const float missing = std::numeric_limits<float>::quiet_NaN();

Floats floats(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

// NaN for one stands for itself.
bool same(const Tensor& x, const Floats& expected) {
  return std::ranges::equal(floats(x), expected,
                            [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); });
}

TensorDataset unlabelled(const Tensor& x) { return {x, zeros({x.size(0)}, DType::i64)}; }

std::vector<double> fitted(const Tensor& x, ImputeBy by) {
  const auto impute = Impute::fit(unlabelled(x), by);
  return {impute->values().begin(), impute->values().end()};
}

CsvData load(const std::string& text, const CsvOptions& options) {
  const TempDir folder;
  return load_csv(folder.write("a.csv", text), options);
}

std::string refusal(const std::string& text, const CsvOptions& options) {
  const TempDir folder;
  const std::string path = folder.write("a.csv", text);
  return message_of([&] { load_csv(path, options); }).substr(folder.path().size() + 1);
}

CsvOptions with_gaps() { return {.regression = true, .missing = CsvMissing::nan, .missing_indicator = true}; }

const std::string people = "age,city,rooms,rent\n30,Ulm,2,500\n?,Bonn,3,650\n40,NA,4,800\n,Ulm,2,480\n";

// The age says half of the rent, where it is known; where it is not, the rent is 900.
std::string rents(int rows) {
  std::string text = "age,city,rent\n";
  for (int i = 0; i < rows; ++i) {
    const int age = 20 + i * 37 % 50;
    const bool known = i % 5 != 0;
    text += (known   ? std::to_string(age)
             : i % 2 ? ""
                     : "NA") +
            "," + Names{"Ulm", "Bonn", ""}[static_cast<std::size_t>(i % 3)] + "," +
            std::to_string(known ? 10 * age + 100 * (i % 3) : 900) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("impute: NaN becomes the value of its element, or that of all, and numbers stay") {
  Tensor x = tensor({{1, missing}, {missing, -4}});
  apply_transforms({std::make_shared<Impute>(tensor({0.5, 7}, DType::f64))}, x);
  CHECK(floats(x) == Floats{1, 7, 0.5, -4});
  Tensor all = tensor({{1, missing}, {missing, -4}});
  apply_transforms({std::make_shared<Impute>(tensor({3}, DType::f64))}, all);
  CHECK(floats(all) == Floats{1, 3, 3, -4});
}

TEST_CASE("impute: fit measures mean and median of what is there, as numpy's nanmean and nanmedian do") {
  const Tensor x =
      tensor({{1, missing, 5}, {missing, 8, 5}, {10, -2, missing}, {4, 3, missing}, {missing, 100, 5}});
  CHECK(fitted(x, ImputeBy::mean) == std::vector<double>{5, 27.25, 5});
  CHECK(fitted(x, ImputeBy::median) == std::vector<double>{4, 5.5, 5});
  CHECK(fitted(tensor({{16777216}, {16777218}, {missing}}), ImputeBy::mean) == std::vector<double>{16777217});
  CHECK(Impute::fit(unlabelled(x))->values()[1] == 5.5);
}

TEST_CASE("impute: what cannot be filled, or filled with, is refused") {
  CHECK(message_of([&] {
          fitted(tensor({{1, missing}, {2, missing}}), ImputeBy::mean);
        }) == "impute: element 1 is missing in all 2 samples, expected a number in one of them");
  CHECK(message_of([&] {
          fitted(tensor({{1, missing}, {-inf, 2}}), ImputeBy::median);
        }) == "impute: element 0 of sample 1 is -inf, expected a finite number or NaN");
  CHECK(message_of([] { Impute(tensor({1})); }) ==
        "impute: values are f32 [1], expected f64 with at least 1 element");
  CHECK(message_of([] {
          Impute(tensor({1, 1e39}, DType::f64));
        }) == "impute: value 1 is 1e+39, expected a finite number that f32 holds");
  CHECK(message_of([] { Impute(tensor({std::nan("")}, DType::f64)); }).starts_with("impute: value 0 is "));
  Tensor three = zeros({1, 3});
  CHECK(message_of([&] { apply_transforms({std::make_shared<Impute>(zeros({2}, DType::f64))}, three); }) ==
        "impute: samples are [3], expected 2 elements as there are values");
}

TEST_CASE("load_csv: missing cells are NaN, one-hot a value, and features say where they are") {
  CsvOptions options = with_gaps();
  options.one_hot = {"city"};
  const CsvData data = load(people, options);
  CHECK(data.features == Names{"age", "age=", "city=", "city=Bonn", "city=Ulm", "rooms"});
  const Floats expected{30, 0, 0, 0, 1, 2, missing, 1, 0, 1, 0, 3, 40, 0, 1, 0, 0, 4, missing, 1, 0, 0, 1, 2};
  CHECK(same(data.dataset->x(), expected));
  options.missing_indicator = false;
  CHECK(load(people, options).features == Names{"age", "city=", "city=Bonn", "city=Ulm", "rooms"});

  // What a model was trained on, by its names.
  CsvOptions named{.target = "rent", .regression = true, .missing = CsvMissing::nan};
  named.features.assign(data.features.begin(), data.features.end());
  CHECK(load(people, named).features == data.features);
  CHECK(same(load(people, named).dataset->x(), expected));
  const TempDir folder;
  const CsvInputs inputs =
      load_csv_inputs(folder.write("b.csv", "city,age\n,\n"),
                      {.features = {"age", "age=", "city=Ulm", "city="}, .missing = CsvMissing::nan});
  CHECK(same(inputs.x, {missing, 1, 0, 1}));
  CHECK(load("age,y\n1,2\n3,4\n", with_gaps()).features == Names{"age"});
}

TEST_CASE("load_csv: what may be missing is no more than asked for") {
  const std::string remedy =
      "; fill in or remove such rows, or have them filled (CsvMissing::nan; in a run \"missing\": "
      "\"median\")";
  CHECK(refusal(people, {.features = {"age"}, .regression = true}) ==
        "a.csv:3: column \"age\" is \"?\" (a missing value), expected a number" + remedy);
  CHECK(refusal(people, {.features = {"city"}, .one_hot = {"city"}, .regression = true}) ==
        "a.csv:4: column \"city\" is \"NA\" (a missing value), expected text" + remedy);
  CHECK(refusal("a,y\n1,2\n3,\n", with_gaps()) ==
        "a.csv:3: column \"y\" is empty (a missing value), expected a number; remove such rows before");
  CHECK(refusal("1,2\n,4\n", with_gaps()) ==
        "a.csv:1: there is no header, expected one that names the columns for missing_indicator");
  CHECK(same(load("1,2\n,4\n", {.regression = true, .missing = CsvMissing::nan}).dataset->x(), {1, missing}));
  const TempDir folder;
  const std::string path = folder.write("a.csv", people);
  CHECK(message_of([&] { load_csv(path, {.missing_indicator = true}); }) ==
        "load_csv: missing_indicator is set where missing values are refused, expected them kept as nan");
  const auto no_column = [](const std::string& name) {
    return "a.csv:1: there is no column \"" + name +
           "\", expected one of \"age\", \"city\", \"rooms\", \"rent\"";
  };
  CHECK(refusal(people, {.target = "rent", .features = {"rooms", "age", "age="}, .regression = true}) ==
        no_column("age="));
  CHECK(refusal(people, {.target = "rent", .features = {"city=", "city=Ulm"}, .regression = true}) ==
        no_column("city="));
  CHECK(refusal("a,a=,y\n,1,2\n3,2,4\n", with_gaps()) ==
        "a.csv:1: feature \"a=\" can be read in two ways, as a column and as a value, expected other names");
  CsvOptions twice{.target = "rent", .regression = true, .missing = CsvMissing::nan};
  twice.features = {"age", "age=", "age="};
  CHECK(refusal(people, twice) ==
        "a.csv:1: feature \"age=\" is there twice, or apart from the others of its column, expected each "
        "once, and those side by side");
  CHECK(load("t,y\n,1\n1700000000,2\n1700000001,3\n", with_gaps()).blurred ==
        Names{"\"t\", from 1700000000 to 1700000001,"});
}

TEST_CASE("load_csv: what is missing counts as one of the values that a one-hot column may have") {
  std::string text = "id,y\n";
  for (int i = 0; i < 1000; ++i) text += "n" + std::to_string(i) + ",1.5\n";
  const CsvOptions options{.one_hot = {"id"}, .regression = true, .missing = CsvMissing::nan};
  CHECK(load(text, options).features.size() == max_csv_values);
  CHECK(refusal(text + "?,1\n", options) ==
        "a.csv:1002: column \"id\" is \"?\" (a missing value), after 1000 other values, expected at most "
        "1000 in "
        "a one-hot column");
  CHECK(load(",y\nUlm,1\n,2\n",
             {.target = "y", .features = {0}, .one_hot = {0}, .regression = true, .missing = CsvMissing::nan})
            .features == Names{"=", "=Ulm"});
}

TEST_CASE("check_csv_numbers: a column without a number is named, by its name or its place") {
  const auto message = [](const std::string& text) {
    const CsvData data = load(text, {.regression = true, .missing = CsvMissing::nan});
    return message_of([&] { check_csv_numbers("a.csv", data, *data.dataset); });
  };
  CHECK(
      message("a,b,y\n1,,2\n?,?,4\n") ==
      "a.csv: column \"b\" is missing in all 2 rows, expected a number in one of them; leave the column out");
  CHECK(message(",1,2\n?,1,4\n").starts_with("a.csv: column 0 is missing in all 2 rows"));
  CHECK(message("a,y\n,2\n1,4\n") == "no error");
}

TEST_CASE("run: a column that only validation rows have is refused by its name") {
  const TempDir folder;
  const int rows = 10;
  int refused = 0;
  for (int only = 0; only < rows; ++only) {
    std::string text = "a,rare,y\n";
    for (int i = 0; i < rows; ++i)
      text += std::to_string(i) + "," + (i == only ? "7" : "") + "," + std::to_string(i) + "\n";
    const std::string path = folder.write("a.csv", text);
    const std::string message = message_of([&] {
      load_data(
          {optim::config::CsvConfig{.path = path, .target = "y", .regression = true, .missing = "mean"}}, 42);
    });
    if (message == "no error") continue;
    ++refused;
    CHECK(message == path +
                         ": column \"rare\" is missing in all 8 training rows, expected a number in one of "
                         "them; leave the column out");
  }
  CHECK(refused == 2);
}

TEST_CASE("run: missing cells may get the mean, and values of columns stay 0 and 1") {
  const TempDir folder;
  const std::string path = folder.write("a.csv", "a,city,y\n1,Ulm,1\n,Bonn,2\n4,,3\n7,Ulm,4\n");
  const optim::RunData data = load_data({optim::config::CsvConfig{.path = path,
                                                                  .target = "y",
                                                                  .one_hot = {"city"},
                                                                  .regression = true,
                                                                  .validation = 0,
                                                                  .missing = "mean",
                                                                  .missing_indicator = true}},
                                        1);
  CHECK(data.features == Names{"a", "a=", "city=", "city=Bonn", "city=Ulm"});
  REQUIRE(data.preprocessing.size() == 2);
  CHECK(dynamic_cast<const Impute&>(*data.preprocessing[0]).values()[0] == 4);
  const float far = static_cast<float>(3 / std::sqrt(4.5));
  CHECK(floats(data.train->all().x) ==
        Floats{-far, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, far, 0, 0, 0, 1});
}

TEST_CASE("run: missing cells are filled by the median of the training rows, in the run and in its model") {
  const TempDir folder;
  const std::string table = folder.write("rents.csv", rents(90)), config = R"({"rill": 1,
    "model": {"rill": 1, "input_shape": [4], "layers": [{"type": "dense", "units": 8, "activation": "elu"},
                                                        {"type": "dense", "units": 1}]},
    "data": {"format": "csv", "path": ")" + table + R"(", "one_hot": ["city"], "regression": true,
             "missing": "median", "standardize_target": true},
    "loss": "mse", "optimizer": {"type": "adam", "lr": 0.02}, "training": {"epochs": 3}})";
  const auto train = [&](const std::string& name, std::vector<std::string> changes) {
    changes.push_back("out=" + folder.file(name));
    return optim::run_training(optim::parse_run(config, "run.json", changes), {.report = false});
  };
  optim::RunResult run = train("gaps", {});
  CHECK(run.model.features == Names{"age", "city=", "city=Bonn", "city=Ulm"});
  REQUIRE(run.model.preprocessing.size() == 2);
  const auto* impute = dynamic_cast<const Impute*>(run.model.preprocessing[0].get());
  REQUIRE(impute);

  // Of the rows that it trains on, and no others.
  const CsvData whole =
      load_csv(table, {.one_hot = {"city"}, .regression = true, .missing = CsvMissing::nan});
  const auto seen = split(whole.dataset, {.validation = 0.2, .seed = 42}).train;
  Floats ages;
  for (std::int64_t i = 0; i < seen->size(); ++i)
    if (const float age = seen->range(i, i + 1).x.to_vector<float>()[0]; !std::isnan(age))
      ages.push_back(age);
  std::ranges::sort(ages);
  const double median = (double(ages[(ages.size() - 1) / 2]) + double(ages[ages.size() / 2])) / 2;
  CHECK(impute->values()[0] == median);
  CHECK(median != fitted(whole.dataset->x(), ImputeBy::median)[0]);

  // The same run as with these numbers in the file.
  std::string filled = rents(90);
  const std::string number = std::to_string(median);
  for (const std::string gap : {"\n,", "\nNA,"})
    for (std::size_t at = filled.find(gap); at != std::string::npos; at = filled.find(gap, at))
      filled.replace(at + 1, gap.size() - 2, number);
  folder.write("filled.csv", filled);
  const auto by_hand = train("filled", {"data.path=" + folder.file("filled.csv")});
  CHECK(folder.read("gaps/log.csv") == folder.read("filled/log.csv"));
  CHECK(folder.read("gaps/log.csv").size() > 100);

  nn::Model loaded = nn::load_model(folder.file("gaps/best.safetensors"));
  const auto answers = [&](float age) { return floats(loaded.predict(tensor({{age, 0, 0, 1}}))); };
  CHECK(answers(missing) == answers(static_cast<float>(median)));
  CHECK(answers(missing) != answers(50));

  // Going on, the model's own filling stays.
  const std::string from = "model=" + folder.file("gaps/best.safetensors");
  folder.write("older.csv",
               "age,city,rent\n" + std::string("70,Ulm,1\n80,Bonn,2\n90,,3\n,Ulm,4\n75,Bonn,5\n"));
  CHECK(message_of([&] {
          train("other", {from, "data.missing_indicator=true"});
        }) ==
        "run: /model: it was trained on the columns \"age\", \"city=\", \"city=Bonn\", \"city=Ulm\", the "
        "data have "
        "\"age\", \"age=\", \"city=\", \"city=Bonn\", \"city=Ulm\", expected the same in the same order; set "
        "/data/features");
  const auto further = train("further", {from, "data.path=" + folder.file("older.csv"), "data.missing=mean"});
  CHECK(dynamic_cast<const Impute&>(*further.model.preprocessing[0]).values()[0] == median);
  CHECK(message_of([&] {
          train("other", {from, "data.path=" + folder.file("filled.csv"), "data.one_hot=[\"city\"]",
                          "data.standardize=false"});
        }).starts_with("run: /data: samples are prepared by "));
}

TEST_CASE("run: missing and missing_indicator say by which, and go together") {
  const auto message = [](const std::string& keys) {
    return message_of([&] {
      optim::check_run(optim::parse_run(
          R"({"rill": 1, "model": {"rill": 1, "input_shape": [1], "layers": [{"type": "dense", "units": 1}]},
              "data": {"format": "csv", "path": "x.csv", "regression": true, )" +
              keys + R"(},
              "loss": "mse", "optimizer": {"type": "sgd", "lr": 0.1}, "training": {"epochs": 1}})",
          "run.json"));
    });
  };
  CHECK(message(R"("missing": "mode")")
            .find("/data/missing: unknown value \"mode\", expected one of refuse, mean, median") !=
        std::string::npos);
  CHECK(message(R"("missing_indicator": true)") ==
        "run: /data/missing_indicator: got true where missing values are refused, expected \"missing\": "
        "\"median\" or \"mean\" beside it");
}

TEST_CASE("rill new: a table that misses cells is one to train, judge and predict from") {
  const TempDir folder;
  const std::string table = folder.write("rents.csv", rents(300)), config = folder.file("run.json"),
                    run = folder.file("out"), model = run + "/best.safetensors";
  const Outcome made = rill::test::rill({"new", config, "--data", table, "--regression"});
  REQUIRE(made.status == 0);
  CHECK(made.says(
      "column \"age\" misses 60 of its 300 cells; its median fills them, and one more feature says where"));
  CHECK(made.says("column \"city\" misses 100 of its 300 cells; that is a value, too"));
  const nlohmann::json written = nlohmann::json::parse(folder.read("run.json"));
  CHECK(written.at("data").at("missing") == "median");
  CHECK(written.at("data").at("missing_indicator") == true);
  CHECK(written.at("model").at("input_shape") == nlohmann::json{5});
  CHECK(rill::test::rill({"check", config}).status == 0);
  REQUIRE(rill::test::rill({"train", config, "--out", run, "--set", "training.epochs=100"}).status == 0);
  CHECK(nn::load_model(model).features == Names{"age", "age=", "city=", "city=Bonn", "city=Ulm"});
  CHECK(rill::test::rill({"summary", model}).says("preprocessing: impute, standardize"));

  const nlohmann::json judged = rill_json({"eval", model, "--csv", table});
  CHECK(judged.at("mean_absolute_error").get<double>() < 40);  // rents lie between 200 and 900
  CHECK(rill::test::rill({"doctor", model, "--csv", table}).status == 0);
  CHECK(rill::test::rill({"eval", model, "--csv", folder.write("one.csv", "rent,age,city\n900,,Ulm\n")})
            .status == 0);
  CHECK(
      rill::test::rill(
          {"predict", model, "--input", folder.write("bare.csv", "1,2,3,4,5\n"), "--output", "-"})
          .says("bare.csv: there is no header, and the model reads \"age=\", a value of a column, expected a "
                "header that names the columns"));
  const Outcome predicted =
      rill::test::rill({"predict", model, "--input", folder.write("new.csv", "city,age\nUlm,\n,30\nUlm,30\n"),
                        "--output", "-"});
  REQUIRE(predicted.status == 0);
  std::vector<double> answers;
  for (const std::string& line : lines_of(predicted.output))
    if (line.find_first_not_of("0123456789.") == std::string::npos) answers.push_back(std::stod(line));
  REQUIRE(answers.size() == 3);
  CHECK(answers[0] == doctest::Approx(900).epsilon(0.15));
  CHECK(answers[1] == doctest::Approx(500).epsilon(0.15));
  CHECK(answers[2] == doctest::Approx(300).epsilon(0.15));
  CHECK(rill::test::rill(
            {"predict", model, "--input", folder.write("bad.csv", "city,age\nUlm,x\n"), "--output", "-"})
            .says("bad.csv:2: column \"age\" is \"x\", expected a finite number"));
}

TEST_CASE("rill new: where a column has the name of an indicator, there are none") {
  const TempDir folder;
  std::string text = "a,a=,y\n";
  for (int i = 0; i < 40; ++i)
    text += (i % 4 ? std::to_string(i) : "") + "," + std::to_string(i * 7 % 40) + "," + std::to_string(i) +
            ".5\n";
  const std::string table = folder.write("a.csv", text), config = folder.file("run.json");
  const Outcome made = rill::test::rill({"new", config, "--data", table, "--regression"});
  CHECK(made.says("column \"a\" misses 10 of its 40 cells; its median fills them\n"));
  CHECK(nlohmann::json::parse(folder.read("run.json")).at("model").at("input_shape") == nlohmann::json{2});
  CHECK(
      rill::test::rill({"train", config, "--out", folder.file("out"), "--set", "training.epochs=1"}).status ==
      0);
}

TEST_CASE("rill new: a column of text may be missing in most rows") {
  const TempDir folder;
  std::string text = "cabin,fare,y\n";
  for (int i = 0; i < 100; ++i)
    text += std::string(i % 5 == 0 ? (i % 2 ? "A" : "B") : "") + "," + std::to_string(i) + "," +
            std::to_string(i) + ".5\n";
  const Outcome made = rill::test::rill(
      {"new", folder.file("run.json"), "--data", folder.write("a.csv", text), "--regression"});
  CHECK(made.says("column \"cabin\" is text; each of its 2 values becomes a feature"));
  CHECK(made.says("column \"cabin\" misses 80 of its 100 cells; that is a value, too"));
}

TEST_CASE(
    "rill predict: a model that fills nothing says what is missing, and knows no feature that tells of it") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
  model.features = {"x", "x="};
  const std::string path = folder.file("m.safetensors");
  nn::save_model(model, path);
  const auto predicted = [&](const std::string& table) {
    return rill::test::rill({"predict", path, "--input", folder.write("a.csv", table), "--output", "-"});
  };
  CHECK(predicted("x\n1\n").says("columns that the model reads are missing: \"x=\"; the file has \"x\""));
  CHECK(predicted("x=,x\n1,2\n").status == 0);
  CHECK(predicted("x=,x\n1,\n")
            .says("a.csv:2: column \"x\" is \"\" (a missing value), expected a finite number; the model "
                  "fills in none"));
}

TEST_CASE("rill new: a table without a header that misses cells has them filled") {
  const TempDir folder;
  std::string text = "?,1,0.5\n";
  for (int i = 0; i < 40; ++i)
    text += std::to_string(i) + "," + (i == 7 ? "" : "3") + "," + std::to_string(i) + ".5\n";
  const std::string table = folder.write("a.csv", text), config = folder.file("run.json"),
                    run = folder.file("out");
  const Outcome made = rill::test::rill({"new", config, "--data", table, "--regression"});
  CHECK(made.says("column 0 misses 1 of its 41 cells; its median fills them\n"));
  CHECK(made.says("column 1 misses 1 of its 41 cells; its median fills them\n"));
  CHECK(!nlohmann::json::parse(folder.read("run.json")).at("data").contains("missing_indicator"));
  REQUIRE(rill::test::rill({"train", config, "--out", run, "--set", "training.epochs=2"}).status == 0);
  CHECK(rill::test::rill({"predict", run + "/best.safetensors", "--input", folder.write("b.csv", "1,\n,3\n"),
                          "--output", "-"})
            .status == 0);
}

TEST_CASE("rill train: the report shows rows with what they miss") {
  const TempDir folder;
  std::string text = "age,size,kind\n";
  for (int i = 0; i < 80; ++i)
    text += (i % 4 ? std::to_string(i) : "") + "," + std::to_string(i % 7) + "," +
            (i * 13 % 5 < 2 ? "a" : "b") + "\n";
  const std::string config = folder.file("run.json"), run = folder.file("out");
  REQUIRE(rill::test::rill({"new", config, "--data", folder.write("a.csv", text)}).status == 0);
  REQUIRE(rill::test::rill({"train", config, "--out", run, "--set", "training.epochs=1"}).status == 0);
  const std::string report = folder.read("out/report.html");
  CHECK(report.find("age missing, size ") != std::string::npos);
  CHECK(report.find("age=") == std::string::npos);

  // Values that end like the name of what is missing.
  text = "op,size,kind\n";
  for (int i = 0; i < 80; ++i)
    text += std::string(i % 3 ? "<=" : ">=") + "," + std::to_string(i % 7) + "," +
            (i * 13 % 5 < 2 ? "a" : "b") + "\n";
  REQUIRE(rill::test::rill({"new", config, "--force", "--data", folder.write("a.csv", text)}).status == 0);
  REQUIRE(
      rill::test::rill({"train", config, "--out", folder.file("ops"), "--set", "training.epochs=1"}).status ==
      0);
  CHECK(folder.read("ops/report.html").find("op=&lt;=, size ") != std::string::npos);
  CHECK(folder.read("ops/report.html").find("; missing") == std::string::npos);

  // A name that looks like a value's, first, and 0 for most.
  text = "age>=65,size,kind\n";
  for (int i = 0; i < 80; ++i)
    text += std::string(i % 4 == 0   ? ""
                        : i % 7 == 0 ? "1"
                                     : "0") +
            "," + std::to_string(i % 7) + "," + (i * 13 % 5 < 2 ? "a" : "b") + "\n";
  REQUIRE(rill::test::rill({"new", config, "--force", "--data", folder.write("a.csv", text)}).status == 0);
  const std::string again = folder.file("again");
  REQUIRE(rill::test::rill({"train", config, "--out", again, "--set", "training.epochs=1"}).status == 0);
  CHECK(folder.read("again/report.html").find("age&gt;=65 missing, size ") != std::string::npos);
}

TEST_CASE("preprocessing: impute is saved with the model and read again, and refused where it does not fit") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
  model.preprocessing = {std::make_shared<Impute>(tensor({0.1, -3}, DType::f64))};
  nn::save_model(model, folder.file("m.safetensors"));
  const nn::Model read = nn::load_model(folder.file("m.safetensors"));
  REQUIRE(read.preprocessing.size() == 1);
  const auto values = dynamic_cast<const Impute&>(*read.preprocessing[0]).values();
  CHECK(std::vector<double>(values.begin(), values.end()) == std::vector<double>{0.1, -3});
  CHECK(fills_missing(read.preprocessing));
  CHECK(!fills_missing({std::make_shared<Scale>(2.0)}));
}
