// The callbacks, driven by numbers that a test writes into the logs. The rules are those of Keras 3.
#include <cmath>
#include <limits>
#include <regex>
#include <sstream>
#include <stdexcept>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "temp_dir.hpp"

using namespace rill;
using namespace rill::optim;
using namespace rill::optim::callbacks;
using test::TempDir;

namespace {

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
using Numbers = std::vector<double>;

// y = weight · x with a buffer; a step adds 1 to the weight, and a pass in training 10 to the buffer.
struct Line final : nn::Module {
  Tensor weight = zeros({1, 1}).requires_grad_(), buffer = zeros({1});
  Tensor forward(const Tensor& x) override {
    if (training()) buffer.mutable_data<float>()[0] += 10;
    return x.matmul(weight);
  }
  void visit(nn::Visitor& visitor) override {
    visitor.parameter("weight", weight);
    visitor.buffer("buffer", buffer);
  }
};

struct Run1 {
  Line model;
  SGD optimizer{model, {.lr = 1}};
  std::string file;

  // One step an epoch; "val_loss" of epoch i is numbers[i].
  History run(const Numbers& numbers, std::vector<std::shared_ptr<Callback>> watched,
              std::string name = "val_loss") {
    watched.insert(watched.begin(),
                   std::make_shared<LambdaCallback>(LambdaCallbackOptions{.on_epoch_end = [&](Run& run) {
                     run.logs.set(name, numbers[static_cast<std::size_t>(run.epoch)]);
                   }}));
    Trainer trainer(model, optimizer, [](const Tensor& p, const Tensor&) { return p.mean() * -1.0; });
    const nn::data::Loader data(std::make_shared<nn::data::TensorDataset>(ones({1, 1}), ones({1, 1})),
                                {.batch_size = 1});
    return trainer.fit(data, {.epochs = std::ssize(numbers), .callbacks = std::move(watched)});
  }
};

std::size_t epochs_of(const Numbers& numbers, EarlyStoppingOptions options) {
  const std::string name = options.monitor;
  return Run1().run(numbers, {std::make_shared<EarlyStopping>(std::move(options))}, name).epochs.size();
}

// The learning rate of each epoch that follows.
Numbers rates(const Numbers& numbers, callbacks::ReduceLROnPlateauOptions options) {
  Run1 r;
  Numbers seen;
  r.run(numbers, {std::make_shared<callbacks::ReduceLROnPlateau>(std::move(options)),
                  std::make_shared<LambdaCallback>(LambdaCallbackOptions{
                      .on_epoch_end = [&](Run& run) { seen.push_back(run.optimizer.lr()); }})});
  return seen;
}

std::string without_time(const std::string& text) {
  return std::regex_replace(text, std::regex("[0-9.]+ s( left)?"), "T s$1");
}

}  // namespace

TEST_CASE("early_stopping: patience counts epochs without a better number") {
  CHECK(epochs_of({3, 2, 2, 2, 2, 2}, {.patience = 2}) == 4);
  CHECK(epochs_of({3, 2, 2, 1, 1, 1}, {.patience = 2}) == 6);
  CHECK(epochs_of({3, 2, 2, 1}, {.patience = 0}) == 3);
  CHECK(epochs_of({1, 2, 3, 4}, {.monitor = "val_accuracy"}) == 4);
  CHECK(epochs_of({1, 2, 3, 4}, {.mode = Mode::max}) == 4);
  CHECK(epochs_of({1, 2, 3, 4}, {}) == 2);
}

TEST_CASE("early_stopping: what is better by no more than min_delta is not") {
  CHECK(epochs_of({4, 3.5, 3, 2.5}, {.min_delta = 0.5, .patience = 1}) == 2);
  CHECK(epochs_of({4, 3.5, 3, 2.5, 2}, {.min_delta = 0.5, .patience = 2}) == 5);
  CHECK(epochs_of({1, 1.5, 2}, {.min_delta = 0.5, .patience = 1, .mode = Mode::max}) == 2);
}

TEST_CASE("early_stopping: with a baseline only what beats it as well begins the patience anew") {
  // Better each time and never below 1: what is better never stops, the first that is not does.
  CHECK(epochs_of({5, 4, 3, 2, 2, 2}, {.patience = 2, .baseline = 1}) == 5);
  CHECK(epochs_of({5, 0.5, 0.6, 0.7, 0.8}, {.patience = 2, .baseline = 1}) == 4);
}

TEST_CASE("early_stopping: epochs before start_from_epoch are not looked at") {
  CHECK(epochs_of({0, 5, 4, 4, 4}, {.patience = 1, .start_from_epoch = 1}) == 4);
  CHECK(epochs_of({1, 1, 1, 1}, {.start_from_epoch = 2}) == 4);
}

TEST_CASE("early_stopping: a NaN is never better, and the first number after it is") {
  CHECK(epochs_of({not_a_number, 3, 2, not_a_number, not_a_number}, {.patience = 2}) == 5);
  CHECK(epochs_of({not_a_number, not_a_number, 1}, {.patience = 2}) == 2);
}

TEST_CASE("early_stopping: restore_best_weights gives back parameters and buffers of the best epoch") {
  for (const bool ends_early : {true, false}) {
    Run1 r;
    const auto stopping = std::make_shared<EarlyStopping>(
        EarlyStoppingOptions{.patience = ends_early ? 2 : 9, .restore_best_weights = true});
    const History history = r.run({3, 1, 2, 2}, {stopping});
    CHECK(history.steps == 4);
    CHECK((history.reason ==
           "EarlyStopping: val_loss is 2 and was not better for 2 epochs; best was 1 in epoch 2") ==
          ends_early);
    CHECK(r.model.weight.item() == 2);
    CHECK(r.model.buffer.item() == 20);
    CHECK(stopping->best() == 1.0);
    CHECK(stopping->best_epoch() == 1);
  }
  Run1 r;
  r.run({3, 1, 2, 2}, {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 2})});
  CHECK(r.model.weight.item() == 4);
}

TEST_CASE("early_stopping: where all numbers are NaN the weights of the first epoch come back") {
  Run1 r;
  r.run({not_a_number, not_a_number, not_a_number},
        {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 9, .restore_best_weights = true})});
  CHECK(r.model.weight.item() == 1);
}

TEST_CASE("early_stopping: a second fit begins anew") {
  Run1 r;
  const auto stopping = std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 1});
  CHECK(r.run({1, 2, 3}, {stopping}).epochs.size() == 2);
  CHECK(r.run({5, 4, 3}, {stopping}).epochs.size() == 3);
  CHECK(stopping->best() == 3.0);
}

TEST_CASE("early_stopping: a second fit counts its epochs anew, also where its first number is a NaN") {
  Run1 r;
  const auto stopping = std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 3});
  CHECK(r.run({1, 2, 2, 2}, {stopping}).epochs.size() == 4);
  CHECK(r.run(Numbers(5, not_a_number), {stopping}).epochs.size() == 3);
}

TEST_CASE("reduce_lr_on_plateau: a second fit counts its epochs anew, also where its first number is a NaN") {
  Run1 r;
  const auto plateau =
      std::make_shared<callbacks::ReduceLROnPlateau>(callbacks::ReduceLROnPlateauOptions{.patience = 2});
  r.run({1, 2}, {plateau});
  r.run({not_a_number}, {plateau});
  CHECK(r.optimizer.lr() == 1);
  r.run({1, 2, 2}, {plateau});
  CHECK(r.optimizer.lr() < 1);
}

TEST_CASE("early_stopping: a number that is not in the logs is refused, with what there is") {
  CHECK_ERROR(Run1().run({1}, {std::make_shared<EarlyStopping>()}, "x"),
              "EarlyStopping: there is no \"val_loss\" in the logs, expected one of loss, lr, x; pass "
              "validation data");
}

TEST_CASE("callbacks: options out of range are refused") {
  CHECK_ERROR(EarlyStopping({.min_delta = -1}),
              "EarlyStopping: min_delta is -1, expected a finite number, 0 or more");
  CHECK_ERROR(EarlyStopping({.patience = -1}), "EarlyStopping: patience is -1, expected 0 or more");
  CHECK_ERROR(EarlyStopping({.baseline = not_a_number}), "EarlyStopping: baseline is nan, expected a number");
  CHECK_ERROR(EarlyStopping({.start_from_epoch = -1}),
              "EarlyStopping: start_from_epoch is -1, expected 0 or more");
  CHECK_ERROR(ModelCheckpoint(""), "ModelCheckpoint: the file has no name, expected one");
  CHECK_ERROR(ModelCheckpoint("x", {.every = 0}), "ModelCheckpoint: every is 0, expected 1 or more");
  CHECK_ERROR(ModelCheckpoint("x", {.initial_value_threshold = not_a_number}),
              "ModelCheckpoint: initial_value_threshold is nan, expected a number");
  using Plateau = callbacks::ReduceLROnPlateau;
  CHECK_ERROR(Plateau({.factor = 0}), "ReduceLROnPlateau: factor is 0, expected more than 0 and less than 1");
  CHECK_ERROR(Plateau({.factor = 1}), "ReduceLROnPlateau: factor is 1, expected more than 0 and less than 1");
  CHECK_ERROR(Plateau({.patience = -1}), "ReduceLROnPlateau: patience is -1, expected 0 or more");
  CHECK_ERROR(Plateau({.min_delta = not_a_number}),
              "ReduceLROnPlateau: min_delta is nan, expected a finite number, 0 or more");
  CHECK_ERROR(Plateau({.cooldown = -1}), "ReduceLROnPlateau: cooldown is -1, expected 0 or more");
  CHECK_ERROR(Plateau({.min_lr = -1}),
              "ReduceLROnPlateau: min_lr is -1, expected a finite number, 0 or more");
  CHECK_ERROR(CSVLogger(""), "CSVLogger: the file has no name, expected one");
  CHECK_THROWS_AS(CSVLogger("x", '.'), Error);
}

TEST_CASE("callbacks: a monitor that does not say whether small numbers are good needs a mode") {
  const std::string text =
      ": mode is automatic, and \"val_score\" does not say whether small numbers are good, expected min or "
      "max";
  CHECK_ERROR(EarlyStopping({.monitor = "val_score"}), "EarlyStopping" + text);
  CHECK_ERROR(callbacks::ReduceLROnPlateau({.monitor = "val_score"}), "ReduceLROnPlateau" + text);
  CHECK_ERROR(ModelCheckpoint("x", {.monitor = "val_score", .save_best_only = true}),
              "ModelCheckpoint" + text);
  CHECK_NOTHROW(ModelCheckpoint("x", {.monitor = "val_score"}));
  CHECK(epochs_of({1, 2, 1, 3}, {.monitor = "val_score", .mode = Mode::max}) == 3);
}

TEST_CASE("model_checkpoint: a file an epoch, named by epoch and numbers, with the weights of that epoch") {
  const TempDir dir;
  Run1 r;
  const auto saving = std::make_shared<ModelCheckpoint>(dir.file("w-{epoch:02d}-{val_loss:.2f}.safetensors"));
  CHECK(saving->last_file().empty());
  r.run({0.5, 0.25}, {saving});
  CHECK(dir.names() == std::vector<std::string>{"w-01-0.50.safetensors", "w-02-0.25.safetensors"});
  CHECK(saving->last_file() == dir.file("w-02-0.25.safetensors"));
  Line loaded;
  nn::load_weights(loaded, dir.file("w-01-0.50.safetensors"));
  CHECK(loaded.weight.item() == 1);
  CHECK(loaded.buffer.item() == 10);
}

TEST_CASE("model_checkpoint: every n-th epoch alone is saved") {
  const TempDir dir;
  Run1().run({1, 1, 1, 1, 1},
             {std::make_shared<ModelCheckpoint>(dir.file("{epoch}"), ModelCheckpointOptions{.every = 2})});
  CHECK(dir.names() == std::vector<std::string>{"2", "4"});
}

TEST_CASE("model_checkpoint: save_best_only keeps the best, over several runs, and a NaN is not") {
  const TempDir dir;
  const auto saving =
      std::make_shared<ModelCheckpoint>(dir.file("{epoch}"), ModelCheckpointOptions{.save_best_only = true});
  Run1 r;
  r.run({not_a_number, 3, 4, 2, 2}, {saving});
  CHECK(dir.names() == std::vector<std::string>{"2", "4"});
  r.run({9}, {saving});
  CHECK(dir.names() == std::vector<std::string>{"2", "4"});
  r.run({1}, {saving});
  CHECK(dir.names() == std::vector<std::string>{"1", "2", "4"});
}

TEST_CASE("model_checkpoint: initial_value_threshold has to be beaten") {
  const TempDir dir;
  Run1().run({3, 2, 1}, {std::make_shared<ModelCheckpoint>(
                            dir.file("{epoch}"),
                            ModelCheckpointOptions{.save_best_only = true, .initial_value_threshold = 2})});
  CHECK(dir.names() == std::vector<std::string>{"3"});
}

TEST_CASE("model_checkpoint: a name that is no format is refused, and nothing is written") {
  const TempDir dir;
  for (const char* name : {"{epoch", "{acc}", "{epoch:.2f}", "{val_loss:d}", "}"}) {
    CAPTURE(name);
    const std::string path = dir.file(name);
    std::string message;
    try {
      Run1().run({1}, {std::make_shared<ModelCheckpoint>(path)});
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(message.starts_with("ModelCheckpoint: the file's name \"" + path + "\" is no format ("));
    CHECK(message.ends_with("), expected {epoch} and names in the logs: loss, lr, val_loss"));
  }
  CHECK(dir.names().empty());
}

TEST_CASE("model_checkpoint: a file that cannot be written is no best one") {
  const TempDir dir;
  const auto saving =
      std::make_shared<ModelCheckpoint>(dir.file("later/w"), ModelCheckpointOptions{.save_best_only = true});
  CHECK_THROWS_AS(Run1().run({1}, {saving}), Error);
  CHECK(saving->last_file().empty());
  std::filesystem::create_directory(dir.file("later"));
  Run1().run({2}, {saving});
  CHECK(saving->last_file() == dir.file("later/w"));
}

TEST_CASE("reduce_lr_on_plateau: reduces after patience epochs without a better number, Keras' count") {
  CHECK(rates({1, 1, 1, 1, 1}, {.factor = 0.5, .patience = 2}) == Numbers{1, 1, .5, .5, .25});
  CHECK(rates({3, 3, 2, 2, 2}, {.factor = 0.5, .patience = 2}) == Numbers{1, 1, 1, 1, .5});
  CHECK(rates({1, 1, 1}, {.factor = 0.5, .patience = 0}) == Numbers{1, .5, .25});
  CHECK(rates({1, 2, 3}, {.factor = 0.5, .patience = 1, .mode = Mode::max}) == Numbers{1, 1, 1});
}

TEST_CASE("reduce_lr_on_plateau: what is better by no more than min_delta is not") {
  CHECK(rates({4, 3.5, 2.75}, {.factor = 0.5, .patience = 1, .min_delta = 0.5}) == Numbers{1, .5, .5});
}

TEST_CASE("reduce_lr_on_plateau: the epochs of the cooldown are not counted") {
  // Reduced after epoch 1; epoch 2 cools down, in epoch 3 the cooldown has ended, and its number counts.
  CHECK(rates({1, 1, 1, 1, 1, 1}, {.factor = 0.5, .patience = 1, .cooldown = 2}) ==
        Numbers{1, .5, .5, .25, .25, .125});
}

TEST_CASE("reduce_lr_on_plateau: a NaN counts as not better, and min_lr is the end") {
  CHECK(rates({1, not_a_number, not_a_number, not_a_number}, {.factor = 0.5, .patience = 1, .min_lr = 0.4}) ==
        Numbers{1, .5, .4, .4});
  CHECK(rates({1, 1}, {.factor = 0.5, .patience = 1, .min_lr = 2}) == Numbers{1, 1});
}

TEST_CASE("reduce_lr_on_plateau: a second fit begins anew") {
  Run1 r;
  const auto plateau = std::make_shared<callbacks::ReduceLROnPlateau>(
      callbacks::ReduceLROnPlateauOptions{.factor = 0.5, .patience = 2});
  r.run({1, 1}, {plateau});
  r.run({2, 2}, {plateau});
  CHECK(r.optimizer.lr() == 1);
}

TEST_CASE("csv_logger: a header and a row an epoch, with all digits") {
  const TempDir dir;
  Run1().run({0.1, not_a_number}, {std::make_shared<CSVLogger>(dir.file("log.csv"))});
  CHECK(dir.read("log.csv") == "epoch,loss,lr,val_loss\n0,0,1,0.1\n1,-1,1,nan\n");
  Run1().run({1.0 / 3}, {std::make_shared<CSVLogger>(dir.file("log.csv"), ';')});
  CHECK(dir.read("log.csv") == "epoch;loss;lr;val_loss\n0;0;1;0.3333333333333333\n");
}

TEST_CASE("csv_logger: appends under the columns that are there, also to a file without a last line end") {
  const TempDir dir;
  const std::string file = dir.write("log.csv", "epoch,val_loss,extra,lr,loss\n7,1,2,3,4");
  Run1().run({5}, {std::make_shared<CSVLogger>(file, ',', true)});
  CHECK(dir.read("log.csv") == "epoch,val_loss,extra,lr,loss\n7,1,2,3,4\n0,5,,1,0\n");
  Run1().run({6}, {std::make_shared<CSVLogger>(file, ',', true)});
  CHECK(dir.read("log.csv") == "epoch,val_loss,extra,lr,loss\n7,1,2,3,4\n0,5,,1,0\n0,6,,1,0\n");
}

TEST_CASE("csv_logger: appending to no file, or to an empty one, begins it with a header") {
  const TempDir dir;
  dir.write("empty.csv", "");
  for (const char* name : {"new.csv", "empty.csv"}) {
    Run1().run({5}, {std::make_shared<CSVLogger>(dir.file(name), ',', true)});
    CHECK(dir.read(name) == "epoch,loss,lr,val_loss\n0,0,1,5\n");
  }
}

TEST_CASE("csv_logger: a file of other columns is refused, and left as it is") {
  const TempDir dir;
  const std::string other = dir.write("iris.csv", "sepal,petal\n1,2"),
                    fewer = dir.write("log.csv", "epoch,loss,lr\n");
  CHECK_ERROR(Run1().run({5}, {std::make_shared<CSVLogger>(other, ',', true)}),
              other + ": the first column is \"sepal\", expected \"epoch\" to append to");
  CHECK_ERROR(Run1().run({5}, {std::make_shared<CSVLogger>(fewer, ',', true)}),
              fewer +
                  ": there is no column \"val_loss\", expected one for each number in the logs; write to "
                  "another file");
  CHECK(dir.read("iris.csv") == "sepal,petal\n1,2");
  CHECK(dir.read("log.csv") == "epoch,loss,lr\n");
}

TEST_CASE("csv_logger: a name with a separator or a quote is put in quotes") {
  const TempDir dir;
  Run1().run({5}, {std::make_shared<CSVLogger>(dir.file("log.csv"))}, "top,\"5\"");
  CHECK(dir.read("log.csv") == "epoch,loss,lr,\"top,\"\"5\"\"\"\n0,0,1,5\n");
  Run1().run({6}, {std::make_shared<CSVLogger>(dir.file("log.csv"), ',', true)}, "top,\"5\"");
  CHECK(dir.read("log.csv") == "epoch,loss,lr,\"top,\"\"5\"\"\"\n0,0,1,5\n0,0,1,6\n");
}

TEST_CASE("csv_logger: a missing folder and a full disk are told of") {
  CHECK_ERROR(
      Run1().run({5}, {std::make_shared<CSVLogger>("/no/such/log.csv")}),
      "/no/such/log.csv: open failed (No such file or directory), expected a writable file in a folder that "
      "exists");
  CHECK_ERROR(Run1().run({5}, {std::make_shared<CSVLogger>("/dev/full")}),
              "/dev/full: write failed (No space left on device), expected room on the disk");
}

TEST_CASE("csv_logger: a second fit with the same logger begins the file anew") {
  const TempDir dir;
  const auto logger = std::make_shared<CSVLogger>(dir.file("log.csv"));
  Run1().run({5, 6}, {logger});
  Run1().run({7}, {logger}, "x");
  CHECK(dir.read("log.csv") == "epoch,loss,lr,x\n0,0,1,7\n");
}

TEST_CASE("progress: a line an epoch, and the reason at the end of a stopped run") {
  std::ostringstream out;
  Run1().run({0.5, 0.25, 0.25}, {std::make_shared<Progress>(out), std::make_shared<EarlyStopping>()});
  CHECK(
      without_time(out.str()) ==
      "epoch 1/3  loss 0  lr 1  val_loss 0.5  T s\n"
      "epoch 2/3  loss -1  lr 1  val_loss 0.25  T s\n"
      "epoch 3/3  loss -2  lr 1  val_loss 0.25  T s\n"
      "stopped: EarlyStopping: val_loss is 0.25 and was not better for 1 epochs; best was 0.25 in epoch 2\n");
}

TEST_CASE("progress: with redraw a bar comes first, and is wiped") {
  std::ostringstream out;
  Run1().run({0.5}, {std::make_shared<Progress>(out, true)});
  const std::string bar = "epoch 1/1 [########################] 0 s left  loss 0";
  CHECK(without_time(out.str()) == without_time(bar + "\r" + std::string(bar.size(), ' ') + "\r" +
                                                "epoch 1/1  loss 0  lr 1  val_loss 0.5  0.0 s\n"));
}

TEST_CASE("early_stopping: the reason says where no epoch had a number") {
  Run1 r;
  const History history =
      r.run(Numbers(3, not_a_number), {std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 2})});
  CHECK(history.reason ==
        "EarlyStopping: val_loss is nan and was not better for 2 epochs; it has never been a number");
}

namespace {

// The learning rate after each of four epochs without progress, with a schedule and the callback's factor 0.5.
Numbers rates_with(Run1& r, Schedule& schedule, double min_lr = 0) {
  Numbers seen;
  Trainer trainer(r.model, r.optimizer, [](const Tensor& p, const Tensor&) { return p.mean() * 0.0; });
  const nn::data::Loader data(std::make_shared<nn::data::TensorDataset>(ones({1, 1}), ones({1, 1})),
                              {.batch_size = 1});
  const callbacks::ReduceLROnPlateauOptions options{
      .monitor = "loss", .factor = 0.5, .patience = 2, .min_lr = min_lr};
  trainer.fit(data,
              {.epochs = 4,
               .schedule = &schedule,
               .callbacks = {std::make_shared<callbacks::ReduceLROnPlateau>(options),
                             std::make_shared<LambdaCallback>(LambdaCallbackOptions{
                                 .on_epoch_end = [&](Run& run) { seen.push_back(run.optimizer.lr()); }})}});
  return seen;
}

}  // namespace

TEST_CASE("reduce_lr_on_plateau: a schedule goes on from the reduced learning rate") {
  // 1, and from step 2 on a quarter; reduced in the third epoch.
  Run1 r;
  StepLR schedule(r.optimizer, {.step_size = 2, .gamma = 0.25});
  CHECK(rates_with(r, schedule) == Numbers{1, .25, .125, .03125});
  CHECK(r.optimizer.initial_lr() == 0.5);
  Run1 other;
  StepLR again(other.optimizer, {.step_size = 2, .gamma = 0.25});
  CHECK(rates_with(other, again, 0.1875) == Numbers{1, .25, .1875, .046875});
}

TEST_CASE("reduce_lr_on_plateau: a schedule that does not heed what it reduces is refused") {
  Run1 r;
  OneCycleLR cycle(r.optimizer, {.max_lr = 1, .total_steps = 9});
  CHECK_ERROR(rates_with(r, cycle),
              "ReduceLROnPlateau: the schedule OneCycleLR sets the learning rate whatever it was, expected "
              "one that scales it");
  SequentialLR sequence(
      r.optimizer, {LinearLR(r.optimizer), OneCycleLR(r.optimizer, {.max_lr = 1, .total_steps = 9})}, {3});
  CHECK_ERROR(rates_with(r, sequence),
              "ReduceLROnPlateau: the schedule SequentialLR sets the learning rate whatever it was, expected "
              "one that scales it");
}
