// Good files of each kind, cut off everywhere, with every bit flipped, and with every value of a document replaced by what does not
// belong there: each is read, or refused by an Error of one line that begins with the file. safetensors_test, checkpoint_damage_test,
// config_hostile_test, idx_test and io_test do the same to what they are about.
#include <algorithm>

#include <doctest/doctest.h>

#include <rill/core/io/npy.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/rill.hpp>

#include "golden.hpp"
#include "temp_dir.hpp"

namespace {

using namespace rill;
using test::Json;
using test::TempDir;

struct Outcome {
  int read = 0, refused = 0;
};

/// Counts what becomes of `content`. Exceptions other than Error pass through and fail the test.
template <class Read>
void attempt(const std::string& content, const std::string& where, const Read& read, Outcome& outcome) {
  try {
    read(content);
    ++outcome.read;
  } catch (const Error& error) {
    ++outcome.refused;
    const std::string message = error.what();
    const bool one_line = std::ranges::none_of(message, [](char c) { return c >= 0 && c < 0x20; });
    if (one_line && message.starts_with(where)) return;
    CAPTURE(content);
    CHECK(one_line);
    CHECK(message.substr(0, where.size()) == where);
  }
}

/// Without the whole file.
template <class Read>
Outcome cut(const std::string& good, const std::string& where, const Read& read) {
  Outcome outcome;
  for (std::size_t size = 0; size < good.size(); ++size) attempt(good.substr(0, size), where, read, outcome);
  return outcome;
}

template <class Read>
Outcome flipped(const std::string& good, const std::string& where, const Read& read) {
  Outcome outcome;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    attempt(changed, where, read, outcome);
  }
  return outcome;
}

/// Every value of a document, and every key, is replaced by each of a list.
template <class Read>
Outcome replaced(const std::string& good, const std::string& where, const Read& read) {
  const Json values = Json::parse(
      R"([null, true, -1, 0, -0.0, 0.5, 1e308, -1e308, 9223372036854775807, 9223372036854775808,
          18446744073709551615, "", "\u0000", "\n\u001b[31m", "../../x", "/dev/zero", [], [[]], {}, [1, 2, 3],
          {"class_name": "Lambda", "config": null}])");
  Outcome outcome;
  const Json document = Json::parse(good);
  const auto visit = [&](const auto& self, const Json& node, const Json::json_pointer& place) -> void {
    for (const Json& value : values) {
      Json changed = document;
      changed[place] = value;
      attempt(changed.dump(), where, read, outcome);
      if (!node.is_object() || !value.is_string()) continue;
      for (const auto& [key, inner] : node.items()) {
        changed = document;
        changed[place].erase(key);
        changed[place][value.get<std::string>()] = inner;
        attempt(changed.dump(), where, read, outcome);
      }
    }
    if (!node.is_structured()) return;
    for (const auto& [key, inner] : node.items())
      self(self, inner, node.is_array() ? place / static_cast<std::size_t>(std::stoul(key)) : place / key);
  };
  visit(visit, document, Json::json_pointer());
  return outcome;
}

/// Reads contents as a file of that name in a folder, by nn::load_model().
struct ModelReader {
  const TempDir& folder;
  std::string name = "m.json";
  std::string where() const { return folder.file(name); }
  void operator()(const std::string& content) const {
    nn::load_model(folder.write(name, content), {.max_parameters = 10000});
  }
};

constexpr const char* keras = R"({"class_name":"Sequential","config":{"name":"n","layers":[)"
                              R"({"class_name":"InputLayer","config":{"batch_input_shape":[null,2]}},)"
                              R"({"class_name":"Dense","config":{"name":"d","units":1,"activation":"elu"}},)"
                              R"({"class_name":"LeakyReLU","config":{"alpha":0.25}}]}})";

constexpr const char* functional =
    R"({"class_name":"Functional","config":{"name":"f","layers":[)"
    R"({"class_name":"InputLayer","name":"i","config":{"batch_shape":[null,2],"name":"i"},"inbound_nodes":[]},)"
    R"({"class_name":"ELU","name":"e","config":{"name":"e"},"inbound_nodes":[{"args":[{"class_name":)"
    R"("__keras_tensor__","config":{"shape":[null,2],"dtype":"float32","keras_history":["i",0,0]}}],"kwargs":{}}]}],)"
    R"("input_layers":["i",0,0],"output_layers":["e",0,0]}})";

std::string tfjs() {
  Json document{{"format", "layers-model"}, {"modelTopology", Json::parse(keras)}};
  document["weightsManifest"] = Json::parse(
      R"([{"paths":["w.bin"],"weights":[{"name":"d/kernel","shape":[2,1],"dtype":"float32",)"
      R"("quantization":{"dtype":"uint8","scale":0.5,"min":-1}},{"name":"d/bias","shape":[1],"dtype":"float32"}]}])");
  return document.dump();
}

constexpr const char* run =
    R"({"rill":1,"seed":7,"model":"m.json","data":{"format":"csv","path":"x.csv","target":-1},"loss":"mse",)"
    R"("optimizer":{"type":"sgd","lr":0.5},"schedule":{"type":"step","step_size":3},"training":{"epochs":2}})";

constexpr const char* csv = "\xEF\xBB\xBF\"a\",\"b\"\"c\",y\r\n1,-2.5e1, 0\r\n.5,\"3\",1\r\n";

std::string saved_model(const TempDir& folder) {
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
  model.classes = {"a"};
  nn::save_model(model, folder.file("x"));
  return folder.read("x");
}

}  // namespace

TEST_CASE("mutated files: no damage to a saved model goes unseen") {
  const TempDir folder;
  const std::string good = saved_model(folder);
  const ModelReader read{folder, "m.safetensors"};
  read(good);
  REQUIRE(good.size() < 2000);
  CHECK(cut(good, read.where(), read).read == 0);
  CHECK(flipped(good, read.where(), read).read == 0);
}

TEST_CASE("mutated files: weights without a checksum are read or refused") {
  const TempDir folder;
  io::save_safetensors(folder.file("x"), {{{"0.weight", ones({1, 2})}, {"0.bias", ones({1})}}, {}});
  const std::string good = folder.read("x"), where = folder.file("w");
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 1, generator)};
  const auto read = [&](const std::string& content) { nn::load_weights(model, folder.write("w", content)); };
  read(good);
  CHECK(cut(good, where, read).read == 0);
  // Only the bits of the 12 bytes of values, and of spaces that pad the header, may change.
  CHECK(flipped(good, where, read).read >= 8 * 12);
}

TEST_CASE("mutated files: a Keras model is read or refused") {
  const TempDir folder;
  const ModelReader read{folder};
  for (const char* good : {keras, functional}) {
    read(good);
    CHECK(cut(good, read.where(), read).read == 0);
    CHECK(flipped(good, read.where(), read).refused > 0);
    CHECK(replaced(good, read.where(), read).refused > 0);
  }
}

TEST_CASE("mutated files: a TensorFlow.js model is read or refused") {
  const TempDir folder;
  folder.write("w.bin", std::string("\1\2\0\0\x80\x3f", 6));
  const ModelReader read{folder};
  const std::string good = tfjs();
  read(good);
  CHECK(cut(good, read.where(), read).read == 0);
  CHECK(flipped(good, read.where(), read).refused > 0);
  CHECK(replaced(good, read.where(), read).refused > 0);
}

TEST_CASE("mutated files: a shard of another length is refused, and one of other bits is other values") {
  const TempDir folder;
  const std::string model = folder.write("m.json", tfjs()), good("\1\2\0\0\x80\x3f", 6);
  const auto read = [&](const std::string& content) {
    folder.write("w.bin", content);
    nn::load_model(model);
  };
  read(good);
  CHECK(cut(good, model, read).read == 0);
  CHECK(flipped(good, model, read).read == 8 * 6);
}

TEST_CASE("mutated files: rill's own config with any value replaced is read or refused") {
  const TempDir folder;
  const ModelReader read{folder};
  const std::string good =
      R"({"rill":1,"input_shape":[2,2],"dtype":"f64","layers":[{"type":"flatten"},{"type":"dense","units":3,)"
      R"("init":{"type":"uniform","low":-1,"high":1},"activation":{"type":"leaky_relu","alpha":0.5}},)"
      R"({"type":"sequential","layers":[{"type":"batch_norm"},{"type":"prelu","num_parameters":3}]}]})";
  read(good);
  CHECK(replaced(good, read.where(), read).refused > 0);
}

TEST_CASE("mutated files: a run is read or refused") {
  const auto read = [](const std::string& content) { optim::parse_run(content, "run.json"); };
  read(run);
  CHECK(cut(run, "run.json", read).read == 0);
  CHECK(flipped(run, "run.json", read).refused > 0);
  CHECK(replaced(run, "run.json", read).refused > 0);
}

TEST_CASE("mutated files: an array with any bit flipped is read or refused") {
  const TempDir folder;
  io::save_npy(folder.file("x"), tensor({{1, 2, 3}, {4, 5, 6}}));
  const std::string good = folder.read("x");
  const auto read = [](const std::string& content) {
    io::parse_npy(std::as_bytes(std::span(content)), "x.npy");
  };
  read(good);
  CHECK(flipped(good, "x.npy", read).refused > 0);
}

TEST_CASE("mutated files: a table is read or refused") {
  const TempDir folder;
  const std::string where = folder.file("x.csv");
  const auto read = [&](const std::string& content) { nn::data::load_csv(folder.write("x.csv", content)); };
  read(csv);
  CHECK(cut(csv, where, read).refused > 0);
  CHECK(flipped(csv, where, read).refused > 0);
}
