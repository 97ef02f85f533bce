// Columns of text as features: one for each value, named column=value, from the file to what a trained model reads.

#include <filesystem>
#include <string>
#include <vector>

#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/csv_features.hpp>

#include "rill_command.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using namespace rill::nn::data;
using namespace rill::test;

using Names = std::vector<std::string>;

const std::string houses =
    "area,city,rooms,price\n60,Ulm,2,100\n80,Bonn,3,150\n70,\"Bad, Ems\",3,120\n90,Ulm,4,160\n";

CsvOptions of_houses() { return {.target = "price", .one_hot = {"city"}, .regression = true}; }

CsvData load(const std::string& text, const CsvOptions& options) {
  const TempDir folder;
  return load_csv(folder.write("a.csv", text), options);
}

std::vector<float> numbers(const Tensor& x) {
  const auto data = x.data<float>();
  return {data.begin(), data.end()};
}

// What a table says, without its folder.
std::string refusal(const std::string& text, const CsvOptions& options) {
  const TempDir folder;
  try {
    load_csv(folder.write("a.csv", text), options);
  } catch (const Error& error) {
    return std::string(error.what()).substr(folder.path().size() + 1);
  }
  return "";
}

// 120 rows, of which the city says the price.
std::string town_table() {
  std::string text = "area,city,price\n";
  for (int i = 0; i < 120; ++i) {
    const int area = 50 + i * 37 % 60, city = i * 7 % 3;
    text += std::to_string(area) + "," +
            std::vector<std::string>{"Ulm", "Bonn", "Köln"}[static_cast<std::size_t>(city)] + "," +
            std::to_string(1000 * area + 90000 * city) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("load_csv: columns that f32 cannot tell apart are named, and others are not") {
  const auto blurred = [](const std::string& a, const std::string& b, const std::string& c) {
    return load("t,y\n" + a + ",1\n" + b + ",2\n" + c + ",3\n", {.regression = true}).blurred;
  };
  CHECK(blurred("1700000000", "1700000001", "1700000119") == Names{"\"t\", from 1700000000 to 1700000119,"});
  CHECK(blurred("16777217.5", "16777218.5", "16777219.5") == Names{"\"t\", from 16777217.5 to 16777219.5,"});
  CHECK(blurred("1700000000", "1700086400", "1700172800").empty());
  CHECK(blurred("0.123456789", "0.223456789", "0.323456789").empty());
  CHECK(blurred("0.123456789", "0.123456789", "0.123456789").empty());
  CHECK(blurred("1", "2", "3").empty());
  CHECK(blurred("0.1", "0.100000", "0.1000000").empty());
  CHECK(blurred("0.3", "0.30000000000000004", "0.3").empty());
  CHECK(blurred("0.1", "0.1000000001", "0.1") == Names{"\"t\", from 0.1 to 0.1000000001,"});
  const CsvData target = load("t,y\n1,1700000000\n2,1700000001\n", {.regression = true});
  CHECK(target.blurred == Names{"\"y\", from 1700000000 to 1700000001,"});
  CHECK(
      message_of([&] { check_csv_precision("a.csv", target); }) ==
      "a.csv: f32 rounds away what tells the numbers of column \"y\", from 1700000000 to 1700000001, apart, "
      "expected numbers closer to 0; subtract one of them from all, or leave the column out");
}

TEST_CASE("load_csv: classes that are one number in two spellings are refused") {
  CHECK(refusal("x,y\n1,1\n2,1.0\n3,2\n4,1\n5,1.0\n6,2\n", {}) ==
        "a.csv: classes \"1\" and \"1.0\" are one number, expected it written in one way");
  for (const std::string other : {"01", "007", "18446744073709551617"}) {
    const std::string one = other == "01" ? "1" : other == "007" ? "7" : "18446744073709551616";
    CHECK(load("x,y\n1," + one + "\n2," + other + "\n3," + one + "\n4," + other + "\n", {}).classes.size() ==
          2);
  }
  CHECK(load("x,y\n1,1\n2,a\n3,1.0\n4,1\n5,1.0\n6,a\n", {}).classes.size() == 3);
}

TEST_CASE("load_csv: each value of a one-hot column becomes a feature, in place, sorted") {
  const CsvData data = load(houses, of_houses());
  CHECK(data.features == Names{"area", "city=Bad, Ems", "city=Bonn", "city=Ulm", "rooms"});
  CHECK(numbers(data.dataset->x()) ==
        std::vector<float>{60, 0, 0, 1, 2, 80, 0, 1, 0, 3, 70, 1, 0, 0, 3, 90, 0, 0, 1, 4});
  CHECK(numbers(data.dataset->y()) == std::vector<float>{100, 150, 120, 160});
}

TEST_CASE("load_csv: several columns are one-hot, by name or by number, also with numbers in them") {
  CsvOptions options = of_houses();
  options.one_hot = {-2, "city"};
  options.features = {"rooms", "city"};
  const CsvData data = load(houses, options);
  CHECK(data.features == Names{"rooms=2", "rooms=3", "rooms=4", "city=Bad, Ems", "city=Bonn", "city=Ulm"});
  CHECK(numbers(data.dataset->x()) ==
        std::vector<float>{1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1});
}

TEST_CASE("load_csv: classes stand beside one-hot columns") {
  const CsvData data = load("color,size,kind\nred,1,a\nblue,2,b\nred,3,a\n", {.one_hot = {"color"}});
  CHECK(data.classes == Names{"a", "b"});
  CHECK(numbers(data.dataset->x()) == std::vector<float>{0, 1, 1, 1, 0, 2, 0, 1, 3});
}

TEST_CASE("load_csv: features column=value read what a model was trained on, in that order") {
  CsvOptions options = {.target = "price", .regression = true};
  options.features = {"city=Ulm", "city=Bonn", "city=Bad, Ems", "area"};
  const CsvData data = load(houses, options);
  CHECK(data.features == Names{"city=Ulm", "city=Bonn", "city=Bad, Ems", "area"});
  CHECK(numbers(data.dataset->x()) == std::vector<float>{1, 0, 0, 60, 0, 1, 0, 80, 0, 0, 1, 70, 1, 0, 0, 90});
  options.features.pop_back();
  options.features.pop_back();
  CHECK(refusal(houses, options) ==
        "a.csv:4: column \"city\" is \"Bad, Ems\", which is none of its features, expected \"Ulm\", "
        "\"Bonn\"");
  const TempDir folder;
  const CsvInputs inputs =
      load_csv_inputs(folder.write("a.csv", "city\nBonn\nUlm\n"), {.features = {"city=Bonn", "city=Ulm"}});
  CHECK(numbers(inputs.x) == std::vector<float>{1, 0, 0, 1});
}

TEST_CASE("load_csv: a column that has the name of a value is that column, and other = belong to the value") {
  CHECK(load("a=b,y\n1,2\n3,4\n", {.features = {"a=b"}, .regression = true}).features == Names{"a=b"});
  const CsvData data = load("a=b,y\nc=d,2\ne,4\n", {.features = {"a=b=c=d", "a=b=e"}, .regression = true});
  CHECK(numbers(data.dataset->x()) == std::vector<float>{1, 0, 0, 1});
  CHECK(refusal("a,a=b,y\nb,1,2\n", {.one_hot = {"a"}, .regression = true}) ==
        "a.csv:1: feature \"a=b\" can be read in two ways, as a column and as a value, expected other names");
}

TEST_CASE("load_csv: one-hot columns that cannot be are refused") {
  const auto with = [](std::vector<CsvColumn> one_hot, std::vector<CsvColumn> features = {}) {
    CsvOptions options = of_houses();
    options.one_hot = std::move(one_hot);
    options.features = std::move(features);
    return refusal(houses, options);
  };
  CHECK(with({"price"}) == "a.csv:1: column \"price\" is one-hot, and the target, expected a feature");
  CHECK(with({"city"}, {"area"}) ==
        "a.csv:1: column \"city\" is one-hot, and not among the features, expected a feature");
  CHECK(with({"city", 1}) ==
        "a.csv:1: column \"city\" is one-hot, and so it is by another name or by features that are its "
        "values, expected one of these");
  CHECK(with({"town"}) ==
        "a.csv:1: there is no column \"town\", expected one of \"area\", \"city\", \"rooms\", \"price\"");
  CHECK(with({}, {"city=Ulm", "area", "city=Bonn"}) ==
        "a.csv:1: feature \"city=Bonn\" is there twice, or apart from the others of its column, expected "
        "each once, and those side by side");
  CHECK(with({}, {"city=Ulm", "city=Ulm"}) ==
        "a.csv:1: feature \"city=Ulm\" is there twice, or apart from the others of its column, expected each "
        "once, and those side by side");
  CHECK(refusal("1,Ulm,2\n3,Bonn,4\n", {.one_hot = {1}, .regression = true}) ==
        "a.csv:1: there is no header, expected one that names the one-hot columns");
  CHECK(refusal("city,y\nUlm,1\n,2\n", {.one_hot = {"city"}, .regression = true}) ==
        "a.csv:3: column \"city\" is empty (a missing value), expected text; fill in or remove such rows, or "
        "have them filled (CsvMissing::nan; in a run \"missing\": \"median\")");
  CHECK(refusal("city,y\nUlm,1\nK\xf6ln,2\n", {.one_hot = {"city"}, .regression = true}) ==
        "a.csv:3: column \"city\" is \"K\\xf6ln\", not UTF-8, expected text in it; convert the file, as with "
        "iconv "
        "-f latin1 -t utf-8");
}

TEST_CASE("load_csv: names of features that would be read back as others are refused") {
  const std::string both = "city,city=Ulm,area,y\nUlm,1,60,1.5\nBonn,0,70,2.5\n";
  CsvOptions options{.target = "y", .features = {"city", "area"}, .one_hot = {"city"}, .regression = true};
  const auto says = [&] {
    return refusal(both, options).find("feature \"city=Ulm\" can be read in two ways") != std::string::npos;
  };
  CHECK(says());
  options.target = "city=Ulm";
  CHECK(says());
  CHECK(
      refusal("a,a=b,y\n1,c,1.5\n2,d,2.5\n", {.one_hot = {"a=b"}, .regression = true}).find("in two ways") !=
      std::string::npos);
}

TEST_CASE("load_csv: a column with one value, and columns without names, are what they are") {
  CHECK(numbers(load("city,y\nUlm,1\nUlm,2\n", {.one_hot = {"city"}, .regression = true}).dataset->x()) ==
        std::vector<float>{1, 1});
  CHECK(load(",,y\n1,2,1.5\n3,4,2.5\n", {.target = "y", .features = {0, 1}, .regression = true}).features ==
        Names{"", ""});
}

TEST_CASE("load_csv: above columns of text there is a header, and not a row") {
  CHECK(load("color,size,kind\nred,S,a\nblue,M,b\nred,S,a\n", {.one_hot = {0, 1}}).features ==
        Names{"color=blue", "color=red", "size=M", "size=S"});
  const std::string bare = "Ulm,red,a\nBonn,blue,b\nUlm,blue,a\n";
  CsvOptions options{.one_hot = {0, 1}};
  CHECK(refusal(bare, options) ==
        "a.csv:1: column \"Ulm\" holds its own name: a header, or a row? expected a header above columns of "
        "text, and "
        "\"header\": true if this is one");
  options.header = CsvHeader::present;
  CHECK(load(bare, options).dataset->size() == 2);
}

TEST_CASE("load_csv: a one-hot column has 1000 values at most") {
  std::string text = "id,y\n";
  for (int i = 0; i < 1000; ++i) text += "n" + std::to_string(i) + ",1.5\n";
  const CsvOptions options{.one_hot = {"id"}, .regression = true};
  CHECK(load(text, options).features.size() == max_csv_values);
  CHECK(refusal(text + "more,1.5\n", options) ==
        "a.csv:1002: column \"id\" is \"more\", after 1000 other values, expected at most 1000 in a one-hot "
        "column");
}

TEST_CASE(
    "rill new: columns of text become one-hot, in the file that it writes, and rill train, eval and predict "
    "read them") {
  const TempDir folder;
  const std::string table = folder.write("towns.csv", town_table()), config = folder.file("run.json"),
                    run = folder.file("out"), model = run + "/best.safetensors";
  REQUIRE(rill::test::rill({"new", config, "--data", table, "--regression"}).status == 0);
  const nlohmann::json written = nlohmann::json::parse(folder.read("run.json"));
  CHECK(written.at("data").at("one_hot") == nlohmann::json{"city"});
  CHECK(written.at("model").at("input_shape") == nlohmann::json{4});
  CHECK(rill::test::rill({"check", config}).status == 0);
  REQUIRE(rill::test::rill({"train", config, "--out", run}).status == 0);
  CHECK(nn::load_model(model).features == Names{"area", "city=Bonn", "city=Köln", "city=Ulm"});

  const nlohmann::json judged =
      nlohmann::json::parse(rill::test::rill({"eval", model, "--csv", table, "--json"}).output);
  CHECK(judged.at("mean_absolute_error").get<double>() <
        10000);  // prices lie between 50,000 and 290,000, and cities 90,000 apart
  const auto predicted = [&](const std::string& rows) {
    const Outcome done =
        rill::test::rill({"predict", model, "--input", folder.write("new.csv", rows), "--output", "-"});
    CHECK(done.status == 0);
    std::vector<double> prices;
    for (const std::string& line : lines_of(done.output))
      if (line.find_first_not_of("0123456789.") == std::string::npos) prices.push_back(std::stod(line));
    return prices;
  };
  const std::vector<double> prices = predicted("id,city,area\n1,Ulm,80\n2,Bonn,80\n3,Köln,80\n");
  REQUIRE(prices.size() == 3);
  CHECK(prices[0] == doctest::Approx(80000).epsilon(0.2));
  CHECK(prices[1] == doctest::Approx(170000).epsilon(0.2));
  CHECK(prices[2] == doctest::Approx(260000).epsilon(0.2));

  const Outcome unknown =
      rill::test::rill({"predict", model, "--input", folder.write("new.csv", "city,area\nUlm,80\nParis,70\n"),
                        "--output", folder.file("p.csv")});
  CHECK(unknown.status == 1);
  CHECK(unknown.says(
      "new.csv:3: column \"city\" is \"Paris\", which is none of its features, expected \"Bonn\", "
      "\"Köln\", \"Ulm\""));
  CHECK(!std::filesystem::exists(folder.file("p.csv")));
  CHECK(
      rill::test::rill({"predict", model, "--input", folder.write("new.csv", "area\n80\n"), "--output", "-"})
          .says("columns that the model reads are missing: \"city=Bonn\", \"city=Köln\", \"city=Ulm\"; the "
                "file has "
                "\"area\""));
}

TEST_CASE("rill new: text whose values hardly come again, or that has no header, is refused") {
  const TempDir folder;
  std::string text = "name,area,price\n";
  for (int i = 0; i < 30; ++i)
    text += "house " + std::to_string(i) + "," + std::to_string(i) + "," + std::to_string(i * i) + ".5\n";
  const std::string table = folder.write("a.csv", text), config = folder.file("run.json");
  CHECK(rill::test::rill({"new", config, "--data", table, "--regression"})
            .says("a.csv: column \"name\" is text with 30 values in 30 cells, expected numbers, or at most "
                  "100 values that come "
                  "again; choose the other columns with --features, or name it in one_hot by hand"));
  CHECK(rill::test::rill({"new", config, "--data", table, "--regression", "--features", "area"}).status == 0);
  std::string many = "town,y\n";
  for (int i = 0; i < 300; ++i) many += "t" + std::to_string(i % 101) + ",1.5\n";
  CHECK(rill::test::rill({"new", config, "--force", "--data", folder.write("many.csv", many), "--regression"})
            .says("column \"town\" is text with more than 100 values in 300 cells"));
  const std::string bare = folder.write("bare.csv", "Ulm,60,1.5\nBonn,70,2.5\nUlm,80,3.5\n");
  CHECK(rill::test::rill({"new", config, "--force", "--data", bare, "--regression"})
            .says("bare.csv:1: there is no header, expected one that names the one-hot columns"));
}

TEST_CASE("rill new: numbers that are written another way, and slips, do not become one-hot") {
  const TempDir folder;
  const std::string config = folder.file("run.json");
  const auto made = [&](const std::string& table, std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"new", config, "--force", "--regression", "--data", folder.write("a.csv", table)});
    return rill::test::rill(more);
  };
  CHECK(made("qm;preis\n60,5;1.5\n70,5;2.5\n60,5;3.5\n")
            .says("a.csv:2: column \"qm\" is \"60,5\", expected a number"));
  CHECK(made("day,y\n2024-01-01,1.5\n2024-01-02,2.5\n")
            .says("column \"day\" is \"2024-01-01\", expected a number"));
  CHECK(made("a,y\n1,1.5\n2,2.5\nx,3.5\n")
            .says("a.csv:4: column \"a\" is \"x\", expected a number; a column of text can be one-hot"));

  const auto data = [&] { return nlohmann::json::parse(folder.read("run.json")).at("data"); };
  const Outcome years = made("city,2019,price\nUlm,1,2.5\nBonn,2,3.5\nUlm,3,4.5\n", {"--target", "price"});
  CHECK(years.says("a.csv: column \"city\" is text; each of its 2 values becomes a feature"));
  CHECK(data().at("one_hot") == nlohmann::json{"city"});
  CHECK(made("city;y\nUlm;1,5\n", {}).status == 1);
  CHECK(made("price;city\n1.5;Ulm\n2.5;Bonn\n1.5;Ulm\n", {"--target", "0"}).status == 0);
  CHECK(data().at("one_hot") == nlohmann::json{"city"});
  CHECK(made("city,a,y\nUlm,1,1.5\nBonn,2,2.5\nUlm,3,3.5\n", {"--features", "1,0"}).status == 0);
  CHECK(data().at("features") == nlohmann::json{"a", "city"});
  CHECK(made(",a,y\nUlm,1,1.5\nBonn,2,2.5\nUlm,3,3.5\n", {"--features", "0,1", "--target", "y"}).status == 0);
  CHECK(data().at("one_hot") == nlohmann::json{0});
  CHECK(
      rill::test::rill({"train", config, "--out", folder.file("out"), "--set", "training.epochs=1"}).status ==
      0);
}

TEST_CASE("rill predict: a column is not read for two features") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
  model.features = {"x", "x=1"};
  const std::string path = folder.file("m.safetensors");
  nn::save_model(model, path);
  CHECK(rill::test::rill({"predict", path, "--input", folder.write("a.csv", "x\n1\n"), "--output", "-"})
            .says("columns that the model reads are missing: \"x=1\"; the file has \"x\""));
}
