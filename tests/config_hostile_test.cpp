// JSON documents that are broken, huge or hostile.
#include <doctest/doctest.h>

#include <rill/nn/config/json.hpp>
#include <rill/nn/config/model_config.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/rill.hpp>

#include "values.hpp"

namespace {

using namespace rill;

constexpr const char* model = R"({"rill": 1, "input_shape": [3, 2], "layers": [{"type": "flatten"},
  {"type": "dense", "units": 4, "init": {"type": "kaiming_normal", "gain": 1.5}, "activation": "elu"},
  {"type": "sequential", "layers": [{"type": "dropout", "p": 0.25}, {"type": "prelu"}]}]})";

void try_to_build(const std::string& text) {
  Generator generator(1);
  nn::config::build(nn::config::parse_model_config(text, "m.json"), generator,
                    {.where = "m.json", .max_parameters = 10000});
}

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("config: a document cut off anywhere is refused with its file") {
  const std::string text = model;
  try_to_build(text);
  for (std::size_t length = 0; length < text.size(); ++length) {
    CAPTURE(length);
    CHECK(test::message_of([&] { try_to_build(text.substr(0, length)); }).starts_with("m.json:"));
  }
}

TEST_CASE("config: a document with any bit flipped is read or refused") {
  const std::string text = model;
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const std::string message = test::message_of([&] { try_to_build(flipped); });
    if (message == "no error") continue;
    ++refused;
    CAPTURE(bit);
    CHECK(message.starts_with("m.json:"));
    CHECK(message.find('\n') == std::string::npos);
  }
  CHECK(refused > 4 * static_cast<int>(text.size()));
}

TEST_CASE("config: what json would hide or what would take too much is refused") {
  using nn::config::parse_json;
  const auto message = [](const std::string& text) {
    return test::message_of([&] { parse_json(text, "m.json"); });
  };
  CHECK(message(repeated("[", 101)) ==
        "m.json: " + repeated("/0", 99) + ": nesting is deeper than 100, expected no more than that");
  CHECK(message(repeated("[", 100) + repeated("]", 100)) == "no error");
  CHECK(message("[" + repeated("0,", 149998) + "0]") == "no error");
  CHECK(message("[" + repeated("0,", 149999) + "0]") ==
        "m.json: the document has more than 150000 values, expected no more than that");
  CHECK(message("[" + repeated("{\"a\":0},", 44999) + "{\"a\":0}]") == "no error");
  CHECK(message("[" + repeated("{\"a\":0},", 45000) + "{\"a\":0}]") ==
        "m.json: /45000: the document has more than 45000 keys, expected no more than that");
  CHECK(message("\"" + std::string((2 << 20) - 2, 'x') + "\"") == "no error");
  CHECK(message("\"" + std::string((2 << 20) - 1, 'x') + "\"") ==
        "m.json: 2097153 bytes, expected at most 2097152 of json");
  CHECK(message(std::string("{}") + '\0') == "m.json:1:3: a zero byte, expected json");
  CHECK(message("{\"a\": {\"b/c~\": 1, \"b/c~\": 2}}") ==
        "m.json: /a: key \"b/c~\" stands twice, expected once");
  CHECK(message("\xff\xfe{") == "m.json: the text is in UTF-16, expected UTF-8");
  CHECK(message("\xfe\xff{") == "m.json: the text is in UTF-16, expected UTF-8");
  CHECK(message(" \n\t ") == "m.json: the file is empty, expected json");
  CHECK(message("[NaN]").starts_with("m.json:1:2: syntax error"));
  CHECK(message("{} {}").starts_with("m.json:1:4: syntax error"));
  CHECK(message("[\n  1,\n  \"\xff\"]").starts_with("m.json:3:"));
  CHECK(message("\xEF\xBB\xBF{}") == "no error");
  CHECK(message("[1e400]") == "m.json:1:6: a number is beyond f64, expected a magnitude up to 1.8e308");
  CHECK(message("[123456789012345678901234567890]") == "no error");
}

TEST_CASE("config: whole numbers are checked, not converted") {
  const auto message = [](const std::string& value) {
    const nn::config::Json json = nn::config::parse_json(value, "m.json");
    return test::message_of([&] { nn::config::Node(json, "m.json", "/n").integer(1, 9); });
  };
  CHECK(message("9") == "no error");
  CHECK(message("3.0") == "no error");
  const std::string expected = ", expected a whole number from 1 to 9";
  CHECK(message("3.9") == "m.json: /n: 3.9 is not whole" + expected);
  CHECK(message("0") == "m.json: /n: 0 is out of range" + expected);
  CHECK(message("18446744073709551615") == "m.json: /n: 18446744073709551615 is out of range" + expected);
  CHECK(message("1e30") == "m.json: /n: 1e+30 is out of range" + expected);
  CHECK(message("\"3\"") == "m.json: /n: got \"3\"" + expected);
  CHECK(message("true") == "m.json: /n: got true" + expected);
  CHECK(message("[1]") == "m.json: /n: got an array of 1" + expected);
}

TEST_CASE("config: the nearest known name is suggested, and none where none is near") {
  using nn::config::nearest;
  const std::vector<std::string_view> known{"dense", "leaky_relu", "relu", "units", "dropout"};
  CHECK(nearest("Dense", known) == "dense");
  CHECK(nearest("LeakyReLU", known) == "leaky_relu");
  CHECK(nearest("leaky_rleu", known) == "leaky_relu");
  CHECK(nearest("unit", known) == "units");
  CHECK(nearest("conv2d", known) == "");
  CHECK(nearest("", known) == "");
  CHECK(nearest(std::string(1000000, 'x'), known) == "");
  CHECK(nn::config::suggestion("zzz", known) == ", expected one of dense, leaky_relu, relu, units, dropout");
}

TEST_CASE("config: a name in a message is on one line and short") {
  using nn::config::in_quotes;
  CHECK(in_quotes("a\nb\x1b[31m") == "\"a?b?[31m\"");
  CHECK(in_quotes(std::string(100, 'y')) == "\"" + std::string(40, 'y') + "…\"");
}

TEST_CASE("config: a message holds no control bytes of the keys that lead to its place") {
  const auto message = [](const std::string& key) {
    return test::message_of(
        [&] { nn::config::parse_json("{\"" + key + "\": {\"b\": 0, \"b\": 0}}", "m.json"); });
  };
  CHECK(message("a\x7f") == "m.json: /a?: key \"b\" stands twice, expected once");
  CHECK(message("a\\u001b\\n") == "m.json: /a??: key \"b\" stands twice, expected once");
}

TEST_CASE("config: the place in a message is cut where it is very long") {
  const std::string key = std::string(90, 'k');
  std::string text = R"({"a": 0, "a": 0})";
  for (int i = 0; i < 50; ++i) text = "{\"" + key + "\": " + text + "}";
  std::string place;
  for (int i = 0; i < 6; ++i) place += "/" + key;
  CHECK(test::message_of([&] { nn::config::parse_json(text, "m.json"); }) ==
        "m.json: " + place + "/…: key \"a\" stands twice, expected once");
}

TEST_CASE("config: a text in a message is not cut inside of a character") {
  using nn::config::in_quotes;
  CHECK(in_quotes(repeated("é", 30)) == "\"" + repeated("é", 20) + "…\"");
  CHECK(in_quotes("x" + repeated("é", 30)) == "\"x" + repeated("é", 19) + "…\"");
  const std::string key = "x" + repeated("é", 60);
  CHECK(test::message_of([&] {
          nn::config::parse_json("{\"" + key + "\": {\"a\": 0, \"a\": 0}}", "m.json");
        }) == "m.json: /x" + repeated("é", 49) + ": key \"a\" stands twice, expected once");
}

TEST_CASE("config: a text that is not utf-8 is refused when it is written, and not by the json library") {
  const std::string tail =
      " is not utf-8, expected utf-8; convert what it comes from, as with iconv -t utf-8";
  const optim::RunConfig run = optim::parse_run(
      R"({"rill": 1, "model": "m.json", "data": "drawn_digits", "loss": "mse", "optimizer": "adam"})", "x",
      {"out=caf\xe9"});
  CHECK(test::message_of([&] { optim::to_json(run); }) == "config: the text \"caf?\"" + tail);
  Generator generator(1);
  nn::Model flowers(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
  flowers.classes = {"\xff"};
  CHECK(test::message_of([&] { nn::save_model(flowers, "never_written"); }) ==
        "config: the text \"?\"" + tail);
}
