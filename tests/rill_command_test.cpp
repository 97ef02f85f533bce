// The `rill` command: usage, exit codes, and what it prints about models.
#include "rill_command.hpp"

#include "skip.hpp"

namespace {

using namespace rill;
using namespace rill::test;

const std::vector<std::string> commands{"new",        "check",   "train",  "sweep",   "eval",
                                        "predict",    "summary", "doctor", "convert", "schema",
                                        "completion", "info",    "man"};

struct Flowers {
  TempDir folder;
  std::string model = save(flower_model(), folder.file("flowers.safetensors"));
  std::string table = folder.write("flowers.csv", flower_table);
};

constexpr const char* config_text =
    R"({"rill": 1, "input_shape": [4], "layers": [{"type": "dense", "units": 3}, {"type": "relu"}, {"type": "dense", "units": 3}]})";

}  // namespace

TEST_CASE("rill: --version is the library's version") {
  const Outcome run = rill::test::rill({"--version"});
  CHECK(run.status == 0);
  CHECK(run.output == std::string("rill ") + version() + "\n");
}

TEST_CASE("rill: every command's help has two examples, and says what is read and written") {
  for (const std::string& command : commands) {
    const Outcome run = rill::test::rill({command, "--help"});
    CHECK_MESSAGE(run.status == 0, command, run.output);
    const std::size_t examples = run.output.find("\nExamples:\n");
    REQUIRE_MESSAGE(examples != std::string::npos, command);
    int count = 0;
    for (const std::string& line : lines_of(run.output.substr(examples))) {
      const bool example = line.starts_with("  ") && !line.starts_with("   ");
      count += example && line.find("rill " + command) != std::string::npos ? 1 : 0;
    }
    CHECK_MESSAGE(count == 2, command, run.output);
    for (const char* part : {"--threads", "\nReads:  ", "\nWrites: "})
      CHECK_MESSAGE(run.says(part), command, part);
  }
}

TEST_CASE("rill: wrong usage is one line on standard error, and exit code 2") {
  const Flowers flowers;
  const std::string& model = flowers.model;
  const std::string no_number =
      ", expected a whole number in decimal digits, without zeros before it; see rill ";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "rill: no command is given, expected one; see rill --help\n"},
      {{"trian"}, "rill: \"trian\" is no command; did you mean \"train\"?\n"},
      {{"--nope"}, "rill: unknown option --nope; see rill --help\n"},
      {{"eval", model, "--digit"}, "rill: eval: unknown option --digit; did you mean --digits?\n"},
      {{"eval", model, "--digits", "x"},
       "rill: eval: there is one argument too many, \"x\"; see rill eval --help\n"},
      {{"eval"}, "rill: eval: MODEL is required; see rill eval --help\n"},
      {{"eval", model}, "rill: no data is given, expected one of --idx, --csv, --npy, --digits\n"},
      {{"eval", model, "--digits", "--target", "x"},
       "rill: --target is for --csv, expected that beside it\n"},
      {{"eval", model, "--digits", "--idx", "x"},
       "rill: eval: --idx excludes --digits; see rill eval --help\n"},
      {{"eval", model, "--digits", "--split", "all"},
       "rill: eval: --split: got \"all\", expected one of test, train; see rill eval --help\n"},
      {{"eval", model, "--digits", "--scale", "0.5"},
       "rill: --scale: the model has preprocessing of its own, expected no --scale\n"},
      {{"summary", model, "--threads", "0"},
       "rill: summary: --threads: Value 0 not in range 1 to 1024; see rill summary --help\n"},
      {{"summary", model, "--threads", "010"},
       "rill: summary: --threads: got \"010\"" + no_number + "summary --help\n"},
      {{"train", "run.json", "--seed", "0x10"},
       "rill: train: --seed: got \"0x10\"" + no_number + "train --help\n"},
      {{"--threads", "1", "info"},
       "rill: --threads stands before the command, expected behind it: rill info --threads\n"},
      {{"--threads=1", "info"},
       "rill: --threads stands before the command, expected behind it: rill info --threads\n"},
      {{"--nope", "info"}, "rill: unknown option --nope; see rill --help\n"},
      {{"trian", "info"}, "rill: \"trian\" is no command; did you mean \"train\"?\n"},
      {{"convert", model, "-", "--to", "safetensors"},
       "rill: OUT is -, standard output, which is for json alone, expected a file for safetensors\n"},
      {{"convert", model, model}, "rill: OUT is " + model + ", which is read, expected another file\n"},
      {{"convert", model, "out.h5"},
       "rill: out.h5: the name does not tell the format, expected .json, .safetensors or .onnx, or --to\n"},
      {{"summary", model, "--weights", model},
       "rill: " + model + ": the file has weights of its own, expected no --weights\n"},
  };
  for (const auto& each : cases) {
    const Outcome run = rill::test::rill(each.first);
    CHECK(run.status == 2);
    CHECK(run.output == each.second);
  }
}

TEST_CASE("rill: a message holds no control bytes of what was typed") {
  CHECK(rill::test::rill({"man", "--\x1b[31m\a\n\x7f"}).output ==
        "rill: man: unknown option --?[31m? ?; see rill man --help\n");
}

TEST_CASE("rill: missing and broken files are one line on standard error, and exit code 1") {
  const Flowers flowers;
  const TempDir& folder = flowers.folder;
  const std::string none = folder.file("none"), empty = folder.write("empty", "");
  const std::string cut = folder.write("cut.safetensors", folder.read("flowers.safetensors").substr(0, 300));
  for (const std::string& file : {none, empty, cut, folder.path()}) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"summary", file},
          {"eval", file, "--digits"},
          {"doctor", file, "--digits"},
          {"convert", file, folder.file("out.safetensors")},
          {"predict", file, "--input", flowers.table, "--output", "-"},
          {"predict", flowers.model, "--input", file, "--output", "-"},
          {"eval", flowers.model, "--csv", file},
          {"eval", flowers.model, "--idx", file},
          {"eval", flowers.model, "--npy", file, file}}) {
      const Outcome run = rill::test::rill(arguments);
      CHECK_MESSAGE(run.status == 1, arguments[0], " ", file, ": ", run.output);
      CHECK_MESSAGE(lines_of(run.output).size() == 1, run.output);
      CHECK(run.output.starts_with("rill: "));
    }
  }
  CHECK_FALSE(std::filesystem::exists(folder.file("out.safetensors")));
}

TEST_CASE("rill: a config that is wrong is exit code 2, its missing weights are 1") {
  const TempDir folder;
  const std::string wrong = folder.write(
      "wrong.json", R"({"rill": 1, "input_shape": [4], "layers": [{"type": "dense", "unit": 3}]})");
  const Outcome run = rill::test::rill({"summary", wrong});
  CHECK(run.status == 2);
  CHECK(run.output.find("unknown key \"unit\"; did you mean \"units\"?\n") != std::string::npos);
  const std::string right = folder.write("right.json", config_text);
  CHECK(rill::test::rill({"summary", right, "--weights", folder.file("none")}).status == 1);
  CHECK(rill::test::rill({"summary", folder.write("empty.json", "")}).status == 2);
}

TEST_CASE("rill: a reader that has seen enough is no failure") {
  const Flowers flowers;
  for (const std::string& command :
       std::vector<std::string>{"man", "schema run", "summary " + flowers.model,
                                "predict " + flowers.model + " --input " + flowers.table + " --output -"}) {
    const Outcome run =
        rill_sh("exec 3>&1; { rill " + command + " 2>&3; echo status $? >&3; } | head -c 1 >/dev/null");
    CHECK(run.output.ends_with("status 0\n"));
    CHECK(run.output.find("failed") == std::string::npos);
  }
}

TEST_CASE("rill: a full disk is a failure that is told") {
  if (!std::filesystem::exists("/dev/full")) return skip("there is no /dev/full here");
  const Flowers flowers;
  const Outcome run = rill_sh("rill summary " + flowers.model + " 2>&1 >/dev/full");
  CHECK(run.status == 1);
  CHECK(run.output == "rill: standard output: write failed, No space left on device\n");
  const Outcome predict =
      rill::test::rill({"predict", flowers.model, "--input", flowers.table, "--output", "/dev/full"});
  CHECK(predict.status == 1);
  CHECK(predict.output == "rill: note: " + flowers.table +
                              ": columns that the model does not read are left out: \"species\"\n" +
                              "rill: /dev/full: write failed, No space left on device\n");
}

TEST_CASE("rill: standard output is free of colours and of carriage returns where it is no terminal") {
  const Flowers flowers;
  for (const Outcome& run : {rill::test::rill({"summary", flowers.model}), rill::test::rill({"--help"}),
                             rill::test::rill({"doctor", flowers.model, "--csv", flowers.table})}) {
    CHECK(run.status == 0);
    CHECK(run.output.find_first_of("\x1b\r") == std::string::npos);
  }
}

TEST_CASE("rill: summary shows layers, shapes and parameters, and what else the file knows") {
  const Flowers flowers;
  const Outcome run = rill::test::rill({"summary", flowers.model});
  CHECK(run.status == 0);
  nn::Model model = flower_model();
  CHECK(run.output.starts_with(nn::summary(model, {4})));
  CHECK(
      run.says("input 4 -> 3, 67 parameters\npreprocessing: standardize\n"
               "classes: setosa, versicolor, virginica\n"));
  const nlohmann::json json = rill_json({"summary", flowers.model});
  CHECK(json["parameter_count"] == 67);
  CHECK(json["input_shape"] == nlohmann::json{4});
  CHECK(json["output_shape"] == nlohmann::json{3});
  CHECK(json["parameters"][0]["name"] == "0.weight");
  CHECK(json["trained"] == true);
}

TEST_CASE("rill: summary of a config says that it is not trained, and with weights it is") {
  const TempDir folder;
  const std::string config = folder.write("model.json", config_text);
  CHECK(rill_json({"summary", config})["trained"] == false);
  nn::Model model = nn::load_model(config);
  nn::save_weights(model, folder.file("weights.safetensors"));
  CHECK(rill_json({"summary", config, "--weights", folder.file("weights.safetensors")})["trained"] == true);
}

TEST_CASE("rill: info names version, compiler, BLAS and threads") {
  const nlohmann::json json = rill_json({"info", "--threads", "1"});
  CHECK(json["version"] == version());
  CHECK(json["threads"] == 1);
  CHECK(json["kernels"] == isa_name(isa()));
  CHECK(json["blas"].get<std::string>().find("OpenBLAS") != std::string::npos);
  CHECK_FALSE(json["compiler"].get<std::string>().empty());
  CHECK(json["onnx"].is_boolean());
  CHECK(json["blas_advice"].is_string());
  CHECK(rill::test::rill({"info"}).says(std::string("rill ") + version() + "\ncompiler "));
}

TEST_CASE("rill: info says where OpenBLAS runs kernels for an older processor, and how to run faster ones") {
  const auto info = [](const char* core) {
    return rill::test::rill({"info"}, {{"OPENBLAS_CORETYPE", core}}).output;
  };
  const std::string old = info("Prescott");
  if (old.find("DYNAMIC_ARCH") == std::string::npos || old.find("avx2") == std::string::npos) {
    return skip("this OpenBLAS, or this processor, has no kernels to choose from");
  }
  CHECK(old.find("OpenBLAS runs its kernels for Prescott, an older processor; with OPENBLAS_CORETYPE=") !=
        std::string::npos);
  CHECK(info("Haswell").find("older processor") == std::string::npos);
}

TEST_CASE("rill: convert writes a model that predicts the same, and a config of the same layers") {
  const Flowers flowers;
  const TempDir& folder = flowers.folder;
  const std::string copy = folder.file("copy.safetensors"), config = folder.file("model.json");
  CHECK(rill::test::rill({"convert", flowers.model, copy}).status == 0);
  CHECK(folder.read("copy.safetensors") == folder.read("flowers.safetensors"));
  CHECK(rill::test::rill({"convert", flowers.model, config}).status == 0);
  nn::Model model = flower_model();
  nn::save_config(model, folder.file("expected.json"));
  CHECK(folder.read("model.json") == folder.read("expected.json"));
}

TEST_CASE("rill: convert writes a config to standard output, as the file would be") {
  const Flowers flowers;
  nn::Model model = flower_model();
  nn::save_config(model, flowers.folder.file("expected.json"));
  const Outcome run = rill_sh("rill convert " + flowers.model + " - --to json 2>/dev/null");
  CHECK(run.status == 0);
  CHECK(run.output == flowers.folder.read("expected.json"));
  CHECK_FALSE(std::filesystem::exists("-"));
}

TEST_CASE("rill: convert leaves the config that it reads as it was") {
  const TempDir folder;
  const std::string config = folder.write("model.json", config_text);
  CHECK(rill::test::rill({"convert", config, config}).status == 2);
  CHECK(folder.read("model.json") == config_text);
}

TEST_CASE("rill: convert joins a config with its weights, and refuses one without") {
  const TempDir folder;
  const std::string config = folder.write("model.json", config_text),
                    whole = folder.file("whole.safetensors");
  const Outcome bare = rill::test::rill({"convert", config, whole});
  CHECK(bare.status == 1);
  CHECK(bare.says("model.json: the model has no weights, expected a trained one"));
  nn::Model model = nn::load_model(config);
  nn::save_weights(model, folder.file("weights.safetensors"));
  CHECK(
      rill::test::rill({"convert", config, whole, "--weights", folder.file("weights.safetensors")}).status ==
      0);
  nn::Model loaded = nn::load_model(whole);
  const Tensor x = flower_rows();
  CHECK(std::ranges::equal(loaded.predict(x).to_vector<float>(), model.predict(x).to_vector<float>()));
}

TEST_CASE("rill: convert writes ONNX where rill was built with it, or names the packages") {
  const Flowers flowers;
  const std::string path = flowers.folder.file("model.onnx");
  const Outcome run = rill::test::rill({"convert", flowers.model, path});
  if (rill_json({"info"})["onnx"] == true) {
    CHECK_MESSAGE(run.status == 0, run.output);
    CHECK(std::filesystem::file_size(path) > 200);
  } else {
    CHECK(run.status == 1);
    CHECK(run.says("install libonnx-dev, libprotobuf-dev and protobuf-compiler"));
  }
}

TEST_CASE("rill: doctor finds dead units, and says what helps") {
  const TempDir folder;
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(4, 8, generator), nn::ReLU(), nn::Dense(8, 3, generator)}, {4});
  std::ranges::fill(dynamic_cast<nn::Dense&>(model.network[0]).bias.mutable_data<float>(), -100.0f);
  const std::string path = save(model, folder.file("dead.safetensors"));
  const std::string table = folder.write("flowers.csv", flower_table);
  const nlohmann::json json = rill_json({"doctor", path, "--csv", table});
  CHECK(json["health"]["dead"] == 8);
  CHECK(json["health"]["layers"][0]["activation"] == "relu");
  bool told = false;
  for (const auto& advice : json["advice"]) told = told || advice["rule"] == "dead_units";
  CHECK_MESSAGE(told, json.dump(2));
  const Outcome run = rill::test::rill({"doctor", path, "--csv", table});
  CHECK(run.status == 0);
  CHECK(run.says("relu"));
}
