// `rill train` and `rill sweep`: what they write, how they end, and how they go on.
#include "rill_command.hpp"

#include <poll.h>

#include <csignal>
#include <functional>

#include "idx_digits.hpp"

namespace {

using namespace rill;
using namespace rill::test;

// A run of some ten milliseconds an epoch.
constexpr const char* small_run = R"({"rill": 1, "seed": 3,
  "model": {"rill": 1, "input_shape": [28, 28],
            "layers": [{"type": "flatten"}, {"type": "dense", "units": 8}, {"type": "leaky_relu"},
                       {"type": "dense", "units": 10}]},
  "data": {"format": "drawn_digits", "train": 200, "test": 100},
  "loss": "cross_entropy", "optimizer": {"type": "adam", "lr": 0.01},
  "training": {"epochs": 2, "batch_size": 50}})";

struct Folder {
  TempDir folder;
  std::string config = folder.write("run.json", small_run);
  std::string out = folder.file("out");
  Outcome train(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"train", config, "--out", out, "--no-report"});
    return rill::test::rill(more);
  }
};

// The command under way.
class Started {
 public:
  explicit Started(std::vector<std::string> arguments) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    arguments.insert(arguments.begin(), rill_program());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    REQUIRE(::posix_spawn(&child_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ends[0];
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;
  ~Started() { ::close(output_); }

  void send(int signal) const { ::kill(child_, signal); }

  // Waits for more of the output, for a moment; false behind its end, when all processes that hold it have ended.
  bool read(std::string& output) const {
    pollfd ready{output_, POLLIN, 0};
    if (::poll(&ready, 1, 10) < 1) return true;
    char text[256];
    const ssize_t got = ::read(output_, text, sizeof text);
    if (got > 0) output.append(text, static_cast<std::size_t>(got));
    return got > 0;
  }

  // The exit status; -1 if a signal ended it.
  int wait() const {
    int status = 0;
    ::waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  ::pid_t child_ = 0;
  int output_ = -1;
};

// Starts the command, sends it a signal once `ready` holds of its output, and waits until it and all that it started have ended.
// With `second` two signals are there at once.
Outcome signalled(const std::vector<std::string>& arguments, int signal, int second,
                  const std::function<bool(const std::string& output)>& ready) {
  const Started command(arguments);
  Outcome outcome;
  for (bool sent = false; command.read(outcome.output);) {
    if (sent || !ready(outcome.output)) continue;
    if (second) command.send(SIGSTOP);
    command.send(signal);
    if (second) command.send(second);
    if (second) command.send(SIGCONT);
    sent = true;
  }
  outcome.status = command.wait();
  return outcome;
}

// When its first line about an epoch is there.
Outcome interrupted(const std::vector<std::string>& arguments, int signal, int second = 0) {
  return signalled(arguments, signal, second, [](const std::string& output) {
    const std::size_t line = output.find("epoch");
    return line != std::string::npos && output.find('\n', line) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("rill train: a run writes its folder, and models that rill eval reads") {
  const Folder run;
  const Outcome outcome = run.train();
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(outcome.output.find_first_of("\r\x1b") == std::string::npos);
  CHECK(outcome.says("\nbest epoch: "));
  for (const char* file :
       {"config.json", "log.csv", "log.jsonl", "timing.csv", "last.safetensors", "best.safetensors"})
    CHECK_MESSAGE(std::filesystem::exists(run.out + "/" + file), file);
  const nlohmann::json json =
      rill_json({"eval", run.out + "/best.safetensors", "--digits", "--samples", "100"});
  CHECK(json["samples"] == 100);
}

TEST_CASE("rill train: the starter for drawn digits trains") {
  const TempDir folder;
  const std::string path = folder.file("run.json");
  CHECK(rill::test::rill({"new", path, "--kind", "digits"}).status == 0);
  const Outcome run = rill::test::rill({"train", path, "--out", folder.file("out"), "--epochs", "1", "--set",
                                        "data.train=300", "--set", "data.test=100", "--no-report"});
  CHECK_MESSAGE(run.status == 0, run.output);
}

TEST_CASE("rill train: the starter for MNIST takes the files in RILL_DATA") {
  const TempDir folder;
  const std::string path = folder.file("run.json");
  for (const char* start : {"train", "t10k"})
    write_idx_digits(folder.file(start), *nn::data::draw_digits(40, 1, false));
  CHECK(rill::test::rill({"new", path}).status == 0);
  const Outcome run =
      rill::test::rill({"train", path, "--out", folder.file("out"), "--epochs", "1", "--no-report"},
                       {{"RILL_DATA", folder.path()}});
  CHECK_MESSAGE(run.status == 0, run.output);
}

TEST_CASE("rill train: a model of a table without a header is judged on that table, and predicts it") {
  const TempDir folder;
  const std::string flowers(flower_table), rows = flowers.substr(flowers.find('\n') + 1);
  std::string table;
  for (int i = 0; i < 6; ++i) table += rows;
  const std::string data = folder.write("bare.csv", table), path = folder.file("run.json"),
                    model = folder.file("out/best.safetensors");
  CHECK(rill::test::rill({"new", path, "--data", data}).status == 0);
  const Outcome run = rill::test::rill(
      {"train", path, "--out", folder.file("out"), "--epochs", "1", "--no-report", "--quiet"});
  CHECK_MESSAGE(run.status == 0, run.output);
  CHECK(rill_json({"eval", model, "--csv", data})["samples"] == 24);
  CHECK(rill_json({"doctor", model, "--csv", data})["health"]["samples"] == 24);
  const Outcome predict =
      rill::test::rill({"predict", model, "--input", data, "--output", folder.file("answers.csv")});
  CHECK_MESSAGE(predict.status == 0, predict.output);
  CHECK(lines_of(folder.read("answers.csv")).size() == 24);
}

TEST_CASE("rill train: the starter for a table trains, and its model predicts that table") {
  const TempDir folder;
  std::string table = flower_table;
  for (int i = 0; i < 5; ++i)
    table += std::string(flower_table).substr(std::string(flower_table).find('\n') + 1);
  const std::string data = folder.write("flowers.csv", table), path = folder.file("run.json");
  CHECK(rill::test::rill({"new", path, "--data", data, "--target", "species"}).status == 0);
  const Outcome run = rill::test::rill(
      {"train", path, "--out", folder.file("out"), "--epochs", "3", "--no-report", "--quiet"});
  CHECK_MESSAGE(run.status == 0, run.output);
  const Outcome predict = rill::test::rill({"predict", folder.file("out/best.safetensors"), "--input", data,
                                            "--output", folder.file("answers.csv"), "--labels"});
  CHECK_MESSAGE(predict.status == 0, predict.output);
  CHECK(lines_of(folder.read("answers.csv"))[0] == "setosa,versicolor,virginica,class");
}

TEST_CASE("rill train: --json prints the result alone") {
  const Folder run;
  const nlohmann::json json =
      rill_json({"train", run.config, "--out", run.out, "--no-report", "--epochs", "1"});
  CHECK(json["status"] == "done");
  CHECK(json["best_epoch"] == 1);
  CHECK(json["best"]["val_loss"].is_number());
  CHECK(json["folder"] == run.out);
}

TEST_CASE("rill train: --quiet prints no line an epoch") {
  const Folder run;
  CHECK(run.train().says("epoch 1/2"));
  CHECK_FALSE(run.train({"--quiet", "--overwrite"}).says("epoch 1/2"));
}

TEST_CASE("rill train: another run's folder is refused, unless --overwrite") {
  const Folder run;
  CHECK(run.train().status == 0);
  const std::string before = run.folder.read("out/log.csv");
  const Outcome again = run.train({"--seed", "9"});
  CHECK(again.status == 1);
  CHECK(run.folder.read("out/log.csv") == before);
  CHECK(run.train({"--seed", "9", "--overwrite"}).status == 0);
  CHECK(run.folder.read("out/log.csv") != before);
}

TEST_CASE("rill train: wrong configs and settings are exit code 2, missing data is 1") {
  const Folder run;
  CHECK(run.train({"--set", "optimizer.lr=-1"}).status == 2);
  CHECK(run.train({"--set", "optimiser.lr=1"}).says("did you mean \"optimizer\"?"));
  CHECK(run.train({"--set", "lr"}).status == 2);
  CHECK(run.train({"--epochs", "0"}).status == 2);
  CHECK(run.train({"--resume", "--overwrite"}).status == 2);
  CHECK(run.train({"--resume"}).status == 1);
  CHECK(rill::test::rill({"train", run.folder.file("none.json")}).status == 1);
  CHECK(run.train({"--set", R"(data={"format": "csv", "path": "none.csv"})"}).status == 1);
}

TEST_CASE("rill train: a run that diverges is exit code 3") {
  const Folder run;
  const Outcome outcome = run.train({"--set", R"(optimizer={"type": "sgd", "lr": 1e30})"});
  CHECK_MESSAGE(outcome.status == 3, outcome.output);
  CHECK(outcome.says("training diverged"));
}

TEST_CASE("rill train: SIGINT and SIGTERM save, end with 130 and 143, and --resume goes on") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const Folder run;
    const Outcome first =
        interrupted({"train", run.config, "--out", run.out, "--no-report", "--epochs", "100000"}, signal);
    CHECK_MESSAGE(first.status == 128 + signal, first.output);
    CHECK(first.says("interrupted and saved; the same command with --resume goes on"));
    const auto epochs = lines_of(run.folder.read("out/log.csv")).size() - 1;
    REQUIRE(epochs >= 1);
    const Outcome second = run.train({"--resume", "--epochs", std::to_string(epochs + 2)});
    CHECK_MESSAGE(second.status == 0, second.output);
    CHECK(lines_of(run.folder.read("out/log.csv")).size() == epochs + 3);
  }
}

TEST_CASE("rill train: a second signal ends the process at once, unsaved, and leaves the folder free") {
  const Folder run;
  const Outcome outcome =
      interrupted({"train", run.config, "--out", run.out, "--no-report", "--epochs", "100000", "--threads",
                   "1", "--set", "training.checkpoint.every_epochs=0"},
                  SIGINT, SIGTERM);
  const bool at_once = outcome.status == 128 + SIGINT || outcome.status == 128 + SIGTERM;
  CHECK_MESSAGE(at_once, outcome.status, outcome.output);
  CHECK_FALSE(outcome.says("saved"));
  CHECK_FALSE(std::filesystem::exists(run.out + "/last.safetensors"));
  CHECK(run.train({"--overwrite"}).status == 0);
}

TEST_CASE(
    "rill train: mistakes in a config that the data shows are exit code 2, with the file and the place") {
  const Folder run;
  const auto says = [&](const std::string& setting, const std::string& message) {
    const Outcome outcome = run.train({"--set", setting});
    CHECK_MESSAGE(outcome.status == 2, outcome.output);
    CHECK(outcome.output.starts_with("rill: " + run.config + ": " + message));
  };
  says("model.layers.3.units=11", "/model: it gives [1, 11] for a sample, expected [1, 10]");
  says("loss=mse", "/loss: mse is for numbers");
  says("training.early_stopping={\"monitor\": \"val_los\"}",
       "/training/early_stopping/monitor: there is no ");
  const Outcome seed = run.train({"--seed", "-1"});
  CHECK(seed.status == 2);
  CHECK(seed.says("/seed: -1 is out of range"));
}

TEST_CASE("rill check: a loss or a monitor that cannot be is exit code 2") {
  const Folder run;
  const auto check = [&](const std::string& setting) {
    return rill::test::rill({"check", run.config, "--set", setting});
  };
  CHECK(check("seed=4").status == 0);
  CHECK(check("loss=mse").status == 2);
  CHECK(check("loss=mse").output.starts_with("rill: " + run.config + ": /loss: mse is for numbers"));
  CHECK(check("training.checkpoint.monitor=val_los").status == 2);
}

TEST_CASE("rill sweep: each value has its run, a row of the table and of the file") {
  const Folder run;
  const Outcome outcome = rill::test::rill({"sweep", run.config, "--out", run.out, "--set",
                                            "model.layers.2.negative_slope=0.1,0.3", "--seeds", "2"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  for (const char* folder : {"0.1/seed3", "0.1/seed4", "0.3/seed3", "0.3/seed4"})
    CHECK_MESSAGE(std::filesystem::exists(run.out + "/" + folder + "/best.safetensors"), folder);
  const std::vector<std::string> rows = lines_of(run.folder.read("out/sweep.csv"));
  REQUIRE(rows.size() == 5);
  CHECK(rows[0].starts_with("model.layers.2.negative_slope,seed,status,best_epoch,"));
  CHECK(rows[4].starts_with("0.3,4,done,"));
  CHECK(outcome.says("±"));
  nn::Model model = nn::load_model(run.out + "/0.3/seed3/best.safetensors");
  CHECK(dynamic_cast<nn::LeakyReLU&>(model.network[2]).negative_slope() == 0.3);
}

TEST_CASE("rill sweep: called again, it takes the runs that are done, and adds new ones") {
  const Folder run;
  const std::vector<std::string> call{"sweep", run.config, "--out", run.out, "--set"};
  auto with = [&](const std::string& values) {
    std::vector<std::string> arguments = call;
    arguments.push_back("optimizer.lr=" + values);
    return rill::test::rill(arguments);
  };
  CHECK(with("0.001,0.01").status == 0);
  const std::string before = run.folder.read("out/sweep.csv");
  const Outcome again = with("0.001,0.01");
  CHECK(again.says("0.001: done before\n"));
  CHECK(run.folder.read("out/sweep.csv") == before);
  const Outcome more = with("0.001,0.01,0.02");
  CHECK(more.says("0.01: done before\n"));
  CHECK(run.folder.read("out/sweep.csv").starts_with(before));
  CHECK(lines_of(run.folder.read("out/sweep.csv")).size() == 4);
}

TEST_CASE("rill sweep: several runs at a time give the files of one after the other") {
  const Folder run;
  const auto call = [&](const std::string& out, std::vector<std::string> more) {
    more.insert(more.begin(), {"sweep", run.config, "--out", run.folder.file(out), "--set",
                               "optimizer.lr=0.001,0.01", "--set", "training.epochs=1", "--seeds", "2"});
    return rill::test::rill(more);
  };
  const Outcome in_turn = call("turn", {}), beside = call("beside", {"--jobs", "3", "--threads", "2"});
  CHECK_MESSAGE(in_turn.status == 0, in_turn.output);
  CHECK_MESSAGE(beside.status == 0, beside.output);
  CHECK(beside.says("[1/4] " + run.folder.file("beside/0.001/seed")));
  const auto without_folders = [&](const std::string& name) {
    std::string text = run.folder.read(name + "/sweep.csv");
    const std::string folder = run.folder.file(name);
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder))
      text.erase(at, folder.size());
    return text;
  };
  CHECK(without_folders("turn") == without_folders("beside"));
  CHECK(lines_of(without_folders("beside")).size() == 5);
  for (const char* log : {"/0.001/seed3/log.csv", "/0.01/seed4/log.csv"})
    CHECK(run.folder.read(std::string("turn") + log) == run.folder.read(std::string("beside") + log));
  const Outcome again = call("beside", {"--jobs", "2"});
  CHECK(again.says("[4/4] " + run.folder.file("beside/0.01/seed4") + ": done before"));
}

TEST_CASE("rill sweep: --only trains one run, and the same command without it collects them") {
  const Folder run;
  const auto call = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"sweep", run.config, "--out", run.out, "--set", "optimizer.lr=0.001,0.01",
                               "--quiet", "--set", "training.epochs=1"});
    return rill::test::rill(more);
  };
  CHECK(call({"--only", "2"}).status == 0);
  CHECK(std::filesystem::exists(run.out + "/0.01/sweep_result.json"));
  CHECK_FALSE(std::filesystem::exists(run.out + "/0.001"));
  CHECK_FALSE(std::filesystem::exists(run.out + "/sweep.csv"));
  CHECK(call({"--only", "1"}).status == 0);
  const std::string log = run.folder.read("out/0.01/timing.csv");
  CHECK(call({}).status == 0);
  CHECK(run.folder.read("out/0.01/timing.csv") == log);
  CHECK(lines_of(run.folder.read("out/sweep.csv")).size() == 3);
  const Outcome beyond = call({"--only", "3"});
  CHECK(beyond.status == 2);
  CHECK(beyond.says("--only 3: there are 2 runs, expected one of them"));
  CHECK(call({"--only", "1", "--jobs", "2"})
            .says("--only is one run, and --jobs 2 several at a time, expected one of the two options"));
}

TEST_CASE("rill sweep: of several runs at a time one that fails stops the others") {
  const Folder run;
  const Outcome outcome =
      rill::test::rill({"sweep", run.config, "--out", run.out, "--set", "training.steps_per_epoch=2,9999",
                        "--set", "training.epochs=100000", "--jobs", "2"});
  CHECK(outcome.status == 2);
  CHECK(outcome.says(run.out + "/9999: /training/steps_per_epoch: got 9999"));
  CHECK_FALSE(std::filesystem::exists(run.out + "/2/sweep_result.json"));
}

TEST_CASE("rill sweep: runs that are under way save when it is interrupted, and when it is killed") {
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    const Folder run;
    const auto exist = [&](const char* name) {
      return std::filesystem::exists(run.out + "/100000/" + name) &&
             std::filesystem::exists(run.out + "/90000/" + name);
    };
    const Outcome outcome =
        signalled({"sweep", run.config, "--out", run.out, "--set", "training.epochs=100000,90000", "--set",
                   "training.checkpoint.every_epochs=0", "--jobs", "2"},
                  signal, 0, [&](const std::string&) { return exist("log.csv"); });
    CHECK(outcome.status == (signal == SIGKILL ? -1 : 128 + signal));
    CHECK(outcome.says("rill: " + run.out + ": interrupted and saved; the same command goes on") ==
          (signal != SIGKILL));
    CHECK_MESSAGE(exist("last.safetensors"), outcome.output);
    CHECK_FALSE(exist("sweep_result.json"));
  }
}

TEST_CASE("rill sweep: a run of its own process that reads another config than the sweep did is refused") {
  const Folder run;
  const Outcome outcome = rill::test::rill(
      {"sweep", run.config, "--out", run.out, "--set", "optimizer.lr=0.001,0.01", "--only", "1"},
      {{"RILL_CHILD_OF", std::to_string(::getpid())}, {"RILL_CHILD_NOTE", "7"}});
  CHECK(outcome.status == 1);
  CHECK(outcome.says(run.config + ": the file has changed since the sweep began, expected it as it was"));
  CHECK_FALSE(std::filesystem::exists(run.out));
}

TEST_CASE("rill sweep, rill new: what comes through a pipe would be read several times, and is refused") {
  for (const std::string command : {"sweep /dev/stdin --seeds 2", "new - --data /dev/stdin"})
    CHECK(rill::test::rill_sh("echo 'a,b' | rill " + command)
              .says("rill: /dev/stdin: what comes through a pipe or a device is read only once, expected a "
                    "file"));
}

TEST_CASE("rill sweep: with several seeds and nothing varied, it does one config, in one row") {
  const Folder run;
  const Outcome outcome = rill::test::rill(
      {"sweep", run.config, "--out", run.out, "--set", "training.epochs=1", "--seeds", "2", "--quiet"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(outcome.says("±"));
  CHECK(std::filesystem::exists(run.out + "/seed4/best.safetensors"));
  const std::vector<std::string> rows = lines_of(run.folder.read("out/sweep.csv"));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].starts_with("seed,status,best_epoch,"));
  CHECK(rows[2].starts_with("4,done,"));
}

TEST_CASE("rill sweep: the seed may be varied as a value, but not beside --seeds") {
  const Folder run;
  const std::vector<std::string> call{"sweep", run.config, "--out", run.out, "--set", "seed=5,6"};
  std::vector<std::string> with_seeds = call;
  with_seeds.insert(with_seeds.end(), {"--seeds", "2"});
  const Outcome refused = rill::test::rill(with_seeds);
  CHECK(refused.status == 2);
  CHECK(refused.output ==
        "rill: --set seed=5,6: the seeds are those of --seeds 2, expected one of the two options\n");
  CHECK(rill::test::rill(call).status == 0);
  CHECK(lines_of(run.folder.read("out/sweep.csv"))[2].starts_with("6,6,done,"));
}

TEST_CASE("rill sweep: a run whose result was lost behind its last epoch gives it again") {
  const Folder run;
  const std::vector<std::string> call{"sweep", run.config, "--out",
                                      run.out, "--set",    "optimizer.lr=0.001,0.01"};
  CHECK(rill::test::rill(call).status == 0);
  const std::string before = run.folder.read("out/0.001/log.csv");
  std::filesystem::remove(run.out + "/0.001/sweep_result.json");
  std::vector<std::string> other = call;
  other.insert(other.end(), {"--set", "seed=9"});
  const Outcome refused = rill::test::rill(other);
  CHECK(refused.status == 1);
  CHECK(refused.says("0.001/last.safetensors: /seed is 9, expected 3 as in the run that goes on"));
  const Outcome again = rill::test::rill(call);
  CHECK_MESSAGE(again.status == 0, again.output);
  CHECK(again.says("0.01: done before\n"));
  CHECK(run.folder.read("out/0.001/log.csv") == before);
  CHECK(std::filesystem::exists(run.out + "/0.001/sweep_result.json"));
}

TEST_CASE("rill sweep: the run of another model, or the beginning of one, is not overwritten") {
  const Folder run;
  const std::string other = run.folder.write(
      "other.json",
      std::string(small_run).replace(std::string(small_run).find("\"units\": 8"), 10, "\"units\": 9"));
  CHECK(rill::test::rill(
            {"train", other, "--out", run.out + "/0.001", "--set", "optimizer.lr=0.001", "--quiet"})
            .status == 0);
  const std::string best = run.folder.read("out/0.001/best.safetensors");
  const std::vector<std::string> call{"sweep", run.config, "--out",
                                      run.out, "--set",    "optimizer.lr=0.001,0.01"};
  const Outcome refused = rill::test::rill(call);
  CHECK(refused.status == 1);
  CHECK(refused.says("/model/layers/1/units is 8, expected 9 as in the run that goes on"));
  std::filesystem::remove(run.out + "/0.001/last.safetensors");
  CHECK(rill::test::rill(call).says("0.001: the folder holds "));
  CHECK(run.folder.read("out/0.001/best.safetensors") == best);
}

TEST_CASE("rill sweep: a run that ended before its first checkpoint begins anew") {
  const Folder run;
  const std::vector<std::string> call{"sweep", run.config, "--out",
                                      run.out, "--set",    "optimizer.lr=0.001,0.01"};
  CHECK(rill::test::rill(call).status == 0);
  const std::string best = run.folder.read("out/0.001/best.safetensors");
  for (const char* name : {"last.safetensors", "best.safetensors", "sweep_result.json"})
    std::filesystem::remove(run.out + "/0.001/" + name);
  CHECK(rill::test::rill(call).status == 0);
  CHECK(run.folder.read("out/0.001/best.safetensors") == best);
}

TEST_CASE("rill sweep: where the data have changed, no run that was done before is shown") {
  const TempDir folder;
  const std::string table = folder.write("t.csv", "0,1,a\n1,0,b\n0.1,1,a\n1,0.1,b\n0,0.9,a\n0.9,0,b\n");
  CHECK(rill::test::rill({"new", folder.file("run.json"), "--data", table}).status == 0);
  const std::vector<std::string> call{"sweep", folder.file("run.json"),   "--out", folder.file("out"),
                                      "--set", "optimizer.lr=0.001,0.01", "--set", "training.epochs=2"};
  CHECK(rill::test::rill(call).status == 0);
  CHECK(rill::test::rill(call).says("done before"));
  folder.write("t.csv", "0,1,a\n1,0,b\n0.1,1,a\n1,0.1,b\n0,0.9,a\n0.5,0,b\n");
  const Outcome refused = rill::test::rill(call);
  CHECK(refused.status == 1);
  CHECK(refused.says("0.001: the data have changed since this run was done"));
}

TEST_CASE("rill train: a rate that one_cycle does not read is told, by check and sweep too") {
  const Folder run;
  const std::string config = run.folder.write(
      "cycle.json",
      std::string(small_run).replace(0, 1, R"({"schedule": {"type": "one_cycle", "max_lr": 0.01},)"));
  const std::string told =
      "rill: note: optimizer.lr changes nothing: the schedule one_cycle takes all rates from "
      "schedule.max_lr\n";
  CHECK(rill::test::rill({"train", config, "--out", run.out, "--no-report", "--set", "optimizer.lr=0.1"})
            .says(told));
  CHECK(rill::test::rill({"check", config, "--set", "optimizer.lr=0.1"}).says(told));
  CHECK(rill::test::rill({"sweep", config, "--out", run.folder.file("s"), "--set", "optimizer.lr=0.1,0.2"})
            .says(told));
  CHECK_FALSE(rill::test::rill({"check", config, "--set", "schedule.max_lr=0.1"}).says("note"));
  CHECK_FALSE(rill::test::rill({"check", run.config, "--set", "optimizer.lr=0.1"}).says("note"));
}

TEST_CASE("rill train: --resume of a run that is done writes what is missing") {
  const Folder run;
  CHECK(run.train().status == 0);
  const std::string log = run.folder.read("out/log.csv"), best = run.folder.read("out/best.safetensors");
  CHECK(!std::filesystem::exists(run.out + "/report.html"));
  const Outcome again = rill::test::rill({"train", run.config, "--out", run.out, "--resume"});
  CHECK_MESSAGE(again.status == 0, again.output);
  CHECK(std::filesystem::exists(run.out + "/report.html"));
  CHECK(run.folder.read("out/log.csv") == log);
  CHECK(run.folder.read("out/best.safetensors") == best);
}

TEST_CASE("rill train: targets that bce_with_logits has no logit for are refused") {
  const TempDir folder;
  std::string table;
  for (int i = 0; i < 40; ++i) table += std::to_string(i % 7) + "," + std::to_string(1 + i % 2) + "\n";
  const std::string config = folder.file("run.json");
  CHECK(rill::test::rill({"new", config, "--data", folder.write("t.csv", table), "--regression"}).status ==
        0);
  const Outcome refused =
      rill::test::rill({"train", config, "--out", folder.file("out"), "--set", "loss=bce_with_logits",
                        "--set", "data.standardize_target=false"});
  CHECK(refused.status == 2);
  CHECK(refused.says(
      "/loss: a target of the data is 2, expected 0 to 1 for bce_with_logits; write two classes as 0 and 1"));
  CHECK(!std::filesystem::exists(folder.file("out")));
}

TEST_CASE("rill train: a NaN in npy files is refused, and what was trained before stays") {
  const TempDir folder;
  io::save_npy(folder.file("x.npy"), tensor({{1, 2}, {3, NAN}, {1, 2}, {3, 4}}));
  io::save_npy(folder.file("y.npy"), tensor({0, 1, 0, 1}, DType::i64));
  const std::string config =
      folder.write("run.json", R"({"rill": 1, "model": {"rill": 1, "input_shape": [2],
    "layers": [{"type": "dense", "units": 2}]}, "data": {"format": "npy", "x": ")" +
                                   folder.file("x.npy") + R"(", "y": ")" + folder.file("y.npy") +
                                   R"("}, "loss": "cross_entropy", "optimizer": {"type": "sgd", "lr": 0.1},
    "training": {"epochs": 1}})");
  std::filesystem::create_directory(folder.file("out"));
  folder.write("out/best.safetensors", "precious");
  const Outcome refused = rill::test::rill({"train", config, "--out", folder.file("out"), "--overwrite"});
  CHECK(refused.status == 1);
  CHECK(refused.says("x.npy: element 3 is nan, expected finite numbers"));
  CHECK(folder.read("out/best.safetensors") == "precious");
}

TEST_CASE("rill sweep: a value that only its run can refuse is named, and what is done stays") {
  const Folder run;
  const Outcome outcome = rill::test::rill(
      {"sweep", run.config, "--out", run.out, "--set", "training.steps_per_epoch=2,9999", "--quiet"});
  CHECK(outcome.status == 2);
  CHECK(outcome.says("rill: " + run.out + "/9999: /training/steps_per_epoch: got 9999, expected at most "));
  CHECK(lines_of(run.folder.read("out/sweep.csv")).size() == 2);
}

TEST_CASE("rill sweep: a setting that takes the place of another is wrong usage") {
  const Folder run;
  const auto sweep = [&](const std::string& second) {
    const Outcome outcome = rill::test::rill(
        {"sweep", run.config, "--out", run.out, "--set", "optimizer.lr=0.1,0.2", "--set", second});
    CHECK(outcome.status == 2);
    CHECK_FALSE(std::filesystem::exists(run.out));
    return outcome.output;
  };
  for (const std::string second : {"optimizer.lr=0.5", "optimizer=adam", "optimizer.lr=1,2"})
    CHECK(sweep(second) ==
          "rill: --set " + second +
              ": it takes the place of --set optimizer.lr=…, expected each key once, and what "
              "holds it before\n");
}

TEST_CASE(
    "rill train: options of a table that do not go together are the config's fault, and a table's its own") {
  const TempDir folder;
  std::string table = "t,y\n";
  for (int i = 0; i < 50; ++i) table += std::to_string(1700000000 + i) + "," + std::to_string(i) + "\n";
  const std::string config = folder.write(
      "run.json",
      R"({"rill": 1, "model": {"rill": 1, "input_shape": [1], "layers": [{"type": "dense", "units": 1}]},
    "data": {"format": "csv", "path": ")" +
          folder.write("t.csv", table) +
          R"(", "target": "y", "regression": true}, "loss": "mse",
    "optimizer": {"type": "sgd", "lr": 0.1}, "training": {"epochs": 1}})");
  const auto refusal = [&](const std::string& setting, int status) {
    const Outcome outcome =
        rill::test::rill({"train", config, "--out", folder.file("out"), "--no-report", "--set", setting});
    CHECK(outcome.status == status);
    return outcome.output;
  };
  const std::string data = "rill: " + config + ": /data/";
  CHECK(refusal("data.header=false", 2) ==
        data + "header: got false where a column is given by name, expected column numbers\n");
  CHECK(refusal("data.stratified=true", 2)
            .starts_with(data + "stratified: got true for targets that are numbers"));
  CHECK(refusal(R"(data.classes=["a","b","a"])", 2) ==
        data + "classes: \"a\" is given twice, expected different names\n");
  CHECK(refusal("training.epochs=1", 1)
            .starts_with("rill: " + folder.file("t.csv") +
                         ": f32 rounds away what tells the numbers of column \"t\""));
}

TEST_CASE("rill sweep: of settings that do not vary the last one counts, as in rill train") {
  const Folder run;
  const Outcome outcome =
      rill::test::rill({"sweep", run.config, "--out", run.out, "--set", "training.epochs=9", "--set",
                        "training.epochs=1", "--set", "optimizer.lr=0.1,0.2", "--quiet"});
  CHECK(outcome.status == 0);
  CHECK(run.folder.read("out/0.1/config.json").find("\"epochs\": 1,") != std::string::npos);
}

TEST_CASE("rill: an option with an empty value is wrong usage") {
  const Folder run;
  const Outcome outcome = rill::test::rill({"train", run.config, "--out", ""});
  CHECK(outcome.status == 2);
  CHECK(outcome.output == "rill: train: --out is empty, expected a value\n");
}

TEST_CASE("rill train: the report judges the best epoch's model, and tells the cells of a table's rows") {
  const TempDir folder;
  std::string table = "area,city,kind\n";
  for (int i = 0; i < 60; ++i)
    table += std::to_string(100 + i) + (i % 3 == 0 ? ",Ulm," : ",Bonn,") + (i * 7 % 5 < 2 ? "a" : "b") + "\n";
  folder.write("t.csv", table);
  folder.write(
      "run.json",
      R"({"rill": 1, "model": {"rill": 1, "input_shape": [3], "layers": [{"type": "dense", "units": 2}]},
    "data": {"format": "csv", "path": ")" +
          folder.file("t.csv") +
          R"(", "target": "kind", "one_hot": ["city"], "validation": 0.5},
    "loss": "cross_entropy", "optimizer": {"type": "sgd", "lr": 1}, "training": {"epochs": 6, "batch_size": 4}})");
  const auto result = rill_json({"train", folder.file("run.json"), "--out", folder.file("out")});
  const std::string page = folder.read("out/report.html"),
                    epoch = std::to_string(result["best_epoch"].get<int>());
  CHECK(page.find("<p>The model of epoch " + epoch + ", the best one: ") != std::string::npos);
  char right[60];
  std::snprintf(right, sizeof right, " of 30 samples are right: %.2f\u00a0%%",
                100 * result["best"]["val_accuracy"].get<double>());
  CHECK_MESSAGE(page.find(right) != std::string::npos, right);
  const auto at = page.find("<p class=\"features\">area 1");
  REQUIRE(at != std::string::npos);
  CHECK(page.substr(at, 60).find(", city=") != std::string::npos);
  // It is the row that it says.
  const int area = std::stoi(page.substr(page.find("area ", at) + 5, 3));
  const auto place = page.find("sample\u00a0", at);
  REQUIRE(place != std::string::npos);
  CHECK(std::stoi(page.substr(place + std::string("sample\u00a0").size(), 3)) == area - 100);
}

TEST_CASE("rill sweep: wrong lists are wrong usage") {
  const Folder run;
  const auto sweep = [&](const std::string& setting) {
    const Outcome outcome = rill::test::rill({"sweep", run.config, "--out", run.out, "--set", setting});
    CHECK(outcome.status == 2);
    return outcome.output;
  };
  CHECK(sweep("optimizer.lr=0.1") ==
        "rill: nothing is varied, expected --set KEY=VALUE,VALUE,… or --seeds of 2 or more\n");
  for (const std::string setting : {"out=a,b", "out=a"})
    CHECK(sweep(setting) ==
          "rill: --set " + setting +
              ": each run has a folder of its own in that of the sweep, expected --out DIR\n");
  CHECK(sweep("optimizer.lr") ==
        "rill: --set optimizer.lr: expected KEY=VALUE, or KEY=VALUE,VALUE to vary it\n");
  CHECK(sweep("optimizer.lr=1,,2") ==
        "rill: --set optimizer.lr=1,,2: a value is empty, expected one between commas\n");
  CHECK(sweep("optimizer.lr=1,1").find("two runs would have the folder \"1\"") != std::string::npos);
  CHECK(sweep("optimizer.lr=0.1,-1").find("/optimizer/lr") != std::string::npos);
}
