// Runs described in JSON: what is read, what is refused, and what overrides do.
#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "temp_dir.hpp"

namespace {

using namespace rill;
using optim::parse_run;
using optim::RunConfig;
using optim::to_json;

// The example of the format.
constexpr const char* example = R"({ "rill": 1, "seed": 42,
      "model": "model.json",
      "data": { "format": "idx", "path": "data/mnist", "scale": 0.00392156862745098, "augment": { "shift": 1 } },
      "loss": "cross_entropy",
      "optimizer": { "type": "adam", "lr": 0.001 },
      "schedule": { "type": "one_cycle", "max_lr": 0.004 },
      "training": { "epochs": 5, "batch_size": 128, "early_stopping": { "monitor": "val_loss", "patience": 3 } },
      "monitor": { "every": 100 },
      "out": "runs/mnist" })";

RunConfig with(const std::vector<std::string>& overrides) {
  return parse_run(example, "run.json", overrides);
}

std::string refusal(const std::vector<std::string>& overrides, const std::string& text = example) {
  try {
    parse_run(text, "run.json", overrides);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::unique_ptr<optim::Schedule> schedule_of(const RunConfig& config, optim::Optimizer& optimizer,
                                             optim::ScheduleConfig::Length length) {
  return config.schedule->make(optimizer, length, "run: /schedule");
}

std::string schedule_refusal(const RunConfig& config) {
  Tensor weight = zeros({2});
  optim::SGD optimizer(std::vector{weight.requires_grad_()}, {.lr = 1});
  try {
    schedule_of(config, optimizer, {.epochs = 10, .batches = 5});
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("run config: the example of the format is read") {
  const RunConfig config = with({});
  CHECK(config.seed == 42);
  CHECK(config.model.path == "model.json");
  const auto& idx = std::get<optim::config::IdxConfig>(config.data.value);
  CHECK(idx.path == "data/mnist");
  CHECK(idx.scale == 0.00392156862745098);
  CHECK(idx.augment->shift == 1);
  CHECK(std::get<optim::config::AdamConfig>(config.optimizer.value).lr == 0.001);
  CHECK(std::get<optim::config::OneCycleConfig>(config.schedule->value).max_lr == 0.004);
  CHECK(config.training.early_stopping->patience == 3);
  CHECK(config.monitor->every == 100);
  CHECK_FALSE(config.recycle);
}

TEST_CASE("run config: what is written holds the defaults, and reads back as the same text") {
  const std::string text = to_json(with({}));
  CHECK(to_json(parse_run(text, "again")) == text);
  for (const char* part :
       {"\"beta1\": 0.9", "\"label_smoothing\": 0", "\"mode\": \"auto\"", "\"anneal\": \"cosine\"",
        "\"interval\": \"batch\"", "\"drop_last\": false", "\"format\": \"idx\""})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part);
}

TEST_CASE("run config: defaults are those of the options that they stand for") {
  const RunConfig config = with({"optimizer=adamw", "schedule={\"type\": \"cosine\"}", "training={}"});
  const optim::AdamWOptions options;
  const auto& read = std::get<optim::config::AdamWConfig>(config.optimizer.value);
  CHECK(read.lr == options.lr);
  CHECK(read.weight_decay == options.weight_decay);
  CHECK(std::get<optim::config::CosineConfig>(config.schedule->value).interval == optim::Interval::epoch);
}

TEST_CASE("run config: an override sets a number, a text, a part of a list and of what is not there yet") {
  const RunConfig config = with(
      {"optimizer.lr=0.01", "out=runs/with=sign", "recycle.tau=0.1", "training.early_stopping.patience=7"});
  CHECK(std::get<optim::config::AdamConfig>(config.optimizer.value).lr == 0.01);
  CHECK(config.out == "runs/with=sign");
  CHECK(config.recycle->tau == 0.1);
  CHECK(config.training.early_stopping->patience == 7);
  const RunConfig list =
      with({R"(schedule={"type":"multi_step","milestones":[1,2]})", "schedule.milestones.1=9"});
  CHECK(std::get<optim::config::MultiStepConfig>(list.schedule->value).milestones ==
        std::vector<std::int64_t>{1, 9});
}

TEST_CASE("run config: an override makes an object of a name") {
  const RunConfig config = with({"optimizer=adamw", "optimizer.weight_decay=0.5", "loss.label_smoothing=0.1",
                                 "data=idx", "data.limit=7"});
  CHECK(std::get<optim::config::AdamWConfig>(config.optimizer.value).weight_decay == 0.5);
  CHECK(std::get<optim::config::CrossEntropyConfig>(config.loss.value).label_smoothing == 0.1);
  CHECK(std::get<optim::config::IdxConfig>(config.data.value).limit == 7);
}

TEST_CASE("run config: a message about an override holds no control bytes of its keys") {
  CHECK(refusal({"x\x7f=3", "x\x7f.b=2"}) ==
        "run.json: override \"x?.b=2\": /x?: got 3, expected an object to set \"b\" in");
}

TEST_CASE("run config: an override that does not fit is refused with what is near") {
  CHECK(refusal({"optimizer.lrr=1"}) == "run.json: /optimizer: unknown key \"lrr\"; did you mean \"lr\"?");
  CHECK(refusal({"optimzer.lr=1"}) == "run.json: unknown key \"optimzer\"; did you mean \"optimizer\"?");
  CHECK(refusal({"optimizer.lr=fast"}) ==
        "run.json: /optimizer/lr: got \"fast\", expected a number from 0 to 3.4028234663852886e+38");
  CHECK(refusal({"optimizer.lr"}) ==
        "run.json: override \"optimizer.lr\": there is no \"=\", expected a path and a value such as "
        "optimizer.lr=0.01");
  CHECK(refusal({"optimizer..lr=1"}) ==
        "run.json: override \"optimizer..lr=1\": a key is empty, expected names with dots between them");
  CHECK(refusal({"seed.x=1"}) ==
        "run.json: override \"seed.x=1\": /seed: got 42, expected an object to set \"x\" in");
  CHECK(refusal({"model.layers.0.units=1"}) ==
        "run.json: override \"model.layers.0.units=1\": /model: the model is the file \"model.json\", "
        "expected a "
        "model in the run; change that file");
  CHECK(refusal({R"(schedule={"type":"multi_step","milestones":[1,2]})", "schedule.milestones.2=9"}) ==
        "run.json: override \"schedule.milestones.2=9\": /schedule/milestones: there is no item \"2\", "
        "expected a "
        "number under 2");
}

TEST_CASE("run config: bad input is refused with its place") {
  CHECK(refusal({"data={\"format\":\"cvs\"}"}) ==
        "run.json: /data/format: unknown data \"cvs\"; did you mean \"csv\"?");
  CHECK(refusal({"data={\"path\":\"x\"}"}) == "run.json: /data: \"format\" is missing, expected it");
  CHECK(refusal({"data=csv"}) ==
        "run.json: /data: data \"csv\" needs more than its name, expected an object");
  CHECK(refusal({"optimizer=sgd"}) ==
        "run.json: /optimizer: optimizer \"sgd\" needs more than its name, expected an object");
  CHECK(refusal({"model=3"}) == "run.json: /model: got 3, expected a path or an object");
  CHECK(refusal({"model="}) == "run.json: /model: the path is empty, expected one");
  CHECK(refusal({"training.epochs=2.5"}) ==
        "run.json: /training/epochs: 2.5 is not whole, expected a whole number from 1 to 1000000000");
  CHECK(refusal({"training.early_stopping.mode=mni"}) ==
        "run.json: /training/early_stopping/mode: unknown value \"mni\"; did you mean \"min\"?");
  CHECK(refusal({}, R"({"rill": 1, "layers": []})") ==
        "run.json: this is a model, expected a run: \"model\", \"data\", \"loss\" and \"optimizer\"");
  CHECK(refusal({}, R"({"rill": 2})") ==
        "run.json: /rill: the file is of rill's format 2, expected 1, which this version reads");
  CHECK(refusal({}, R"({"rill": 1})") == "run.json: \"model\" is missing, expected it");
}

TEST_CASE("run config: columns are numbers or names") {
  const RunConfig config = with({R"(data={"format":"csv","path":"a.csv","target":-1,"features":["x",2]})"});
  const auto& csv = std::get<optim::config::CsvConfig>(config.data.value);
  CHECK(std::get<std::int64_t>(*csv.target) == -1);
  CHECK(std::get<std::string>(csv.features[0]) == "x");
  CHECK(std::get<std::int64_t>(csv.features[1]) == 2);
  CHECK(refusal({R"(data={"format":"csv","path":"a.csv","target":true})"}) ==
        "run.json: /data/target: got true, expected a number or a name");
}

TEST_CASE("run config: every truncation of a run is refused") {
  const std::string text = example;
  for (std::size_t length = 0; length < text.size(); ++length)
    CHECK_THROWS_AS(parse_run(text.substr(0, length), "run.json"), Error);
}

TEST_CASE("run config: a model's path is seen from the run's folder, and out is called after the file") {
  const test::TempDir folder;
  const std::string path = folder.write(
      "digits.json", R"({"rill": 1, "model": "m.json", "data": "idx", "loss": "mse", "optimizer": "adam"})");
  const RunConfig config = optim::load_run(path);
  CHECK(config.model.path == folder.file("m.json"));
  CHECK(config.out == "runs/digits");
}

TEST_CASE("run config: lengths of a schedule follow from the run") {
  Tensor weight = zeros({2});
  optim::SGD optimizer(std::vector{weight.requires_grad_()}, {.lr = 1});
  const auto cycle = schedule_of(with({}), optimizer, {.epochs = 4, .batches = 25});
  optim::SGD other(std::vector{weight}, {.lr = 1});
  const optim::OneCycleLR expected(other, {.max_lr = 0.004, .total_steps = 100});
  CHECK(cycle->interval() == optim::Interval::batch);
  for (const std::int64_t step : {0, 10, 30, 99}) CHECK(cycle->lr_at(step) == expected.lr_at(step));
}

TEST_CASE("run config: a sequence warms up, then falls to the end of the run") {
  const RunConfig config = with({R"(schedule={"type": "sequence", "milestones": [5], "schedules": [
      {"type": "linear", "start_factor": 0.1}, "cosine"]})"});
  Tensor weight = zeros({2});
  optim::SGD optimizer(std::vector{weight.requires_grad_()}, {.lr = 1});
  const auto schedule = schedule_of(config, optimizer, {.epochs = 15, .batches = 3});
  CHECK(schedule->interval() == optim::Interval::epoch);
  CHECK(schedule->lr_at(0) == doctest::Approx(0.1));
  CHECK(schedule->lr_at(5) == doctest::Approx(1));
  CHECK(schedule->lr_at(10) == doctest::Approx(0.5));
  CHECK(schedule->lr_at(15) == doctest::Approx(0));
}

TEST_CASE("run config: schedules that do not go together are refused") {
  CHECK(schedule_refusal(with({R"(schedule={"type": "sequence", "milestones": [5], "schedules": [
      "linear", {"type": "one_cycle", "max_lr": 1}]})"})) ==
        "run: /schedule/schedules/1: its interval is not that of the first schedule, expected batch or epoch "
        "for "
        "all");
  CHECK(schedule_refusal(with({R"(schedule={"type": "sequence", "milestones": [], "schedules": [
      "linear", "cosine"]})"})) ==
        "run: /schedule: there are 0 milestones for 2 schedules, expected one less than those");
  CHECK(schedule_refusal(with({R"(schedule={"type": "sequence", "milestones": [12], "schedules": [
      "linear", "cosine"]})"})) ==
        "run: /schedule/schedules/1: it begins at step 12 and ends at step 10, expected an earlier "
        "milestone, or a length "
        "of its "
        "own");
}

TEST_CASE("run config: weight decay is for weights, not for biases") {
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(2, 3, generator)}, {2});
  for (const char* name : {"sgd", "adam", "adamw", "rmsprop", "adagrad"}) {
    const RunConfig config =
        with({"optimizer={\"type\":\"" + std::string(name) + "\",\"lr\":0.5,\"weight_decay\":0.25}"});
    const auto optimizer = config.optimizer.make(model);
    CHECK_MESSAGE(optimizer->lr() == 0.5, name);
    CHECK_MESSAGE(optimizer->weight_decay(0) == 0.25, name);
    CHECK_MESSAGE(optimizer->weight_decay(1) == 0, name);
  }
}

TEST_CASE("run config: the run of the MNIST example is valid") {
  CHECK_NOTHROW(optim::check_run(optim::load_run("examples/mnist_mlp.json")));
}

TEST_CASE("run config: check_run refuses parts that cannot be made") {
  const auto check = [](const std::vector<std::string>& overrides) -> std::string {
    try {
      optim::check_run(optim::load_run("examples/mnist_mlp.json", overrides));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(check({"model.layers.2={\"type\":\"prelu\",\"num_parameters\":7}"}) ==
        "run: /model: /layers/2: num_parameters is 7, expected 1 or 256, the input's features");
  CHECK(check({"optimizer={\"type\":\"sgd\",\"lr\":1,\"nesterov\":true}"})
            .starts_with("run: /optimizer: SGD: "));
}
