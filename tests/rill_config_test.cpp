// `rill check`, `rill new` and `rill schema`: configs, and the comments in them.
#include "rill_command.hpp"

namespace {

using namespace rill;
using namespace rill::test;

}  // namespace

TEST_CASE("rill new: every kind passes rill check, and has comments") {
  for (const std::string kind : {"mnist", "digits", "csv", "model"}) {
    const TempDir folder;
    const std::string path = folder.file("config.json");
    CHECK(rill::test::rill({"new", path, "--kind", kind}).status == 0);
    CHECK(folder.read("config.json").find("\"// \":") != std::string::npos);
    const Outcome check = rill::test::rill({"check", path});
    CHECK_MESSAGE(check.status == 0, check.output);
    CHECK(check.output.starts_with(path + ": ok (" + (kind == "model" ? "a model: " : "a run: ")));
  }
}

TEST_CASE("rill new: the schema that a config names is there") {
  const nlohmann::json config = nlohmann::json::parse(rill::test::rill({"new", "-"}).output);
  REQUIRE(config.contains("$schema"));
  const std::string url = config["$schema"];
  REQUIRE(url.starts_with("file:///"));
  CHECK(std::filesystem::is_regular_file(url.substr(7)));
}

TEST_CASE("rill new: the starter for MNIST names no folder, so that RILL_DATA counts") {
  const nlohmann::json config = nlohmann::json::parse(rill::test::rill({"new", "-"}).output);
  CHECK(config["data"]["format"] == "idx");
  CHECK_FALSE(config["data"].contains("path"));
}

TEST_CASE("rill new: a file that is there stays, unless --force replaces it") {
  const TempDir folder;
  const std::string path = folder.write("run.json", "mine");
  const Outcome run = rill::test::rill({"new", path});
  CHECK(run.status == 1);
  CHECK(run.output ==
        "rill: " + path + ": the file is there already, expected a new one; --force replaces it\n");
  CHECK(folder.read("run.json") == "mine");
  CHECK(rill::test::rill({"new", path, "--force"}).status == 0);
  CHECK(folder.read("run.json").starts_with("{"));
}

TEST_CASE("rill new: for a table, the sizes are those of its columns and classes") {
  const TempDir folder;
  const std::string table = folder.write("flowers.csv", flower_table), path = folder.file("run.json");
  CHECK(rill::test::rill({"new", path, "--data", table, "--target", "species"}).status == 0);
  const nlohmann::json config = nlohmann::json::parse(folder.read("run.json"));
  CHECK(config["model"]["input_shape"] == nlohmann::json{4});
  CHECK(config["model"]["layers"].back()["units"] == 3);
  CHECK(config["data"]["path"] == table);
  CHECK(config["data"]["target"] == "species");
  CHECK(rill::test::rill({"check", path}).status == 0);
}

TEST_CASE("rill new: options that do not go together are wrong usage") {
  CHECK(rill::test::rill({"new", ""}).status == 2);
  CHECK(rill::test::rill({"new", "-", "--kind", "mnist", "--target", "x"}).output ==
        "rill: --data, --target, --features, --header and --regression are for --kind csv, not mnist\n");
  for (const char* option : {"--target", "--features"}) {
    const Outcome run = rill::test::rill({"new", "-", option, "x"});
    CHECK(run.status == 2);
    CHECK(run.output == "rill: " + std::string(option) + " is of --data, expected that beside it\n");
  }
  CHECK(rill::test::rill({"new", "-", "--kind", "other"}).status == 2);
}

TEST_CASE("rill new: a table's delimiter, its header and the number of a column are taken over") {
  const TempDir folder;
  const auto data_of = [&](const std::string& text, std::vector<std::string> more) {
    more.insert(more.begin(), {"new", "-", "--data", folder.write("t.csv", text)});
    const Outcome run = rill::test::rill(more);
    REQUIRE_MESSAGE(run.status == 0, run.output);
    return nlohmann::json::parse(run.output).at("data");
  };
  const nlohmann::json semicolons = data_of("a;b;c\n1;2;x\n3;4;y\n", {});
  CHECK(semicolons.at("delimiter") == ";");
  CHECK(semicolons.at("target") == "c");
  const nlohmann::json numbered = data_of("x,1,2\ny,3,4\n", {"--target", "0"});
  CHECK(numbered.at("target") == 0);
  CHECK_FALSE(numbered.contains("delimiter"));
  CHECK(data_of("1,x,2\n3,y,4\n", {"--target=-2"}).at("target") == 1);
  CHECK(data_of("0,1\n2,a\n3,b\n", {"--header", "yes", "--target", "1"}).at("target") == "1");
  CHECK(data_of("0,1\n2,a\n3,b\n", {"--header", "yes"}).at("header") == true);
}

TEST_CASE("rill new: the columns that are named are the features, and others may hold anything") {
  const TempDir folder;
  const std::string table =
                        folder.write("houses.csv", "area,city,rooms,price\n60,Bonn,2,100\n80,Ulm,3,150\n"),
                    path = folder.file("run.json");
  const auto made = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"new", path, "--force", "--regression", "--data"});
    return rill::test::rill(more);
  };
  CHECK(made({table}).status == 0);
  CHECK_FALSE(nlohmann::json::parse(folder.read("run.json")).at("data").contains("features"));
  CHECK(made({folder.write("houses.csv", "area,city,rooms,price\n60,Bonn,2,100\n80,Ulm,x,150\n")})
            .says("houses.csv:3: column \"rooms\" is \"x\", expected a number"));
  folder.write("houses.csv", "area,city,rooms,price\n60,Bonn,2,100\n80,Ulm,3,150\n");
  CHECK(made({table, "--features", "rooms,area"}).status == 0);
  CHECK(rill::test::rill(
            {"new", "--data", table, "--regression", "--features", "rooms,area", folder.file("last.json")})
            .status == 0);
  CHECK(folder.read("last.json") == folder.read("run.json"));
  const nlohmann::json config = nlohmann::json::parse(folder.read("run.json"));
  CHECK(config.at("data").at("features") == nlohmann::json{"rooms", "area"});
  CHECK(config.at("model").at("input_shape") == nlohmann::json{2});
  CHECK(rill::test::rill({"check", path}).status == 0);
  const std::string bare = folder.write("bare.csv", "60.5,Bonn,2.5,100\n80,Ulm,3,150\n");
  CHECK(made({bare, "--features", "0,2"}).status == 0);
  CHECK(nlohmann::json::parse(folder.read("run.json")).at("data").at("features") == nlohmann::json{0, 2});
  CHECK(made({table, "--features", "rooms,garden"}).says("garden"));
}

TEST_CASE("rill check: a model is ok, with its sizes") {
  const TempDir folder;
  const std::string path = folder.write(
      "model.json", R"({"rill": 1, "input_shape": [4], "layers": [{"type": "dense", "units": 3}]})");
  CHECK(rill::test::rill({"check", path}).output == path + ": ok (a model: 4 -> 3, 15 parameters)\n");
}

TEST_CASE("rill check: wrong configs are exit code 2, with the place; a missing file is 1") {
  const TempDir folder;
  const auto check = [&](const std::string& text) {
    const Outcome run = rill::test::rill({"check", folder.write("c.json", text)});
    CHECK(run.status == 2);
    CHECK(lines_of(run.output).size() == 1);
    const std::size_t at = run.output.find("c.json");
    return at == std::string::npos ? run.output : run.output.substr(at);
  };
  CHECK(check("") == "c.json: the file is empty, expected json\n");
  CHECK(check("{").starts_with("c.json:1:"));
  CHECK(check("[]").starts_with("c.json: this is no model, expected \"rill\": 1"));
  CHECK(check(R"({"rill": 1, "input_shape": [4], "layers": [{"type": "dens", "units": 3}]})") ==
        "c.json: /layers/0/type: unknown layer \"dens\"; did you mean \"dense\"?\n");
  CHECK(check(R"({"rill": 1, "input_shape": [4], "layers": [{"type": "dense", "units": 3.9}]})")
            .starts_with("c.json: /layers/0/units: 3.9 is not whole"));
  CHECK(check(R"({"rill": 1, "training": {"epochs": 3}})").starts_with("c.json: "));
  CHECK(rill::test::rill({"check", folder.file("none.json")}).status == 1);
  CHECK(rill::test::rill({"check", folder.path()}).status == 1);
}

TEST_CASE("rill check: --set changes a run before it is read") {
  const TempDir folder;
  const std::string path = folder.file("run.json");
  CHECK(rill::test::rill({"new", path, "--kind", "digits"}).status == 0);
  CHECK(rill::test::rill({"check", path, "--set", "training.epochs=7"}).says("7 epochs"));
  const Outcome wrong = rill::test::rill({"check", path, "--set", "optimizer.lr=-1"});
  CHECK(wrong.status == 2);
  CHECK(wrong.says("/optimizer/lr"));
}

TEST_CASE("rill schema: prints JSON schemas of both kinds, which allow comments") {
  for (const std::string kind : {"run", "model"}) {
    const nlohmann::json schema = nlohmann::json::parse(rill::test::rill({"schema", kind}).output);
    CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
    CHECK(schema["patternProperties"].contains("^(//|\\$schema$|\\$comment$)"));
    CHECK(schema["additionalProperties"] == false);
  }
  CHECK(rill::test::rill({"schema", "other"}).status == 2);
}

TEST_CASE("config: keys that begin with // and $schema and $comment are notes, in every object") {
  const TempDir folder;
  const std::string text = R"({"$schema": 1, "// a": "b", "rill": 1, "input_shape": [4],
      "layers": [{"//": [1], "$comment": {}, "type": "dense", "units": 3, "activation": {"// ": 0, "type": "relu"}}]})";
  CHECK(nn::load_model(folder.write("m.json", text)).parameter_count() == 15);
  CHECK_THROWS_WITH_AS(
      nn::load_model(folder.write(
          "m.json", R"({"rill": 1, "input_shape": [4], "/ a": 1, "layers": [{"type": "relu"}]})")),
      doctest::Contains("unknown key \"/ a\""), Error);
}
