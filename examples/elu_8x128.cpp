// The MNIST experiment of the ELU paper (Clevert, Unterthiner and Hochreiter 2015, arXiv 1511.07289), shortened: eight
// hidden layers of 128 units, plain SGD at 0.01 with batches of 64, He initialisation, with ELU, ReLU and LeakyReLU 0.1.
// The paper reports that ELU keeps the median of its units' mean activations smaller throughout, and that its training
// loss falls faster. Writes elu_8x128.csv, a row for each activation and epoch; draw it with examples/elu_8x128.gp.
//
// On MNIST with seed 42 both hold in each of 25 epochs: a loss of 0.01 takes ELU 14 epochs and the others 17, and the
// medians end at 0.91, 1.24 and 1.16, still rising a little. It takes some 230 CPU seconds.
// The three nets train side by side, an epoch at a time, each on one thread: numbers do not depend on --threads.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "digits.hpp"
#include "program.hpp"

namespace {

using namespace rill;

struct Settings {
  std::optional<std::string> data;
  std::string out = "runs/elu_8x128";
  int epochs = 25;
  std::uint64_t seed = 42;
  bool quick = false;
};

example::Digits find_digits(const Settings& settings) {
  const example::Drawn drawn{settings.quick ? 3200 : 60000, settings.quick ? 1000 : 10000, settings.seed};
  return example::find_digits(settings.data, drawn, example::standardised);
}

// What is written down of a net after an epoch.
struct Row {
  double loss;      // mean over the batches of the epoch
  double accuracy;  // on the test set
  double median;    // over all hidden units, of the mean activation
};

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// One net and its training, an epoch at a time, by one thread at a time.
class Contestant {
 public:
  template <class Activation>
  Contestant(std::string name, const Activation& activation, const example::Digits& digits,
             const Settings& settings)
      : name_(std::move(name)),
        digits_(digits),
        loader_(digits.train, {.batch_size = 64, .shuffle = true, .drop_last = true, .seed = settings.seed}),
        batches_(settings.quick ? std::min<std::int64_t>(loader_.batches(), 50) : loader_.batches()) {
    Generator generator(settings.seed);
    model_.add(nn::Flatten());
    for (int layer = 0; layer < 8; ++layer) {
      model_.add(nn::Dense(layer == 0 ? 784 : 128, 128, generator));
      model_.add(activation);
    }
    model_.add(nn::Dense(128, 10, generator));
    optimizer_ = std::make_unique<optim::SGD>(model_, optim::SGDOptions{.lr = 0.01});
  }

  const std::string& name() const { return name_; }

  Row epoch(std::int64_t index) {
    double loss_sum = 0;
    for (const nn::data::Batch& batch : loader_.epoch(index)) {
      if (batch.index == batches_) break;
      const Tensor loss = cross_entropy(model_(batch.x), batch.y);
      loss.backward();
      optimizer_->step();
      optimizer_->zero_grad();
      loss_sum += loss.item();
      if (!std::isfinite(loss_sum))
        throw example::Diverged(
            fmt::format("elu_8x128: the loss of {} is {}, expected a finite number", name_, loss.item()));
    }
    return {loss_sum / static_cast<double>(batches_), accuracy(), median_activation()};
  }

 private:
  double accuracy() {
    const NoGrad no_grad;
    std::int64_t correct = 0;
    const nn::data::Loader loader(digits_.test, {.batch_size = 500});
    for (const nn::data::Batch& batch : loader.epoch(0))
      correct += nn::count_correct(model_(batch.x), batch.y);
    return static_cast<double>(correct) / static_cast<double>(digits_.test->size());
  }

  double median_activation() {
    std::vector<double> means;
    for (const nn::LayerHealth& layer : nn::audit(model_, *digits_.train, {.samples = 5000}).layers) {
      for (const nn::UnitHealth& unit : layer.units) means.push_back(unit.output_mean);
    }
    return median_of(std::move(means));
  }

  std::string name_;
  example::Digits digits_;
  nn::data::Loader loader_;
  std::int64_t batches_;
  nn::Sequential model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

// Who trains when: a thread that is free takes the net with the fewest epochs that no other thread has.
class Contest {
 public:
  Contest(std::vector<std::unique_ptr<Contestant>> contestants, int epochs)
      : contestants_(std::move(contestants)),
        epochs_(epochs),
        rows_(contestants_.size()),
        busy_(rows_.size()) {}

  /// Rows by contestant and epoch. Throws what a contestant throws.
  const std::vector<std::vector<Row>>& run() {
    std::vector<std::thread> threads;
    for (int i = 1; i < num_threads() && i < static_cast<int>(rows_.size()); ++i)
      threads.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
    return rows_;
  }

 private:
  void work() {
    const SerialLoops serial;
    std::unique_lock lock(mutex_);
    while (!error_ && !finished()) {
      const std::size_t mine = free_one();
      if (mine == rows_.size()) {
        changed_.wait(lock);
        continue;
      }
      busy_[mine] = true;
      const auto epoch = static_cast<std::int64_t>(rows_[mine].size());
      lock.unlock();
      std::optional<Row> row;
      std::exception_ptr error;
      try {
        row = contestants_[mine]->epoch(epoch);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      busy_[mine] = false;
      if (row) rows_[mine].push_back(*row);
      if (error && !error_) error_ = error;
      print_complete();
      changed_.notify_all();
    }
  }

  bool finished() const {
    return std::ranges::all_of(rows_, [&](const auto& rows) { return std::ssize(rows) == epochs_; });
  }

  std::size_t free_one() const {
    std::size_t best = rows_.size();
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (busy_[i] || std::ssize(rows_[i]) == epochs_) continue;
      if (best == rows_.size() || rows_[i].size() < rows_[best].size()) best = i;
    }
    return best;
  }

  // Epochs that all have done, in their order.
  void print_complete() {
    while (std::ranges::all_of(rows_, [&](const auto& rows) { return rows.size() > printed_; })) {
      std::string line = fmt::format("epoch {:2}/{}", printed_ + 1, epochs_);
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        const Row& row = rows_[i][printed_];
        line += fmt::format("  | {}: loss {:.4f}, test {:.2f} %, median {:+.3f}", contestants_[i]->name(),
                            row.loss, 100 * row.accuracy, row.median);
      }
      fmt::print("{}\n", line);
      std::fflush(stdout);
      ++printed_;
    }
  }

  std::vector<std::unique_ptr<Contestant>> contestants_;
  int epochs_;
  std::vector<std::vector<Row>> rows_;
  std::vector<char> busy_;
  std::size_t printed_ = 0;
  std::exception_ptr error_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

// As they are printed, and as they stand in the CSV file.
const std::vector<std::string> names{"ELU", "ReLU", "LeakyReLU 0.1"};
const std::vector<std::string> variants{"elu", "relu", "leaky_relu:0.1"};

void write_csv(const std::string& path, const std::vector<std::vector<Row>>& rows) {
  std::ofstream file(path);
  file << "activation,epoch,training_loss,test_accuracy,median_activation\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t epoch = 0; epoch < rows[i].size(); ++epoch) {
      const Row& row = rows[i][epoch];
      file << fmt::format("{},{},{:.8g},{:.4f},{:.8g}\n", variants[i], epoch + 1, row.loss, row.accuracy,
                          row.median);
    }
  }
  file.close();
  RILL_CHECK(file, path, ": write failed, expected a writable folder with space left");
}

// In how many epochs ELU, the first, has the smallest number.
void print_order(const std::vector<std::vector<Row>>& rows, const char* what, double Row::*number) {
  const std::size_t epochs = rows[0].size();
  std::size_t holds = 0;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    const double others = std::min(rows[1][epoch].*number, rows[2][epoch].*number);
    holds += rows[0][epoch].*number < others;
  }
  fmt::print("{}: ELU is below both others in {} of {} epochs, {} published\n", what, holds, epochs,
             holds == epochs ? "as" : "NOT as");
}

void print_speed(const std::vector<std::vector<Row>>& rows) {
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const double goal = rows[i].back().loss;
    const auto reached = std::ranges::find_if(rows[0], [&](const Row& row) { return row.loss <= goal; });
    if (reached == rows[0].end()) continue;
    fmt::print("ELU reaches the last training loss of {}, {:.4f}, in epoch {} of {}\n", names[i], goal,
               reached - rows[0].begin() + 1, rows[0].size());
  }
}

void run(const Settings& settings) {
  std::filesystem::create_directories(settings.out);
  const example::Digits digits = find_digits(settings);
  std::vector<std::unique_ptr<Contestant>> contestants;
  contestants.push_back(std::make_unique<Contestant>(names[0], nn::ELU(), digits, settings));
  contestants.push_back(std::make_unique<Contestant>(names[1], nn::ReLU(), digits, settings));
  contestants.push_back(std::make_unique<Contestant>(names[2], nn::LeakyReLU(0.1), digits, settings));
  fmt::print("nets: 784-128x8-10, SGD 0.01, batches of 64, He initialisation; {} threads\n", num_threads());
  const auto start = std::chrono::steady_clock::now();
  Contest contest(std::move(contestants), settings.epochs);
  const auto& rows = contest.run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_csv(settings.out + "/elu_8x128.csv", rows);
  print_order(rows, "median activation", &Row::median);
  print_order(rows, "training loss", &Row::loss);
  print_speed(rows);
  fmt::print("time: {:.1f} s\n", seconds);
  fmt::print("to draw it: gnuplot -c examples/elu_8x128.gp {} \"{}\"\n", settings.out,
             (digits.real ? "MNIST" : "drawn digits"));
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program(
      "The MNIST experiment of the ELU paper, shortened: 784-128x8-10 with three activations.");
  Settings settings;
  program.app.add_option(
      "--data", settings.data,
      "folder with the four MNIST files, plain or .gz (default: RILL_DATA, then data/mnist)");
  program.app.add_option("--out", settings.out, "folder for the numbers")->capture_default_str();
  program.app.add_option("--epochs", settings.epochs, "passes over the data")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  return program.run(argc, argv, [&] {
    settings.seed = program.seed;
    settings.quick = program.quick;
    if (settings.quick) settings.epochs = std::min(settings.epochs, 2);
    run(settings);
  });
}
