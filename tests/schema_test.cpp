// The JSON schemas that ship: they are those of this version, and accept what the readers accept.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include <rill/rill.hpp>

#include <rill/nn/config/model_config.hpp>

#if __has_include(<valijson/validator.hpp>)
#define RILL_HAS_VALIJSON 1
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#else
#define RILL_HAS_VALIJSON 0
#include "skip.hpp"
#endif

#include "temp_dir.hpp"

namespace {

using namespace rill;
using Json = nlohmann::json;

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// With RILL_WRITE_SCHEMAS set, writes the file anew.
void check_file(const std::string& path, const std::string& schema) {
  if (std::getenv("RILL_WRITE_SCHEMAS")) std::ofstream(path, std::ios::binary) << schema;
  CHECK_MESSAGE(content_of(path) == schema, path,
                " is not that of this version; RILL_WRITE_SCHEMAS=1 make test ARGS=-tc='schema:*' writes it");
}

#if RILL_HAS_VALIJSON

// Draft 7 takes 3.0 for an integer, valijson does not.
Json with_integers(Json value) {
  if (value.is_structured())
    for (Json& part : value) part = with_integers(part);
  if (!value.is_number_float()) return value;
  const auto number = value.get<double>();
  const bool whole = number == std::floor(number) && std::abs(number) < 1e15;
  return whole ? Json(static_cast<std::int64_t>(number)) : value;
}

class Validator {
 public:
  explicit Validator(const std::string& schema) : document_(Json::parse(schema)) {
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document_), schema_);
  }
  bool accepts(const Json& mutation) {
    const Json document = with_integers(mutation);
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    return validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter(document), nullptr);
  }

 private:
  Json document_;
  valijson::Schema schema_;
};

// Calls then(document) for every change of one value of a document: dropped, replaced by values of all kinds, with a key or
// an item more.
template <class Then>
class Mutations {
 public:
  Mutations(Json& document, Then then) : document_(document), then_(std::move(then)) { walk(document_); }

 private:
  void walk(Json& value) {
    replace(value);
    if (value.is_object()) {
      const Json before = value;
      for (const auto& [key, part] : before.items()) {
        value.erase(key);
        then_(document_);
        value = before;
      }
      value["no_such_key"] = 1;
      then_(document_);
      value = before;
    } else if (value.is_array()) {
      const Json before = value;
      for (const Json& more : values()) {
        value.push_back(more);
        then_(document_);
        value = before;
      }
    }
    if (!value.is_structured()) return;
    for (Json& part : value) walk(part);
  }

  void replace(Json& value) {
    const Json before = value;
    for (const Json& other : values()) {
      value = other;
      then_(document_);
    }
    if (before.is_number())
      for (const double factor : {-1.0, 0.5, 1.5, 1e6, 1e40}) {
        value = before.get<double>() * factor;
        then_(document_);
      }
    value = before;
  }

  static const std::vector<Json>& values() {
    static const std::vector<Json> all{nullptr,
                                       true,
                                       -1,
                                       0,
                                       1,
                                       2,
                                       3,
                                       180,
                                       1001,
                                       0.5,
                                       0.9999,
                                       -0.25,
                                       1.5,
                                       3.9,
                                       1e9,
                                       "",
                                       "a",
                                       "relu",
                                       "adam",
                                       "constant",
                                       "step",
                                       "linear",
                                       "batch",
                                       "auto",
                                       Json::array(),
                                       Json::object(),
                                       Json::array({1}),
                                       Json{{"type", "elu"}}};
    return all;
  }

  Json& document_;
  Then then_;
};

// How many mutations were accepted and refused by both; those on which reader and schema differ are failures.
template <class Read>
std::pair<int, int> compare(const std::string& schema, const std::string& text, const Read& read) {
  Validator validator(schema);
  Json document = Json::parse(text);
  std::pair<int, int> counts{0, 0};
  const auto consider = [&](const Json& mutation) {
    const std::string changed = mutation.dump();
    std::string refusal;
    try {
      read(changed);
    } catch (const Error& error) {
      refusal = error.what();
    }
    const bool accepted = refusal.empty();
    CHECK_MESSAGE(accepted == validator.accepts(mutation), refusal, changed);
    ++(accepted ? counts.first : counts.second);
  };
  consider(document);
  REQUIRE(counts.first == 1);
  Mutations(document, consider);
  return counts;
}

constexpr const char* model = R"({ "rill": 1, "input_shape": [28, 28], "dtype": "f32",
  "layers": [ { "type": "flatten" },
              { "type": "dense", "units": 256, "init": "kaiming_normal", "bias_init": { "type": "constant", "value": 0.1 } },
              { "type": "leaky_relu", "alpha": 0.3 },
              { "type": "dropout", "p": 0.2 },
              { "type": "sequential", "layers": [ { "type": "batch_norm", "eps": 1e-3 }, { "type": "layer_norm" } ] },
              { "type": "prelu", "num_parameters": 1 }, { "type": "gelu", "approximate": "tanh" },
              { "type": "relu", "max_value": 6 },
              { "type": "dense", "units": 10, "activation": { "type": "leaky_relu", "negative_slope": 0.1 } } ] })";

constexpr const char* small_model =
    R"({ "rill": 1, "input_shape": [4], "layers": [ { "type": "dense", "units": 3, "activation": "elu" } ] })";

std::vector<std::string> runs() {
  const std::string begin = R"({ "rill": 1, "seed": 3, "model": )";
  return {
      begin +
          R"("m.json", "data": { "format": "idx", "path": "d", "scale": 0.5, "limit": 10, "validation": 0.1,
        "augment": { "shift": 1, "rotation": 10, "sigma": 4 } },
        "loss": "cross_entropy", "optimizer": { "type": "adam", "lr": 0.001, "beta1": 0.9, "amsgrad": true },
        "schedule": { "type": "one_cycle", "max_lr": 0.004, "pct_start": 0.3, "anneal": "linear" },
        "training": { "epochs": 5, "batch_size": 128, "shuffle": true, "checkpoint": { "every_steps": 3, "mode": "max" },
                      "early_stopping": { "monitor": "val_loss", "patience": 3, "mode": "min", "baseline": 0.5 } },
        "monitor": { "every": 100 }, "recycle": { "steps": 5, "tau": 0.1, "by": "gradient", "layers": ["0"] },
        "out": "runs/mnist" })",
      begin + small_model +
          R"(, "data": { "format": "csv", "path": "iris.csv", "header": true, "target": "species",
        "features": ["a", 1], "classes": ["x"], "delimiter": ";", "validation": 0.2, "standardize": true },
        "loss": { "type": "cross_entropy", "label_smoothing": 0.1, "weight": [1, 2, 3] },
        "optimizer": { "type": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": true },
        "schedule": { "type": "sequence", "milestones": [3],
          "schedules": [ { "type": "linear", "total_iters": 3 }, "cosine" ] } })",
      begin + small_model + R"(, "data": { "format": "npy", "x": "x.npy", "y": "y.npy", "regression": true },
        "loss": { "type": "huber", "delta": 2 }, "optimizer": { "type": "rmsprop", "alpha": 0.9 },
        "schedule": { "type": "reduce_on_plateau", "monitor": "loss", "factor": 0.5, "threshold_mode": "absolute" } })",
      begin + small_model + R"(, "data": { "format": "drawn_digits", "train": 10 }, "loss": "mse",
        "optimizer": "adagrad", "schedule": { "type": "multi_step", "milestones": [1, 2], "interval": "batch" } })"};
}

#endif

}  // namespace

TEST_CASE("schema: the files that ship are those of this version") {
  check_file("nn/config/model.schema.json", nn::model_schema());
  check_file("optim/run/run.schema.json", optim::run_schema());
}

// What a schema cannot say stays with the reader, and is not among the mutations: keys that stand twice, the sizes and depth of
// a document, and paths of files. What follows from several values (shapes, milestones, low and high) is checked when the
// model or the run is made, by neither of the two here.
TEST_CASE("schema: models are accepted by the schema exactly where they are read") {
#if RILL_HAS_VALIJSON
  const auto [accepted, refused] = compare(nn::model_schema(), model, [](const std::string& text) {
    nn::config::parse_model_config(text, "m.json");
  });
  CHECK(accepted > 100);
  CHECK(refused > 500);
#else
  test::skip("valijson is not installed");
#endif
}

TEST_CASE("schema: runs are accepted by the schema exactly where they are read") {
#if RILL_HAS_VALIJSON
  int accepted = 0, refused = 0;
  for (const std::string& text : runs()) {
    const auto counts = compare(optim::run_schema(), text,
                                [](const std::string& changed) { optim::parse_run(changed, "run.json"); });
    accepted += counts.first;
    refused += counts.second;
  }
  CHECK(accepted > 300);
  CHECK(refused > 2000);
#else
  test::skip("valijson is not installed");
#endif
}
