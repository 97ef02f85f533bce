// Damaged checkpoints: every flipped bit and every cut is seen, and texts that lie are refused with their place.
#include <doctest/doctest.h>

#include <rill/optim/checkpoint_history.hpp>
#include <rill/optim/checkpoint_json.hpp>

#include "damage.hpp"
#include "resumed_run.hpp"
#include "values.hpp"

using namespace rill;
using rill::test::is_read;
using rill::test::message_of;
using rill::test::TempDir;

namespace {

// The bytes of a checkpoint of a small model, in the middle of an epoch.
std::string small_checkpoint() {
  const TempDir dir;
  Generator generator(1);
  nn::Sequential model{nn::Flatten(), nn::Dense(9, 3, generator)};
  optim::SGD sgd(model, {.lr = 0.1, .momentum = 0.9});
  optim::Trainer trainer(model, sgd, optim::losses::cross_entropy());
  const nn::data::Loader train(test::small_images(), test::small_batches());
  trainer.fit(train, {.checkpoint = {.file = dir.file("x")}, .interrupted = [] { return true; }});
  return dir.read("x");
}

// What reading a training text says whose first `from` has become `to`.
std::string refusal(const std::string& from, const std::string& to) {
  optim::detail::Checkpoint checkpoint;
  checkpoint.optimizer = {.name = "SGD",
                          .groups = {{.lr = 0.5, .initial_lr = 0.5, .params = {"w"}}},
                          .params = {{"w", {.steps = 3, .tensors = {}}}}};
  checkpoint.so_far.logs.set("loss", 0.25);
  std::string text = optim::detail::training_text(checkpoint, {}, "x");
  const std::size_t place = text.find(from);
  REQUIRE(place != std::string::npos);
  text.replace(place, from.size(), to);
  return message_of([&] { optim::detail::read_training_text(text, "x", checkpoint); });
}

}  // namespace

TEST_CASE("checkpoint: every flipped bit is seen") {
  const std::string good = small_checkpoint();
  REQUIRE(is_read(good));
  REQUIRE(good.size() < 3000);
  CHECK(test::unseen_flips(good) == 0);
}

TEST_CASE("checkpoint: every cut is seen, and bytes behind the end") {
  const std::string good = small_checkpoint();
  CHECK(test::unseen_cuts(good) == 0);
  CHECK_FALSE(is_read(good + '\0'));
}

TEST_CASE("checkpoint: a damaged file is not resumed from") {
  const TempDir dir;
  std::string content = small_checkpoint();
  content.back() = static_cast<char>(content.back() ^ 1);
  dir.write("x", content);
  test::ResumedRun run({.folder = dir.path(), .resume = dir.file("x")});
  const std::string text = message_of([&] { run.run(); });
  CHECK(text.starts_with(dir.file("x") + ": checksum is "));
  CHECK(text.ends_with("; the file is damaged, or was changed after it was written"));
}

TEST_CASE("checkpoint: a training text that is deep, or has a key twice, is refused") {
  const std::string deep(100000, '[');
  CHECK(refusal("[0.25]", deep) == "x: rill.training: /epoch/logs/numbers" + [] {
    std::string zeros;
    for (int i = 0; i < 96; ++i) zeros += "/0";
    return zeros;
  }() + ": nesting is deeper than 100, expected no more than that");
  CHECK(refusal("\"shuffle\"", "\"seed\":1,\"shuffle\"")
            .ends_with(": key \"seed\" stands twice, expected once"));
}

TEST_CASE("checkpoint: a training text that lies is refused with its place") {
  const std::string x = "x: rill.training: ";
  CHECK(refusal("{", "{{").starts_with("x: rill.training:1:2: syntax error while parsing object key"));
  CHECK(refusal("\"epoch_step\":0", "\"epoch_step\":-1") ==
        x + "/position/epoch_step is -1, expected a whole number from 0 to 2^62 - 1");
  CHECK(refusal("\"epoch_step\":0", "\"epoch_step\":1e300") ==
        x + "/position/epoch_step is 1e+300, expected a whole number from 0 to 2^62 - 1");
  CHECK(refusal("\"epoch_step\":0", "\"epoch_step\":18446744073709551615") ==
        x + "/position/epoch_step is 18446744073709551615, expected a whole number from 0 to 2^62 - 1");
  CHECK(refusal("\"epoch_step\":0,", "") ==
        x + "/position/epoch_step is missing, expected what fit() writes");
  CHECK(refusal("\"name\":\"SGD\"", "\"name\":null") == x + "/optimizer/name is null, expected a text");
  CHECK(refusal("\"lr\":0.5", "\"lr\":\"much\"") ==
        x + "/optimizer/groups/0/lr is \"much\", expected a number");
  CHECK(refusal("\"lr\":0.5", "\"lr\":\"nan 0000000000000000\"") ==
        x + "/optimizer/groups/0/lr is \"nan 0000000000000000\", expected a number");
  CHECK(refusal("\"params\":[\"w\"]", "\"params\":7") ==
        x + "/optimizer/groups/0/params is 7, expected a list or an object");
  CHECK(refusal("\"shuffle\":false", "\"shuffle\":0") == x + "/loader/shuffle is 0, expected true or false");
  CHECK(refusal("[0.25]", "[0.25,1]") ==
        x + "an epoch has more numbers than the 1 names, expected one for each");
  CHECK(refusal("[0.25]", "[]") == x + "an epoch has 0 numbers, expected 1");
}

TEST_CASE("checkpoint: a history whose tensors do not fit each other is refused") {
  const auto refusal = [](const Tensor& numbers, const Tensor& places, const Tensor& sizes) {
    return message_of([&] { optim::detail::load_history({{"loss", "lr"}, numbers, places, sizes}, "x"); });
  };
  const auto whole = [](std::initializer_list<std::int64_t> values) {
    return tensor(std::span<const std::int64_t>(values), Shape{std::ssize(values)});
  };
  const Tensor numbers = tensor({0.5, 0.25, 0.125}, DType::f64);
  CHECK(refusal(numbers, whole({0, 1, 0}), whole({2, 1})) == "no error");
  CHECK(refusal(numbers, whole({0, 1, 0}), whole({2, 0, 1})) == "no error");
  CHECK(refusal(Tensor(), whole({0, 1, 0}), whole({2, 1})) ==
        "x: tensor \"rill.history.numbers\" is missing, expected the epochs so far");
  CHECK(refusal(numbers.to(DType::f32), whole({0, 1, 0}), whole({2, 1})) ==
        "x: tensor \"rill.history.numbers\" is f32 [3], expected f64 [n]");
  CHECK(refusal(numbers, whole({0, 1, 0}).reshape({3, 1}), whole({2, 1})) ==
        "x: tensor \"rill.history.places\" is i64 [3, 1], expected i64 [n]");
  CHECK(refusal(numbers, whole({0, 1}), whole({2, 1})) ==
        "x: there are 3 numbers and 2 places in rill.history, expected one for each");
  CHECK(refusal(numbers, whole({0, 2, 0}), whole({2, 1})) ==
        "x: a place of rill.history is 2, expected less than 2, the number of names");
  CHECK(refusal(numbers, whole({0, -1, 0}), whole({2, 1})) ==
        "x: a place of rill.history is -1, expected less than 2, the number of names");
  CHECK(refusal(numbers, whole({0, 1, 0}), whole({2, 2})) ==
        "x: an epoch of rill.history has 2 numbers, expected 0 to 1");
  CHECK(refusal(numbers, whole({0, 1, 0}), whole({-1, 2})) ==
        "x: an epoch of rill.history has -1 numbers, expected 0 to 2");
  CHECK(message_of([&] {
          optim::detail::load_history({std::vector<std::string>(1001), numbers, numbers, numbers}, "x");
        }) == "x: tensor \"rill.history.places\" is f64 [3], expected i64 [n]");
  CHECK(message_of([&] {
          optim::detail::load_history(
              {std::vector<std::string>(1001), numbers, whole({0, 1, 0}), whole({2, 1})}, "x");
        }) == "x: rill.history has 1001 names, expected at most 1000");
  CHECK(message_of([&] {
          optim::detail::load_history(
              {{"loss", std::string(501, 'x')}, numbers, whole({0, 1, 0}), whole({2, 1})}, "x");
        }) == "x: a name in the logs has 501 bytes, expected at most 500");
  CHECK(refusal(numbers, whole({0, 1, 0}), whole({2})) ==
        "x: the epochs of rill.history have 2 numbers, expected 3");
}

TEST_CASE("checkpoint: what could not be read again is not written") {
  const TempDir dir;
  optim::detail::Checkpoint checkpoint;
  checkpoint.callbacks.push_back({"c", {}});
  for (int i = 0; i < 46000; ++i) checkpoint.callbacks[0].state.numbers[std::to_string(i)] = 1;
  const auto refusal = [&] {
    return message_of([&] { optim::detail::save_checkpoint(dir.file("x"), checkpoint); });
  };
  CHECK(refusal().ends_with(": the document has more than 45000 keys, expected no more than that"));
  checkpoint.callbacks.clear();
  for (int i = 0; i <= 1000; ++i) checkpoint.so_far.logs.set(std::to_string(i), 1);
  CHECK(refusal() == "fit: the logs have 1001 names, expected at most 1000 to write a checkpoint");
  checkpoint.history = {checkpoint.so_far.logs};
  checkpoint.so_far.logs = {};
  CHECK(refusal() == "fit: the logs have 1001 names, expected at most 1000 to write a checkpoint");
  CHECK(dir.names().empty());
}
