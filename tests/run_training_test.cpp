// Runs as run_training() does them: results, the files of the folder, and resuming.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include <rill/core/io/safetensors.hpp>
#include <rill/optim/run/folder.hpp>
#include <rill/rill.hpp>

#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

using namespace rill;
using optim::load_data;
using optim::parse_run;
using optim::run_training;
using optim::RunConfig;
using test::TempDir;

constexpr const char* digits = R"({ "rill": 1, "seed": 3,
  "model": { "rill": 1, "input_shape": [28, 28],
    "layers": [ { "type": "flatten" }, { "type": "dense", "units": 24, "activation": "leaky_relu" },
                { "type": "batch_norm" }, { "type": "dropout", "p": 0.1 }, { "type": "dense", "units": 10 } ] },
  "data": { "format": "drawn_digits", "train": 600, "test": 200, "augment": { "shift": 1 } },
  "loss": "cross_entropy",
  "optimizer": { "type": "adamw", "lr": 0.01 },
  "schedule": { "type": "one_cycle", "max_lr": 0.01 },
  "training": { "epochs": 3, "batch_size": 32, "early_stopping": { "patience": 5 } } })";

RunConfig digits_run(const TempDir& folder, const std::string& name,
                     std::vector<std::string> overrides = {}) {
  overrides.push_back("out=" + folder.file(name));
  return parse_run(digits, "run.json", overrides);
}

template <class Function>
std::string refusal(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  bool same = false;
  dispatch(a.dtype(), [&]<class T>(T) { same = std::ranges::equal(a.data<T>(), b.data<T>()); });
  return same;
}

// Three clouds of points in a plane.
std::string clouds() {
  std::ostringstream out;
  Stream random(5, Purpose::user);
  out << "id,x,y,cloud\n";
  for (int i = 0; i < 240; ++i) {
    const double angle = 2.0944 * (i % 3);
    out << i << ',' << 100 + 30 * std::cos(angle) + 5 * random.normal() << ','
        << 0.3 * std::sin(angle) + 0.05 * random.normal() << ',' << "ABC"[i % 3] << '\n';
  }
  return out.str();
}

std::string line_points() {
  std::ostringstream out;
  Stream random(6, Purpose::user);
  out << "x;y\n";
  for (int i = 0; i < 200; ++i) {
    const double x = random.uniform(-1, 1);
    out << x << ';' << 3 * x - 1 << '\n';
  }
  return out.str();
}

// What a run leaves.
std::vector<std::string> bytes_of(const TempDir& folder) {
  std::vector<std::string> all;
  for (const char* name : {"config.json", "log.csv", "log.jsonl", "last.safetensors", "best.safetensors"})
    all.push_back(folder.read(std::string("run/") + name));
  return all;
}

// A run of a dense layer on a table of classes.
RunConfig table_run(const TempDir& folder, const std::string& path, int inputs, int units) {
  return parse_run(R"({ "rill": 1, "model": { "rill": 1, "input_shape": [)" + std::to_string(inputs) +
                       R"(], "layers": [ { "type": "dense", "units": )" + std::to_string(units) +
                       R"( } ] }, "data": { "format": "csv", "path": ")" + path +
                       R"(" }, "loss": "cross_entropy", "optimizer": { "type": "sgd", "lr": 0.1 },
      "training": { "epochs": 1 }, "out": ")" +
                       folder.file("run") + "\" }",
                   "run.json");
}

}  // namespace

TEST_CASE("run: digits are learnt, and the folder holds what a run leaves") {
  const TempDir folder;
  std::ostringstream progress;
  const auto result = run_training(digits_run(folder, "run", {"monitor={}"}), {.out = &progress});
  CHECK(*result.last("val_accuracy") > 0.8);
  CHECK(result.monitor == "val_loss");
  CHECK(result.best_epoch);
  CHECK(result.history.steps == 3 * 19);
  CHECK(result.health.size() >= 2);
  for (const char* name : {"best.safetensors", "config.json", "health.csv", "last.safetensors", "log.csv",
                           "log.jsonl", "report.html", "timing.csv"})
    CHECK_MESSAGE(std::ranges::find(result.files, name) != result.files.end(), name);
  CHECK(progress.str().find("val_accuracy") != std::string::npos);
}

TEST_CASE("run: two runs of one config write the same bytes, but for the times") {
  const TempDir folder;
  run_training(digits_run(folder, "a", {"monitor={}"}));
  const int threads = num_threads();
  set_num_threads(3);
  run_training(digits_run(folder, "b", {"monitor={}", "training.prefetch=2"}));
  set_num_threads(threads);
  for (const char* name : {"log.csv", "log.jsonl", "health.csv"})
    CHECK_MESSAGE(folder.read(std::string("a/") + name) == folder.read(std::string("b/") + name), name);
  CHECK(folder.read("a/timing.csv").starts_with("epoch,seconds,steps\n0,"));
}

TEST_CASE("run: config.json holds the whole run, and is one itself") {
  const TempDir folder;
  folder.write("net.json", R"({"rill": 1, "input_shape": [28, 28],
      "layers": [{"type": "flatten"}, {"type": "dense", "units": 10}]})");
  RunConfig config = digits_run(folder, "a", {"model=net.json"});
  config.model.path = folder.file("net.json");
  const auto first = run_training(config, {.report = false});
  RunConfig again = optim::load_run(folder.file("a/config.json"));
  CHECK(again.model.object);
  CHECK(optim::to_json(again) == folder.read("a/config.json"));
  again.out = folder.file("b");
  run_training(again, {.report = false});
  CHECK(folder.read("a/log.csv") == folder.read("b/log.csv"));
}

TEST_CASE("run: log.jsonl has an object an epoch with the numbers of the history") {
  const TempDir folder;
  const auto result = run_training(digits_run(folder, "run"), {.report = false});
  const std::string text = folder.read("run/log.jsonl");
  CHECK(std::ranges::count(text, '\n') == 3);
  std::ostringstream loss;
  loss.precision(17);
  CHECK(text.starts_with("{\"epoch\":0,\"loss\":"));
  CHECK(std::stod(text.substr(18)) == result.history.epochs[0].at("loss"));
}

TEST_CASE("run: saved models are the trained one and the best one, and take raw pixels") {
  const TempDir folder;
  auto result = run_training(digits_run(folder, "run"), {.report = false});
  nn::Model last = nn::load_model(folder.file("run/last.safetensors"));
  CHECK(last.classes == std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  const auto raw = nn::data::draw_digits(1, 3, true, {.scale = 1});  // pixels from 0 to 255
  const auto prepared = nn::data::draw_digits(1, 3, true);
  const nn::EvalMode evaluation(result.model);
  CHECK(same_bits(last.predict(raw->all().x), result.model(prepared->all().x)));
  nn::Model best = nn::load_model(folder.file("run/best.safetensors"));
  if (*result.best_epoch == 2) CHECK(same_bits(best.predict(raw->all().x), last.predict(raw->all().x)));
}

TEST_CASE("run: a run that is interrupted and resumed leaves the same files as one that is not") {
  const TempDir folder;
  auto whole = run_training(digits_run(folder, "whole"), {.report = false});
  for (const int stop : {7, 19, 30}) {
    const std::string name = "run" + std::to_string(stop);
    int steps = 0;
    const auto first = run_training(digits_run(folder, name),
                                    {.interrupted = [&] { return ++steps == stop; }, .report = false});
    CHECK(first.history.interrupted);
    CHECK(first.history.steps == stop);
    auto second = run_training(digits_run(folder, name),
                               {.resume = folder.file(name + "/last.safetensors"), .report = false});
    CHECK_FALSE(second.history.interrupted);
    CHECK(second.best_epoch == whole.best_epoch);
    const auto a = whole.model.named_state(), b = second.model.named_state();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      CHECK_MESSAGE(same_bits(a[i].value, b[i].value), a[i].name, " ", stop);
    for (const char* file : {"log.csv", "log.jsonl", "best.safetensors"})
      CHECK_MESSAGE(folder.read(name + "/" + file) == folder.read(std::string("whole/") + file), file, " ",
                    stop);
  }
}

TEST_CASE("run: health.csv of a resumed run goes on where the checkpoint was written") {
  const TempDir folder;
  const std::vector<std::string> watched{"monitor={\"every\": 10}"};
  run_training(digits_run(folder, "whole", watched), {.report = false});
  // After the end of the first epoch, and in the middle of the second one, whose report of step 30 comes again.
  for (const int stop : {19, 33}) {
    const std::string name = "run" + std::to_string(stop);
    int steps = 0;
    run_training(digits_run(folder, name, watched),
                 {.interrupted = [&] { return ++steps == stop; }, .report = false});
    run_training(digits_run(folder, name, watched),
                 {.resume = folder.file(name + "/last.safetensors"), .report = false});
    const auto steps_in = [&](const std::string& run) {
      std::istringstream in(folder.read(run + "/health.csv"));
      std::vector<std::string> found;
      for (std::string line; std::getline(in, line);) {
        if (const std::string step = line.substr(0, line.find(',')); found.empty() || step != found.back())
          found.push_back(step);
      }
      return found;
    };
    const std::vector<std::string> found = steps_in(name);
    CHECK(found.at(0) == "step");
    CHECK(found.at(1) == "0");
    CHECK(found.back() == steps_in("whole").back());
    CHECK(std::set<std::string>(found.begin(), found.end()).size() == found.size());
  }
}

TEST_CASE("run: a resume that fails writes nothing, and lost times do not make it fail") {
  const TempDir folder;
  int steps = 0;
  const auto config = [&](std::vector<std::string> more = {}) { return digits_run(folder, "run", more); };
  run_training(config(), {.interrupted = [&] { return ++steps == 45; }, .report = false});
  const optim::TrainOptions again{.resume = folder.file("run/last.safetensors"), .report = false};
  const std::string written = folder.read("run/config.json");
  const std::string lines = folder.read("run/log.jsonl");
  folder.write("run/log.jsonl", lines.substr(0, lines.find('\n') + 1));
  CHECK(refusal([&] { run_training(config({"training.epochs=9"}), again); }) ==
        folder.file("run/log.jsonl") +
            ": there are 1 epochs, expected the 2 of the checkpoint; resume in the folder of the run");
  CHECK(folder.read("run/config.json") == written);
  folder.write("run/log.jsonl", lines);
  CHECK(refusal([&] {
          run_training(config({"training.epochs=2"}), again);
        }).find(": 3 epochs are done or begun") != std::string::npos);
  CHECK(folder.read("run/config.json") == written);
  folder.write("run/timing.csv", "epoch,seconds,steps\n");
  CHECK(run_training(config(), again).history.epochs.size() == 3);
}

TEST_CASE("run: two runs do not train in one folder at once") {
  const TempDir folder;
  std::string second;
  const auto train_again = [&] {
    second = refusal([&] { run_training(digits_run(folder, "run"), {.overwrite = true, .report = false}); });
    return true;
  };
  run_training(digits_run(folder, "run"), {.interrupted = train_again, .report = false});
  CHECK(second ==
        folder.file("run") +
            ": another run trains in this folder, expected one at a time; wait for its end, or name "
            "another folder as \"out\"");
  CHECK(run_training(digits_run(folder, "run"),
                     {.resume = folder.file("run/last.safetensors"), .report = false})
            .history.epochs.size() == 3);
}

TEST_CASE("run: a folder without a name, and one that cannot be made, are refused") {
  using optim::config::RunFolder;
  const TempDir folder;
  folder.write("file", "");
  CHECK(refusal([] { RunFolder(""); }) == "run: /out: the folder has no name, expected one");
  const std::string below = folder.file("file/run");
  CHECK(refusal([&] { RunFolder(below).lock(); }) ==
        below + ": cannot be made (Not a directory), expected a folder");
}

TEST_CASE("run: a model's file is no run to go on with") {
  const TempDir folder;
  io::save_safetensors(folder.file("model.safetensors"), {});
  CHECK(refusal([&] {
          run_training(digits_run(folder, "run"),
                       {.resume = folder.file("model.safetensors"), .report = false});
        }) == folder.file("model.safetensors") +
                  ": the file is no checkpoint of a run, expected the last.safetensors of one");
}

TEST_CASE("run: a run goes on with more epochs, and with nothing else changed") {
  const TempDir folder;
  const std::string checkpoint = folder.file("run/last.safetensors");
  const std::vector<std::string> constant{"schedule={\"type\": \"step\", \"step_size\": 2}"};
  const auto config = [&](std::vector<std::string> more) {
    more.insert(more.begin(), constant.begin(), constant.end());
    return digits_run(folder, "run", more);
  };
  run_training(config({"training.epochs=1"}), {.report = false});
  CHECK(refusal([&] {
          run_training(config({"training.epochs=2", "optimizer.lr=0.02"}), {.resume = checkpoint});
        }) == checkpoint +
                  ": /optimizer/lr is 0.02, expected 0.01 as in the run that goes on; only training.epochs "
                  "and out may change");
  CHECK(refusal([&] {
          run_training(config({"monitor={}"}), {.resume = checkpoint});
        }).starts_with(checkpoint + ": /monitor is "));
  const auto longer = run_training(config({"training.epochs=2"}), {.resume = checkpoint, .report = false});
  CHECK(longer.history.epochs.size() == 2);
  run_training(digits_run(folder, "whole", {constant[0], "training.epochs=2"}), {.report = false});
  CHECK(folder.read("run/log.csv") == folder.read("whole/log.csv"));
}

TEST_CASE("run: a folder with another run's files is refused, or cleared if asked for") {
  const TempDir folder;
  run_training(digits_run(folder, "run", {"training.epochs=1", "monitor={}"}), {.report = false});
  const std::string log = folder.read("run/log.csv");
  CHECK(refusal([&] { run_training(digits_run(folder, "run")); }) ==
        folder.file("run") +
            ": the folder holds config.json of another run, expected one without; resume that run, allow "
            "overwriting, or name another folder as \"out\"");
  CHECK(folder.read("run/log.csv") == log);
  const auto result =
      run_training(digits_run(folder, "run", {"training.epochs=2"}), {.overwrite = true, .report = false});
  CHECK(std::ranges::find(result.files, "health.csv") == result.files.end());
  CHECK(std::ranges::count(folder.read("run/log.csv"), '\n') == 3);
}

TEST_CASE("run: classes of a CSV file are learnt, from features that are standardized by the training part") {
  const TempDir folder;
  const std::string path = folder.write("clouds.csv", clouds());
  const RunConfig config = parse_run(R"({ "rill": 1,
      "model": { "rill": 1, "input_shape": [2], "layers": [
        { "type": "dense", "units": 16, "activation": "relu" }, { "type": "dense", "units": 3 } ] },
      "data": { "format": "csv", "path": ")" +
                                         path + R"(", "target": "cloud", "features": ["x", "y"],
                "stratified": true },
      "loss": "cross_entropy", "optimizer": { "type": "adam", "lr": 0.02 },
      "training": { "epochs": 15 }, "out": ")" +
                                         folder.file("run") + "\" }",
                                     "run.json");
  const auto result = run_training(config);
  CHECK(*result.last("val_accuracy") > 0.95);
  nn::Model saved = nn::load_model(folder.file("run/best.safetensors"));
  CHECK(saved.features == std::vector<std::string>{"x", "y"});
  CHECK(saved.target == "cloud");
  CHECK(saved.classes == std::vector<std::string>{"A", "B", "C"});
  const auto raw = nn::data::load_csv_inputs(path, {.target = "cloud", .features = {"x", "y"}});
  const auto labels = nn::data::load_csv(path, {.target = "cloud"}).dataset->y();
  CHECK(nn::accuracy(saved.predict(raw.x), labels) > 0.95);

  const auto data = load_data(config.data, 42);
  CHECK(data.train->size() == 192);
  const auto x = data.train->all().x;
  CHECK(std::abs(x.mean({0}).to_vector<float>()[0]) < 1e-5);
  CHECK(std::abs(data.validation->all().x.mean({0}).to_vector<float>()[0]) > 1e-5);
}

TEST_CASE("run: a number is learnt from a CSV file") {
  const TempDir folder;
  const std::string path = folder.write("line.csv", line_points());
  const std::string text = R"({ "rill": 1,
      "model": { "rill": 1, "input_shape": [1], "layers": [ { "type": "dense", "units": 1 } ] },
      "data": { "format": "csv", "path": ")" +
                           path + R"(", "delimiter": ";", "regression": true },
      "loss": "mse", "optimizer": { "type": "sgd", "lr": 0.1 },
      "schedule": { "type": "reduce_on_plateau", "patience": 2 },
      "training": { "epochs": 30, "batch_size": 16 }, "out": ")" +
                           folder.file("run") + "\" }";
  const auto result = run_training(parse_run(text, "run.json"));
  CHECK(*result.last("val_mae") < 1e-3);
  CHECK(
      refusal([&] {
        run_training(parse_run(text, "run.json", {"loss=cross_entropy", "out=x"}));
      }) ==
      "run: /loss: cross_entropy is for classes, the data's targets are numbers, expected mse, l1, huber or "
      "bce_with_logits");
}

TEST_CASE("run: npy files are learnt") {
  const TempDir folder;
  Stream random(8, Purpose::user);
  Tensor x = empty({120, 3}), y = empty({120, 2});
  for (float& value : x.mutable_data<float>()) value = static_cast<float>(random.uniform(-1, 1));
  for (std::int64_t i = 0; i < 120; ++i) {
    const auto row = x.data<float>().subspan(static_cast<std::size_t>(3 * i), 3);
    y.mutable_data<float>()[static_cast<std::size_t>(2 * i)] = row[0] + row[1];
    y.mutable_data<float>()[static_cast<std::size_t>(2 * i + 1)] = row[2];
  }
  io::save_npy(folder.file("x.npy"), x);
  io::save_npy(folder.file("y.npy"), y);
  const auto result = run_training(parse_run(R"({ "rill": 1,
      "model": { "rill": 1, "input_shape": [3], "layers": [ { "type": "dense", "units": 2 } ] },
      "data": { "format": "npy", "x": ")" + folder.file("x.npy") +
                                                 R"(", "y": ")" + folder.file("y.npy") +
                                                 R"(", "regression": true, "validation": 0 },
      "loss": "l1", "optimizer": { "type": "adam", "lr": 0.05 },
      "training": { "epochs": 60, "batch_size": 8 }, "out": ")" +
                                                 folder.file("run") + "\" }",
                                             "run.json"));
  CHECK(result.monitor == "loss");
  CHECK(*result.last("mae") < 0.05);
}

TEST_CASE("run: data and models that do not fit are refused before the folder is touched") {
  const TempDir folder;
  const auto message = [&](const std::vector<std::string>& overrides) {
    return refusal([&] { run_training(digits_run(folder, "run", overrides)); });
  };
  CHECK(message({"model.input_shape=[784]"}) ==
        "run: /model: it takes samples [784], expected [28, 28], as those of the data are");
  CHECK(message({"model.layers.4.units=11"}) ==
        "run: /model: it gives [1, 11] for a sample, expected [1, 10], one number a class");
  CHECK(
      message({"loss=mse"}) ==
      "run: /loss: mse is for numbers, the data's targets are classes, expected cross_entropy, or data with "
      "\"regression\": true");
  CHECK(message({"loss={\"type\":\"cross_entropy\",\"weight\":[1]}"}) ==
        "run: /loss/weight: there are 1 factors, expected 10, one a class");
  CHECK(message({"model.dtype=f64"}) == "run: /model: its parameters are f64, expected f32, as data are");
  CHECK(message({"data={\"format\":\"idx\",\"path\":\"/nowhere\"}"}).find("/nowhere") != std::string::npos);
  CHECK(folder.names().empty());
}

TEST_CASE("run: an earlier run is not removed for one that cannot begin, or would end in the middle") {
  const TempDir folder;
  run_training(digits_run(folder, "run", {"training.epochs=1"}), {.report = false});
  const auto before = bytes_of(folder);
  const auto message = [&](const std::vector<std::string>& overrides) -> std::string {
    try {
      run_training(digits_run(folder, "run", overrides), {.overwrite = true, .report = false});
    } catch (const optim::RunConfigError& error) {
      return error.what();
    }
    return "not refused";
  };
  const std::string batch_norm =
      R"(model.layers=[{"type":"flatten"},{"type":"batch_norm"},{"type":"dense","units":10}])";
  CHECK(message({"training.steps_per_epoch=1000"})
            .starts_with("run: /training/steps_per_epoch: got 1000, expected at most "));
  CHECK(message({R"(recycle={"layers":["77"]})"}).starts_with("run: /recycle: "));
  CHECK(message({R"(schedule={"type":"one_cycle","max_lr":0.01,"total_steps":5})"})
            .starts_with("run: /schedule: it ends after 5 steps, expected "));
  CHECK(message({R"(schedule={"type":"reduce_on_plateau","monitor":"val_los"})"}) ==
        "run: /schedule/monitor: there is no \"val_los\" in the log; did you mean \"val_loss\"?");
  CHECK(message({R"(schedule={"type":"reduce_on_plateau","monitor":"dead"})", "monitor={}"})
            .starts_with("run: /schedule/monitor: there is no \"dead\" in the log"));
  CHECK(message({batch_norm, "training.batch_size=1"}).starts_with("run: /training: a batch has 1 sample: "));
  CHECK(message({batch_norm, R"(monitor={"probe_samples":1})"}).starts_with("run: /monitor: "));
  CHECK(message({R"(training.early_stopping={"monitor":"dead"})", "monitor={}"})
            .starts_with("run: /training/early_stopping: mode is automatic, "));
  CHECK(bytes_of(folder) == before);
}

TEST_CASE("run: a last batch of one sample is refused where a layer cannot train with it") {
  const TempDir folder;
  const auto config = [&](const std::vector<std::string>& more) {
    std::vector<std::string> overrides{
        R"(model.layers=[{"type":"flatten"},{"type":"batch_norm"},{"type":"dense","units":10}])",
        R"(data={"format":"drawn_digits","train":65,"test":10})", "training.batch_size=32",
        "training.epochs=1"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return digits_run(folder, "run", overrides);
  };
  CHECK(refusal([&] {
          run_training(config({}), {.report = false});
        }).starts_with("run: /training: the last batch has 1 sample: batch_norm: "));
  CHECK(folder.names().empty());
  CHECK(run_training(config({"training.drop_last=true"}), {.report = false}).history.steps == 2);
  CHECK(run_training(config({"training.steps_per_epoch=2"}), {.overwrite = true, .report = false})
            .history.steps == 2);
}

TEST_CASE("run: a run whose data have changed is not gone on with") {
  const TempDir folder;
  const std::string table = clouds();
  const std::string path = folder.write("clouds.csv", table);
  const RunConfig config = parse_run(R"({ "rill": 1,
      "model": { "rill": 1, "input_shape": [2], "layers": [ { "type": "dense", "units": 3 } ] },
      "data": { "format": "csv", "path": ")" +
                                         path + R"(", "target": "cloud", "features": ["x", "y"] },
      "loss": "cross_entropy", "optimizer": { "type": "sgd", "lr": 0.1 }, "training": { "epochs": 2 }, "out": ")" +
                                         folder.file("run") + "\" }",
                                     "run.json");
  int steps = 0;
  run_training(config, {.interrupted = [&] { return ++steps == 3; }, .report = false});
  const std::string checkpoint = folder.file("run/last.safetensors"),
                    saved = folder.read("run/last.safetensors");
  const auto go_on = [&] { run_training(config, {.resume = checkpoint, .report = false}); };
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = table;
    for (std::size_t at = 0; (at = changed.find(from, at)) != std::string::npos; at += to.size())
      changed.replace(at, from.size(), to);
    folder.write("clouds.csv", changed);
  };
  replaced(",A\n", ",Z\n");
  CHECK(refusal(go_on) == checkpoint +
                              ": classes of the data: got \"[\"B\",\"C\",\"Z\"]\", expected "
                              "\"[\"A\",\"B\",\"C\"]\" as in "
                              "the run that goes on");
  replaced("\n7,", "\n7,1");  // one number of one row
  CHECK(refusal(go_on) ==
        checkpoint +
            ": the data have changed since, expected the samples of the run that goes on, in "
            "their order");
  CHECK(folder.read("run/last.safetensors") == saved);
  folder.write("clouds.csv", table);
  go_on();
}

TEST_CASE("run: data of one class are refused") {
  const TempDir folder;
  const std::string path = folder.write("one.csv", "a,b\n1,x\n2,x\n3,x\n4,x\n5,x\n");
  CHECK(refusal([&] { run_training(table_run(folder, path, 1, 1)); }) ==
        "run: /data: all targets are of one class, expected 2 classes or more");
}

TEST_CASE("run: columns whose names no saved model has room for are refused before the training") {
  const TempDir folder;
  const auto message = [&](std::size_t length) {
    std::string header, row;
    for (int i = 0; i < 9000; ++i) {
      header += std::to_string(i) + std::string(length, 'n') + ",";
      row += "1,";
    }
    const std::string path =
        folder.write("wide.csv", header + "y\n" + row + "a\n" + row + "b\n" + row + "a\n" + row + "b\n");
    return refusal([&] { run_training(table_run(folder, path, 9000, 2)); });
  };
  const std::string names = message(250), header = message(222);
  CHECK(names.starts_with("save_model: rill.features: "));
  CHECK(names.ends_with(" bytes, expected at most 2097152 of json"));
  CHECK(header.starts_with("run: the model cannot be saved: header takes "));
  CHECK(
      header.ends_with(" bytes, expected at most 2097152; names of columns and classes, means of columns and "
                       "layers take that room"));
  CHECK(folder.names() == std::vector<std::string>{"wide.csv"});
}

TEST_CASE("run: an input that is too large is refused with its place, whatever the compiler builds first") {
  const TempDir folder;
  CHECK(refusal([&] {
          run_training(digits_run(folder, "run", {"model.input_shape=[16777216,16777216,16777216]"}));
        }).starts_with("run: /model: /input_shape: a sample has more than "));
}

TEST_CASE("run: a run that diverges says so and throws nothing") {
  const TempDir folder;
  const auto result = run_training(
      digits_run(folder, "run",
                 {"schedule={\"type\":\"step\",\"step_size\":9}", "optimizer={\"type\":\"sgd\",\"lr\":1e38}",
                  "model.layers.2={\"type\":\"relu\"}"}));
  CHECK(result.history.diverged);
  CHECK_FALSE(result.history.reason.empty());
}

TEST_CASE("run: recycling and class weights are part of a run") {
  const TempDir folder;
  const auto result =
      run_training(digits_run(folder, "run",
                              {"recycle={\"steps\": 10}", "model.layers.1.activation=relu",
                               "loss={\"type\":\"cross_entropy\",\"weight\":[1,1,1,1,1,1,1,1,1,2]}"}),
                   {.report = false});
  CHECK(*result.last("val_accuracy") > 0.7);
}

TEST_CASE("run: examples/mnist_mlp.json gives the weights of the C++ example, bit for bit") {
  const TempDir folder;
  const char* build = std::getenv("RILL_BUILD_DIR");
  const std::string program =
      std::filesystem::absolute(std::string(build ? build : "build") + "/examples/mnist_mlp");
  // Where MNIST is not found the program draws its digits.
  const auto outcome = test::run_program(
      "/bin/sh", {"-c", "cd " + folder.path() + " && exec " + program + " --quick --seed 7 --out ."},
      {{"RILL_DATA", std::nullopt}});
  REQUIRE(outcome.status == 0);
  auto result =
      run_training(optim::load_run("examples/mnist_mlp.json",
                                   {"seed=7", "training.epochs=2", "data.format=drawn_digits",
                                    "data.train=6000", "data.test=1000", "out=" + folder.file("run")}),
                   {.report = false});
  const auto expected = io::load_safetensors(folder.file("model.safetensors"));
  const auto state = result.model.named_state();
  REQUIRE(state.size() == expected.tensors.size());
  for (const auto& each : state) {
    const auto found =
        std::ranges::find(expected.tensors, each.name, [](const auto& other) { return other.first; });
    REQUIRE_MESSAGE(found != expected.tensors.end(), each.name);
    CHECK_MESSAGE(same_bits(each.value, found->second), each.name);
  }
}
