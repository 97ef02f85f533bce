// Recipes for MNIST without convolution: what accuracy a dense network reaches, and in how much processor time.
//
// A recipe has a fixed length: nothing is chosen by the test set, which is looked at after every epoch only to tell
// when an accuracy was reached. Time is processor time of all threads of the program in training alone, augmentation
// included, reading files and testing excluded.
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>

#include <rill/rill.hpp>

#include "digits.hpp"
#include "mnist_recipes/recipe.hpp"
#include "program.hpp"

namespace {

using namespace rill;
using example::Recipe;

constexpr double slope = 0.01;
constexpr std::array<double, 2> marks{0.98, 0.985};

struct Settings {
  std::vector<std::string> recipes{"R2"};
  std::optional<std::string> data;
  std::string out = "runs/mnist_recipes";
  int seeds = 3;
  std::uint64_t seed = 42;
  bool quick = false;
};

struct Result {
  std::uint64_t seed = 0;
  double accuracy = 0, cpu = 0;
  std::array<std::optional<double>, marks.size()> reached{};  // processor seconds
};

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

example::Digits find_digits(const Recipe& recipe, const Settings& settings) {
  const example::Drawn drawn{settings.quick ? 3000 : 60000, settings.quick ? 500 : 10000, settings.seed};
  const nn::data::ImageOptions unit;
  return example::find_digits(settings.data, drawn, recipe.standardise ? example::standardised : unit);
}

nn::Sequential make_model(const Recipe& recipe, Generator& generator) {
  nn::Sequential model{nn::Flatten()};
  const std::size_t layers = recipe.sizes.size() - 1;
  for (std::size_t i = 0; i < layers; ++i) {
    const bool last = i + 1 == layers;
    const double gain = last ? 1.0 : nn::init::gain("leaky_relu", slope);
    model.add(
        nn::Dense(recipe.sizes[i], recipe.sizes[i + 1], generator, {.init = nn::init::kaiming_normal(gain)}));
    if (!last) model.add(nn::LeakyReLU(slope));
  }
  return model;
}

nn::data::Loader make_loader(const Recipe& recipe, const std::shared_ptr<nn::data::ImageDataset>& train,
                             std::uint64_t seed) {
  nn::data::LoaderOptions options{
      .batch_size = recipe.batch_size, .shuffle = true, .drop_last = true, .seed = seed};
  const double fill = train->background();
  if (recipe.augment == Recipe::Augment::shift) {
    options.transforms = {std::make_shared<nn::data::Shift>(nn::data::ShiftOptions{1, fill})};
  } else if (recipe.augment == Recipe::Augment::distort) {
    nn::data::DistortOptions distort = recipe.distort;
    distort.fill = fill;
    options.transforms = {std::make_shared<nn::data::Distort>(distort)};
  }
  // A thread of its own augments beside the training.
  if (!options.transforms.empty()) options.prefetch = 4;
  return nn::data::Loader(train, options);
}

class Training {
 public:
  Training(const Recipe& recipe, const example::Digits& digits, std::uint64_t seed, bool quick)
      : recipe_(recipe),
        digits_(digits),
        generator_(seed),
        model_(make_model(recipe, generator_)),
        loader_(make_loader(recipe, digits.train, seed)),
        epochs_(quick ? 1 : recipe.epochs),
        steps_(quick ? std::min<std::int64_t>(loader_.batches(), 10) : loader_.batches()),
        optimizer_(model_, {.lr = recipe.max_lr, .weight_decay = recipe.weight_decay}),
        schedule_(optimizer_, {.max_lr = recipe.max_lr,
                               .total_steps = steps_ * epochs_,
                               .pct_start = recipe.peak,
                               .div_factor = 10,
                               .final_div_factor = 100,
                               .cycle_momentum = false}) {
    result_.seed = seed;
  }

  Result run() {
    for (int e = 0; e < epochs_; ++e) {
      const double begin = cpu_seconds();
      epoch(e);
      result_.cpu += cpu_seconds() - begin;
      result_.accuracy = example::accuracy(model_, digits_.test);
      for (std::size_t i = 0; i < marks.size(); ++i) {
        if (result_.accuracy >= marks[i] && !result_.reached[i]) result_.reached[i] = result_.cpu;
      }
    }
    return result_;
  }

 private:
  void epoch(int number) {
    double total = 0;
    for (const nn::data::Batch& batch : loader_.epoch(number)) {
      if (batch.index == steps_) break;
      const Tensor loss =
          cross_entropy(model_(batch.x), batch.y, {.label_smoothing = recipe_.label_smoothing});
      loss.backward();
      optimizer_.step();
      optimizer_.zero_grad();
      schedule_.step();
      total += loss.item();
    }
    if (!std::isfinite(total)) throw example::Diverged("mnist_recipes: the loss is no longer finite");
  }

  const Recipe& recipe_;
  const example::Digits& digits_;
  Generator generator_;
  nn::Sequential model_;
  nn::data::Loader loader_;
  int epochs_;
  std::int64_t steps_;
  optim::AdamW optimizer_;
  optim::OneCycleLR schedule_;
  Result result_;
};

std::string seconds(std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "-"; }

void print_row(const std::string& head, const Result& result) {
  fmt::print("{:<6} {:>8.2f} % {:>8.2f} {:>10} {:>10}\n", head, 100 * result.accuracy, result.cpu,
             seconds(result.reached[0]), seconds(result.reached[1]));
  std::fflush(stdout);
}

// A mark has a mean only where every seed has reached it.
Result mean_of(const std::vector<Result>& results) {
  Result mean;
  const auto count = static_cast<double>(results.size());
  for (std::size_t i = 0; i < marks.size(); ++i) mean.reached[i] = 0.0;
  for (const Result& result : results) {
    mean.accuracy += result.accuracy / count;
    mean.cpu += result.cpu / count;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      std::optional<double>& sum = mean.reached[i];
      if (sum && result.reached[i]) {
        *sum += *result.reached[i] / count;
      } else {
        sum.reset();
      }
    }
  }
  return mean;
}

std::string judge(const Recipe& recipe, const Result& mean) {
  if (mean.accuracy < recipe.goal_accuracy) return "below";
  return mean.cpu <= recipe.goal_cpu ? "ok" : "slow";
}

void write_row(std::ofstream& csv, const Recipe& recipe, const Result& result) {
  csv << fmt::format("{},{},{:.4f},{:.3f}", recipe.name, result.seed, result.accuracy, result.cpu);
  for (const auto& reached : result.reached) csv << ',' << (reached ? fmt::format("{:.3f}", *reached) : "");
  csv << fmt::format(",{},{}\n", recipe.goal_accuracy, recipe.goal_cpu);
}

void run_recipe(const Recipe& recipe, const Settings& settings, std::ofstream& csv) {
  const example::Digits digits = find_digits(recipe, settings);
  fmt::print("recipe {}: {}\n", recipe.name, example::describe(recipe));
  fmt::print("seed    accuracy    CPU s  to 98.0 %  to 98.5 %\n");
  std::vector<Result> results;
  for (int i = 0; i < settings.seeds; ++i) {
    const std::uint64_t seed = settings.seed + static_cast<std::uint64_t>(i);
    results.push_back(Training(recipe, digits, seed, settings.quick).run());
    print_row(std::to_string(seed), results.back());
    write_row(csv, recipe, results.back());
    csv.flush();
  }
  const Result mean = mean_of(results);
  print_row("mean", mean);
  fmt::print("goal   {:>8.2f} % {:>8.2f}   {}\n", 100 * recipe.goal_accuracy, recipe.goal_cpu,
             digits.real && !settings.quick ? judge(recipe, mean) : "not judged: not all of MNIST");
}

void run(const Settings& settings) {
  std::filesystem::create_directories(settings.out);
  const std::string path = settings.out + "/recipes.csv";
  std::ofstream csv(path);
  csv << "recipe,seed,accuracy,cpu_seconds,to_98,to_98_5,goal_accuracy,goal_cpu_seconds\n";
  fmt::print("{} thread{} for training\n", num_threads(), num_threads() > 1 ? "s" : "");
  for (const std::string& name : settings.recipes) run_recipe(*example::find_recipe(name), settings, csv);
  csv.close();
  RILL_CHECK(csv, path, ": write failed, expected a writable folder with space left");
  fmt::print("wrote {}\n", path);
}

std::string check_recipe(const std::string& name) {
  if (example::find_recipe(name)) return {};
  return fmt::format("unknown recipe \"{}\", expected some of {}", name, example::recipe_names());
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Trains on MNIST by recipes: accuracy and processor time beside the goals.");
  Settings settings;
  program.app
      .add_option("--recipe", settings.recipes, "some of " + example::recipe_names() + ", such as R2,R8")
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(check_recipe)
      ->default_str("R2");
  program.app.add_option("--seeds", settings.seeds, "runs of each recipe, from --seed on")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  program.app.add_option(
      "--data", settings.data,
      "folder with the four MNIST files, plain or .gz (default: RILL_DATA, then data/mnist)");
  program.app.add_option("--out", settings.out, "folder for recipes.csv")->capture_default_str();
  return program.run(argc, argv, [&] {
    if (program.threads == 0) set_num_threads(1);  // what the goals are for
    settings.seed = program.seed;
    settings.quick = program.quick;
    run(settings);
  });
}
