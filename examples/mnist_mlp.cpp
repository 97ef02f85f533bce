// Trains 784-256-128-10 with LeakyReLU on MNIST: one-cycle AdamW, a progress bar, the test accuracy, and the
// health of its units. Where MNIST is not to be had it draws digits of its own.
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>

#include <rill/rill.hpp>

#include "digits.hpp"
#include "program.hpp"
#include "progress.hpp"

namespace {

using namespace rill;
using Clock = std::chrono::steady_clock;

struct Settings {
  std::optional<std::string> data;
  std::string out = "runs/mnist_mlp";
  int epochs = 5;
  std::int64_t batch_size = 128;
  double max_lr = 0.004;
  double weight_decay = 0.01;
  double negative_slope = 0.1;
  std::uint64_t seed = 42;
  bool quick = false;
};

example::Digits find_digits(const Settings& settings) {
  const example::Drawn drawn{settings.quick ? 6000 : 60000, settings.quick ? 1000 : 10000, settings.seed};
  return example::find_digits(settings.data, drawn, example::standardised);
}

nn::Sequential make_model(const Settings& settings) {
  Generator generator(settings.seed);
  const double gain = nn::init::gain("leaky_relu", settings.negative_slope);
  const nn::DenseOptions hidden{.init = nn::init::kaiming_normal(gain)};
  return nn::Sequential{nn::Flatten(),
                        nn::Dense(784, 256, generator, hidden),
                        nn::LeakyReLU(settings.negative_slope),
                        nn::Dense(256, 128, generator, hidden),
                        nn::LeakyReLU(settings.negative_slope),
                        nn::Dense(128, 10, generator, {.init = nn::init::kaiming_normal(1.0)})};
}

// What the run writes down: a row every ten steps, and one with the test accuracy after every epoch.
class Log {
 public:
  explicit Log(std::string path) : path_(std::move(path)), file_(path_) {
    file_ << "epoch,step,lr,loss,test_accuracy\n";
  }
  void row(int epoch, std::int64_t step, double lr, double loss, const std::string& accuracy = "") {
    file_ << fmt::format("{},{},{:.8g},{:.6f},{}\n", epoch, step, lr, loss, accuracy);
  }
  void close() {
    file_.close();
    RILL_CHECK(file_, path_, ": write failed, expected a writable folder with space left");
  }

 private:
  std::string path_;
  std::ofstream file_;
};

// One step; its loss. Throws Diverged where that is no number.
double train_step(nn::Module& model, const nn::data::Batch& batch, optim::Optimizer& optimizer) {
  const Tensor loss = cross_entropy(model(batch.x), batch.y);
  loss.backward();
  optimizer.step();
  optimizer.zero_grad();
  if (std::isfinite(loss.item())) return loss.item();
  throw example::Diverged(
      fmt::format("mnist_mlp: the loss is {}, expected a finite number; lower --lr", loss.item()));
}

void train(nn::Sequential& model, const example::Digits& digits, const Settings& settings) {
  const nn::data::Loader loader(
      digits.train,
      {.batch_size = settings.batch_size, .shuffle = true, .drop_last = true, .seed = settings.seed});
  const std::int64_t per_epoch =
      settings.quick ? std::min<std::int64_t>(loader.batches(), 100) : loader.batches();
  const std::int64_t steps = per_epoch * settings.epochs;
  optim::AdamW optimizer(model, {.lr = settings.max_lr, .weight_decay = settings.weight_decay});
  optim::OneCycleLR schedule(optimizer,
                             {.max_lr = settings.max_lr, .total_steps = steps, .cycle_momentum = false});
  Log log(settings.out + "/log.csv");
  example::Progress progress(steps, settings.batch_size);
  std::int64_t step = 0;
  double smooth = 0;
  for (int epoch = 1; epoch <= settings.epochs; ++epoch) {
    const std::string label = fmt::format("epoch {}/{}", epoch, settings.epochs);
    for (const nn::data::Batch& batch : loader.epoch(epoch - 1)) {
      if (batch.index == per_epoch) break;
      const double lr = optimizer.lr(), loss = train_step(model, batch, optimizer);
      schedule.step();
      smooth = step == 0 ? loss : 0.98 * smooth + 0.02 * loss;
      progress.update(++step, label, smooth);
      if (step % 10 == 0) log.row(epoch, step, lr, smooth);
    }
    const double share = example::accuracy(model, digits.test);
    log.row(epoch, step, optimizer.lr(), smooth, fmt::format("{:.4f}", share));
    progress.line(fmt::format("{}  loss {:.4f}  test accuracy {:.2f} %", label, smooth, 100 * share));
  }
  log.close();
}

void run(const Settings& settings) {
  std::filesystem::create_directories(settings.out);
  const example::Digits digits = find_digits(settings);
  nn::Sequential model = make_model(settings);
  fmt::print("model: 784-256-128-10, LeakyReLU {}, {} parameters; {} threads\n", settings.negative_slope,
             model.parameter_count(), num_threads());
  const auto start = Clock::now();
  train(model, digits, settings);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();

  std::cout << nn::audit(model, *digits.train, {.samples = 10000});
  const std::string file = settings.out + "/model.safetensors";
  nn::save_weights(model, file);
  fmt::print("time: {:.1f} s\n", seconds);
  fmt::print("model saved to {}\n", file);
  fmt::print("test accuracy: {:.2f} %\n", 100 * example::accuracy(model, digits.test));
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Trains 784-256-128-10 with LeakyReLU on MNIST.");
  Settings settings;
  program.app.add_option(
      "--data", settings.data,
      "folder with the four MNIST files, plain or .gz (default: RILL_DATA, then data/mnist)");
  program.app.add_option("--out", settings.out, "folder for the model and the log")->capture_default_str();
  program.app.add_option("--epochs", settings.epochs, "passes over the data")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  program.app.add_option("--batch", settings.batch_size, "samples a step")
      ->capture_default_str()
      ->check(CLI::Range(1, 60000));
  program.app.add_option("--lr", settings.max_lr, "peak learning rate")
      ->capture_default_str()
      ->check(example::above_zero());
  program.app.add_option("--weight-decay", settings.weight_decay, "of the weights")
      ->capture_default_str()
      ->check(example::above_zero(true));
  program.app.add_option("--slope", settings.negative_slope, "negative slope of LeakyReLU")
      ->capture_default_str()
      ->check(example::above_zero(true));
  return program.run(argc, argv, [&] {
    settings.seed = program.seed;
    settings.quick = program.quick;
    if (settings.quick) settings.epochs = std::min(settings.epochs, 2);
    run(settings);
  });
}
