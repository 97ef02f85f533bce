// How probable it is that a deep and narrow ReLU network is born dead, a constant function before its first step, beside
// the bounds of Lu, Shin, Su and Karniadakis, "Dying ReLU and Initialization" (arXiv 1903.06733); and what that means
// for networks that shall learn |x|.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "abs_x.hpp"
#include "deep_narrow.hpp"
#include "program.hpp"

namespace {

using namespace rill;
using example::Start;

constexpr std::int64_t least_width = 2, most_width = 5, least_layers = 2, most_layers = 20;

struct Settings {
  std::string experiment = "all", out = "runs/born_dead";
  Start start;
  std::int64_t networks = 50000, trainings = 1000;
  int steps = 2000;
  std::uint64_t seed = 42;
};

// Networks of `layers` weight layers, of which `born_dead` is the share that are.
struct Cell {
  std::int64_t width, layers, networks;
  double born_dead;
  double lower, upper;  // the theory's bounds

  // For weights that are symmetric and biases of 0. With these, the state of a layer is two rays, x > 0 and x < 0. One
  // alone lives through a layer with probability a1: that is the upper bound. The lower one takes the signs of two
  // living rays for independent; in truth they lie in one orthant, and tend to die together.
  Cell(std::int64_t w, std::int64_t l, std::int64_t n, double p)
      : width(w), layers(l), networks(n), born_dead(p) {
    const auto n_units = static_cast<double>(w), depth = static_cast<double>(l);
    const double half = std::exp2(-n_units);
    const double a1 = 1 - half, a2 = 1 - 2 * half - (n_units - 1) * half * half;
    upper = 1 - std::pow(a1, depth - 1);
    lower = 1 - std::pow(a1, depth - 2) +
            (1 - 2 * half) * (1 - half) / (1 + (n_units - 1) * half) *
                (std::pow(a2, depth - 2) - std::pow(a1, depth - 2));
  }

  // Four standard errors of a share p, and a little.
  double tolerance(double p) const {
    return 4 * std::sqrt(p * (1 - p) / static_cast<double>(networks)) + 0.0015;
  }
  // Two weight layers are never born dead; for three the lower bound is exact.
  bool agrees() const {
    if (layers == 2) return born_dead == 0;
    const double most = layers == 3 ? lower : upper;
    return born_dead >= lower - tolerance(lower) && born_dead <= most + tolerance(most);
  }
};

// The first hidden layer whose units give the same for every sample, from 0; from there on the network is a constant
// function. The number of hidden layers if there is none.
std::size_t first_constant_layer(nn::Module& network, const Tensor& probe) {
  const nn::BornDead found = nn::born_dead(network, probe);
  const auto& layers = found.report.layers;
  const auto constant = [](const nn::LayerHealth& layer) {
    return std::ranges::all_of(layer.units,
                               [](const nn::UnitHealth& unit) { return unit.output_variance == 0; });
  };
  return static_cast<std::size_t>(std::ranges::find_if(layers, constant) - layers.begin());
}

// A network with L weight layers is dead if one of its L - 1 hidden layers is, so one of the deepest networks tells for
// all depths.
std::vector<Cell> cells_of_width(std::int64_t width, const Settings& settings) {
  // Without biases a network is linear on either side of 0.
  const Tensor probe = settings.start.has_biases() ? example::domain(201) : tensor({{-1}, {1}}, DType::f64);
  std::vector<std::uint8_t> first(static_cast<std::size_t>(settings.networks));
  constexpr std::int64_t chunk = 100;
  parallel_tasks((settings.networks + chunk - 1) / chunk, [&](std::int64_t task) {
    const std::int64_t end = std::min(settings.networks, (task + 1) * chunk);
    for (std::int64_t index = task * chunk; index < end; ++index) {
      Generator generator = example::generator_of(settings.seed, width, index);
      nn::Sequential network = example::deep_narrow(most_layers, width, settings.start, generator);
      first[static_cast<std::size_t>(index)] =
          static_cast<std::uint8_t>(first_constant_layer(network, probe));
    }
  });
  std::vector<Cell> cells;
  for (std::int64_t layers = least_layers; layers <= most_layers; ++layers) {
    const auto dead = std::ranges::count_if(first, [&](std::uint8_t layer) { return layer < layers - 1; });
    cells.emplace_back(width, layers, settings.networks,
                       static_cast<double>(dead) / static_cast<double>(settings.networks));
  }
  return cells;
}

void print_table(const std::vector<Cell>& cells, const Settings& settings) {
  constexpr std::int64_t depths = most_layers - least_layers + 1;
  fmt::print("\nlayers");
  for (std::int64_t width = least_width; width <= most_width; ++width)
    fmt::print("  {:<21}", fmt::format("width {}", width));
  fmt::print("\n");
  for (std::int64_t row = 0; row < depths; ++row) {
    fmt::print("{:>6}", least_layers + row);
    for (std::size_t i = static_cast<std::size_t>(row); i < cells.size(); i += depths) {
      const Cell& cell = cells[i];
      const bool off = !settings.start.has_biases() && !cell.agrees();
      fmt::print("  {:.4f}{}({:.4f}-{:.4f})", cell.born_dead, off ? "!" : " ", cell.lower, cell.upper);
    }
    fmt::print("\n");
  }
}

// Writes lines to a file of the folder.
void write_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::ofstream file(path);
  for (const std::string& line : lines) file << line << '\n';
  file.close();
  RILL_CHECK(file, path, ": write failed, expected a writable folder with space left");
}

// The number of cells that do not agree with the theory.
std::ptrdiff_t measure_table(const Settings& settings) {
  fmt::print(
      "{} networks of each width, {}, bias {}: the share that is born dead (and the bounds of Lu et al.)\n",
      settings.networks, settings.start.init, settings.start.bias);
  std::vector<Cell> cells;
  for (std::int64_t width = least_width; width <= most_width; ++width)
    std::ranges::move(cells_of_width(width, settings), std::back_inserter(cells));
  print_table(cells, settings);
  std::vector<std::string> lines{"width,layers,networks,born_dead,lower,upper"};
  for (const Cell& cell : cells) {
    lines.push_back(fmt::format("{},{},{},{:.6f},{:.6f},{:.6f}", cell.width, cell.layers, cell.networks,
                                cell.born_dead, cell.lower, cell.upper));
  }
  write_lines(settings.out + "/born_dead.csv", lines);
  if (settings.start.has_biases()) {
    fmt::print("the bounds are for symmetric weights without biases, and not compared with\n");
    return 0;
  }
  const auto agree = std::ranges::count_if(cells, &Cell::agrees);
  fmt::print("{} of {} cells agree with the theory, within 4 standard errors + 0.0015\n", agree,
             cells.size());
  return std::ssize(cells) - agree;
}

void measure_abs_x(const Settings& settings) {
  fmt::print("\n|x|, {} networks of 10 weight layers and width 2, {} steps of Adam\n", settings.trainings,
             settings.steps);
  fmt::print("{:<10}{:>18}{:>17}{:>9}{:>13}\n", "init", "constant at init", "constant after", "fitted",
             "half wrong");
  const example::AbsX abs_x(settings.seed, settings.steps);
  std::vector<std::string> lines{"init,networks,constant_at_init,constant_after,fitted,half_wrong"};
  for (const std::string init : {"he_normal", "rai"}) {
    const example::Outcome outcome = abs_x.run({.init = init}, settings.trainings);
    const auto share = [&](std::int64_t count) {
      return static_cast<double>(count) / static_cast<double>(settings.trainings);
    };
    const double at_init = share(outcome.constant_at_init), after = share(outcome.constant_after),
                 fitted = share(outcome.fitted), half_wrong = share(outcome.half_wrong);
    fmt::print("{:<10}{:>16.1f} %{:>15.1f} %{:>7.1f} %{:>11.1f} %\n", init, 100 * at_init, 100 * after,
               100 * fitted, 100 * half_wrong);
    lines.push_back(fmt::format("{},{},{:.6f},{:.6f},{:.6f},{:.6f}", init, settings.trainings, at_init, after,
                                fitted, half_wrong));
  }
  write_lines(settings.out + "/abs_x.csv", lines);
}

void run(const Settings& settings) {
  std::filesystem::create_directories(settings.out);
  const std::ptrdiff_t off = settings.experiment == "abs_x" ? 0 : measure_table(settings);
  if (settings.experiment != "table") measure_abs_x(settings);
  fmt::print("\nthe numbers are in {0}; for pictures: gnuplot -c examples/born_dead.gp {0}\n", settings.out);
  std::fflush(stdout);
  RILL_CHECK(off == 0, "born_dead: cells that disagree with the theory: ", off,
             " (marked with ! above), expected none");
}

void check(const Start& start) {
  if (start.init == "rai" && start.bias != 0)
    throw CLI::ValidationError("--bias",
                               fmt::format("is {}, expected none: RAI draws the biases", start.bias));
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Counts networks that are born dead, and trains such networks on |x|.");
  Settings settings;
  auto& app = program.app;
  app.add_option("--experiment", settings.experiment, "table, abs_x or all")
      ->check(CLI::IsMember({"table", "abs_x", "all"}))
      ->capture_default_str();
  app.add_option("--init", settings.start.init,
                 "initialiser of the table's networks: he_normal, uniform or rai")
      ->check(CLI::IsMember({"he_normal", "uniform", "rai"}))
      ->capture_default_str();
  app.add_option("--bias", settings.start.bias, "bias of every unit of the table's networks; not for rai")
      ->capture_default_str()
      ->check(example::finite());
  CLI::Option* networks =
      app.add_option("--networks", settings.networks, "networks of each width, for the table")
          ->check(CLI::Range(1, 100'000'000))
          ->capture_default_str();
  CLI::Option* trainings =
      app.add_option("--trainings", settings.trainings, "networks that learn |x|, for each initialiser")
          ->check(CLI::Range(1, 1'000'000))
          ->capture_default_str();
  app.add_option("--out", settings.out, "folder for the numbers")->capture_default_str();
  return program.run(argc, argv, [&] {
    check(settings.start);
    settings.seed = program.seed;
    if (program.quick) {
      if (!*networks) settings.networks = 2000;
      if (!*trainings) settings.trainings = 100;
      settings.steps = 200;
    }
    run(settings);
  });
}
