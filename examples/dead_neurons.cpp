// Dead neurons: what kills ReLU units, and what keeps them alive or brings them back, on MNIST with 784-100x3-10 and
// 784-100x4-10, over several seeds, as tables, dead_neurons.csv, and files for dead_neurons.gp to draw.
//
//   A        hidden biases that start at -0.5, SGD: units are born dead
//   B        a learning rate that is far too high for Adam: units die in training
//   rescue   B, and then a sensible learning rate: just going on, against recycling the dead units first
//   C        the same networks at a sensible learning rate: nothing dies
//   sweep    B with LeakyReLU, from slope 0, which is ReLU, to slope 1, which is linear
//
// Networks are trained side by side, one a thread; what comes out does not depend on how many.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "dead_neurons/bands.hpp"
#include "dead_neurons/pictures.hpp"
#include "dead_neurons/report.hpp"
#include "program.hpp"

namespace {

using namespace dead_neurons;

struct Settings {
  std::string experiment = "all";
  std::vector<std::string> variants;
  std::optional<int> seeds, depth, width, epochs;
  std::optional<double> bias, lr;
  std::optional<std::string> optimizer, data;
  std::optional<std::int64_t> batch;
  std::string out = "runs/dead_neurons";
  std::uint64_t seed = 0;
  bool quick = false;

  bool wants(const std::string& name) const { return experiment == "all" || experiment == name; }
  std::size_t seeds_of(const std::string& name) const {
    return static_cast<std::size_t>(seeds.value_or(quick ? 1 : name == "rescue" ? 3 : 5));
  }
};

// The set-up of an experiment with what the command line changes of it.
Setup make_setup(const Settings& settings, const std::string& name) {
  Setup setup = standard_setup(name);
  setup.depth = settings.depth.value_or(setup.depth);
  setup.width = settings.width.value_or(setup.width);
  setup.bias = settings.bias.value_or(setup.bias);
  setup.optimizer = settings.optimizer.value_or(setup.optimizer);
  setup.lr = settings.lr.value_or(setup.lr);
  setup.batch = settings.batch.value_or(setup.batch);
  setup.epochs = settings.epochs.value_or(setup.epochs);
  if (settings.quick) setup.steps_per_epoch = 13;
  return setup;
}

Experiment make_experiment(const Settings& settings, const std::string& name) {
  Experiment experiment{.name = name, .setup = make_setup(settings, name), .variants = {}};
  experiment.standard = experiment.setup == standard_setup(name);
  const bool own = !settings.variants.empty() && (name != "rescue" || settings.experiment == "rescue");
  for (const std::string& variant : own ? settings.variants : standard_variants(name))
    experiment.variants.push_back(parse_variant(variant));
  if (name == "rescue" && experiment.variants.size() != 1)
    throw CLI::ValidationError(
        "--variants", fmt::format("{} variants, expected one for the rescue", experiment.variants.size()));
  experiment.outcomes.assign(experiment.variants.size(),
                             std::vector<Outcome>(name == "rescue" ? 0 : settings.seeds_of(name)));
  return experiment;
}

// Everything that a run makes, and the files that it goes to.
class Run {
 public:
  explicit Run(const Settings& settings) : settings_(settings) {
    for (const std::string& name : experiment_names()) {
      if (!settings.wants(name)) continue;
      experiments_.push_back(make_experiment(settings, name));
      layers_ = std::max(layers_, experiments_.back().setup.depth);
    }
    open_files();
  }

  void run() {
    digits_ = load_digits(settings_.data, settings_.quick);
    train();
    report();
  }

 private:
  void open_files() {
    std::filesystem::create_directories(settings_.out);
    table_ = std::make_unique<OutFile>(settings_.out, "dead_neurons.csv", csv_header(layers_));
    for (const Experiment& experiment : experiments_) {
      if (experiment.name == "rescue") {
        rescue_pictures_ = std::make_unique<RescuePictures>(settings_.out);
        cell_pictures_.push_back(nullptr);
      } else {
        cell_pictures_.push_back(std::make_unique<CellPictures>(settings_.out, experiment));
      }
    }
  }

  // The rescues take longest, so they go first.
  void train() {
    std::vector<std::function<std::string()>> jobs;
    for (const Experiment& experiment : experiments_) {
      if (experiment.name == "rescue") add_rescues(experiment, jobs);
    }
    for (Experiment& experiment : experiments_) {
      if (experiment.name != "rescue") add_cells(experiment, jobs);
    }
    const auto start = Clock::now();
    std::size_t finished = 0;
    run_jobs(jobs, [&](const std::string& line) {
      fmt::print("[{:3}/{}] {:5.0f} s  {}\n", ++finished, jobs.size(), seconds_since(start), line);
      std::fflush(stdout);
    });
  }

  void add_rescues(const Experiment& experiment, std::vector<std::function<std::string()>>& jobs) {
    rescues_.resize(settings_.seeds_of("rescue"));
    for (std::size_t i = 0; i < rescues_.size(); ++i) {
      jobs.push_back([this, i, &experiment] {
        const std::uint64_t seed = settings_.seed + i;
        rescues_[i] = run_rescue(experiment.setup, experiment.variants.front(), digits_.of(experiment.setup),
                                 seed, settings_.quick ? 2 : 12);
        return fmt::format("rescue, seed {}: {} units recycled", seed, rescues_[i].recycled);
      });
    }
  }

  void add_cells(Experiment& experiment, std::vector<std::function<std::string()>>& jobs) {
    for (std::size_t v = 0; v < experiment.variants.size(); ++v) {
      for (std::size_t i = 0; i < experiment.outcomes[v].size(); ++i) {
        jobs.push_back([this, v, i, &experiment] {
          const Variant& variant = experiment.variants[v];
          const std::uint64_t seed = settings_.seed + i;
          // The first seed of B is watched, for a picture.
          const bool watched = experiment.name == "B" && i == 0;
          Outcome& outcome = experiment.outcomes[v][i];
          outcome = run_cell(experiment.setup, variant, digits_.of(experiment.setup), seed, watched ? 13 : 0);
          return fmt::format("{} {}, seed {}: test accuracy {:.2f} %, {:.1f} % of the units never on{}",
                             experiment.name, variant.name, seed, 100 * outcome.accuracy,
                             100 * outcome.end.never_on_share(), outcome.diverged ? ", diverged" : "");
        });
      }
    }
  }

  void report() {
    std::vector<Band> bands;
    for (std::size_t e = 0; e < experiments_.size(); ++e) {
      const Experiment& experiment = experiments_[e];
      std::vector<Band> more;
      if (experiment.name == "rescue") {
        report_rescue(experiment);
        more = bands_of(rescues_);
      } else {
        report_cells(experiment);
        cell_pictures_[e]->write(experiment);
        more = bands_of(experiment);
      }
      const bool enough = settings_.seeds_of(experiment.name) >= (experiment.name == "rescue" ? 3 : 5);
      if (digits_.real && experiment.standard && enough) bands.insert(bands.end(), more.begin(), more.end());
    }
    table_->close();
    print_bands(bands);
  }

  void report_cells(const Experiment& experiment) {
    print_table(experiment);
    for (std::size_t v = 0; v < experiment.variants.size(); ++v) {
      for (std::size_t i = 0; i < experiment.outcomes[v].size(); ++i) {
        const Outcome& outcome = experiment.outcomes[v][i];
        table_->line(csv_line(experiment.name, experiment.variants[v].name, settings_.seed + i,
                              outcome.accuracy, outcome.end, layers_));
      }
    }
  }

  void report_rescue(const Experiment& experiment) {
    print_table(rescues_, experiment.setup);
    for (const RescueBranch& branch : rescues_.front().branches) {
      const std::vector<RescuePoint> points = last_points(rescues_, branch.name);
      for (std::size_t i = 0; i < points.size(); ++i) {
        table_->line(csv_line("rescue", branch.name, settings_.seed + i, points[i].accuracy, points[i].report,
                              layers_));
      }
    }
    rescue_pictures_->write(rescues_, settings_.seed);
  }

  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  const Settings& settings_;
  Digits digits_;
  std::vector<Experiment> experiments_;
  std::vector<Rescue> rescues_;
  int layers_ = 0;
  std::unique_ptr<OutFile> table_;
  std::unique_ptr<RescuePictures> rescue_pictures_;
  std::vector<std::unique_ptr<CellPictures>> cell_pictures_;
};

void run(const Settings& settings) {
  const auto start = std::chrono::steady_clock::now();
  Run(settings).run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("\nwritten to {}; to draw it: gnuplot -c examples/dead_neurons.gp {}\n", settings.out,
             settings.out);
  fmt::print("time: {:.1f} s, {:.1f} s of processors, {} threads\n", seconds,
             static_cast<double>(std::clock()) / CLOCKS_PER_SEC, rill::num_threads());
}

void add_options(CLI::App& app, Settings& settings) {
  std::vector<std::string> names = experiment_names();
  names.emplace_back("all");
  app.add_option("--experiment", settings.experiment, "what to run")
      ->capture_default_str()
      ->check(CLI::IsMember(names));
  app.add_option("--variants", settings.variants,
                 "networks to train, a,b,c: an activation, then cures, as in relu, leaky_relu:0.1, "
                 "relu+batch_norm (default: what the experiment is about)")
      ->delimiter(',');
  app.add_option("--seeds", settings.seeds, "networks of a kind (default: 5; 3 for the rescue)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--data", settings.data,
                 "folder with the four MNIST files, plain or .gz (default: RILL_DATA, then data/mnist)");
  app.add_option("--out", settings.out, "folder for the numbers")->capture_default_str();
}

void add_setup_options(CLI::App& app, Settings& settings) {
  const std::string own = " (default: the experiment's own)";
  app.add_option("--depth", settings.depth, "hidden layers" + own)->check(CLI::Range(1, 100));
  app.add_option("--width", settings.width, "units of a hidden layer" + own)->check(CLI::Range(1, 10000));
  app.add_option("--bias", settings.bias, "what hidden biases start at" + own)->check(example::finite());
  app.add_option("--optimizer", settings.optimizer, "how to train" + own)
      ->transform(CLI::IsMember(optimizer_names(), CLI::ignore_case));
  app.add_option("--lr", settings.lr, "learning rate" + own)->check(example::above_zero());
  app.add_option("--batch", settings.batch, "samples a step" + own)->check(CLI::Range(2, 60000));
  app.add_option("--epochs", settings.epochs, "passes over the data" + own)->check(CLI::Range(1, 1000));
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("What kills ReLU units, and what keeps them alive or brings them back.");
  program.app.get_option("--seed")->default_val(0)->description("the first seed; others follow it");
  Settings settings;
  add_options(program.app, settings);
  add_setup_options(program.app, settings);
  return program.run(argc, argv, [&] {
    settings.seed = program.seed;
    settings.quick = program.quick;
    run(settings);
  });
}
