// Fits a curve to noisy points: a dataset made of tensors, a small network, the training loop. Draws the fit in the
// terminal, and writes it down for gnuplot.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

using namespace rill;
using Points = std::shared_ptr<const nn::data::TensorDataset>;

constexpr double end = 3, noise = 0.25;

Tensor true_curve(const Tensor& x) { return (2 * x).sin() + x / 3; }

// x is uniform in [-3, 3); what is seen of y is noisy.
Points draw_points(std::int64_t count, Generator& generator) {
  const Tensor x = 2 * end * rand({count, 1}, generator) - end;
  const Tensor y = true_curve(x) + noise * randn({count, 1}, generator);
  return std::make_shared<nn::data::TensorDataset>(x, y);
}

void train(nn::Module& model, const Points& train, const Points& test, std::int64_t epochs,
           std::uint64_t seed) {
  const nn::data::Loader batches(train, {.batch_size = 16, .shuffle = true, .seed = seed});
  const nn::data::Loader unseen(test, {.batch_size = 100});
  optim::Adam optimizer(model, {.lr = 0.02});
  optim::CosineAnnealingLR schedule(optimizer, {.t_max = epochs});

  const auto loss = [](const Tensor& y, const Tensor& target) { return mse_loss(y, target); };
  optim::Trainer trainer(model, optimizer, loss);
  trainer.fit(batches, {.epochs = epochs,
                        .validation = &unseen,
                        .schedule = &schedule,
                        .callbacks = {std::make_shared<optim::callbacks::Progress>(std::cout)}});
}

void print_error(nn::Module& model, const Points& test) {
  const NoGrad no_grad;
  const Tensor &target = test->y(), off = target - model(test->x());
  const double squares = off.square().sum().item(), spread = (target - target.mean()).square().sum().item();
  std::cout << "test error: RMSE " << std::sqrt(squares / double(test->size())) << " (the noise is " << noise
            << "), R2 " << 1 - squares / spread << '\n';
}

// A row for each row of the tensors, a column for each tensor [n, 1].
void write_csv(const std::string& path, const std::string& header, const std::vector<Tensor>& columns) {
  std::ofstream out(path);
  out << header << '\n';
  for (std::int64_t row = 0; row < columns[0].size(0); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) out << (i ? "," : "") << columns[i].at({row, 0});
    out << '\n';
  }
  out.close();
  RILL_CHECK(out, path, ": write failed, expected a writable folder with space left");
}

// Characters on a grid, over x in [-3, 3] and y in [-2, 2]; what is drawn later lies on top.
class Plot {
 public:
  void draw(const Tensor& x, const Tensor& y, char mark) {
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      const auto column = std::lround((x.at({i, 0}) + end) / (2 * end) * (width - 1));
      const auto row = std::lround((2 - y.at({i, 0})) / 4 * (height - 1));
      if (row >= 0 && row < height) rows_[std::size_t(row)][std::size_t(column)] = mark;
    }
  }
  void print() const {
    for (const std::string& row : rows_) std::cout << "  |" << row << '\n';
    std::cout << "  +" << std::string(width, '-') << '\n';
  }

 private:
  static constexpr int width = 76, height = 21;
  std::vector<std::string> rows_ = std::vector<std::string>(height, std::string(width, ' '));
};

void draw(nn::Module& model, const Points& train, const std::string& out) {
  const NoGrad no_grad;
  const Tensor x = linspace(-end, end, 301).reshape({-1, 1}), y = model(x);
  Plot plot;
  plot.draw(train->x(), train->y(), '.');
  plot.draw(x, y, '#');
  plot.print();
  std::cout << "  . training points   # what the network learnt\n";

  write_csv(out + "/points.csv", "x,y", {train->x(), train->y()});
  write_csv(out + "/curve.csv", "x,truth,fit", {x, true_curve(x), y});
  std::cout << "points.csv and curve.csv are in " << out
            << "; for a picture: gnuplot -c examples/regression.gp " << out << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Fits a noisy curve with a small network.");
  std::string out = "runs/regression";
  program.app.add_option("--out", out, "folder for the points and the curve")->capture_default_str();
  return program.run(argc, argv, [&] {
    std::filesystem::create_directories(out);
    Generator generator(program.seed);
    const Points seen = draw_points(1000, generator), unseen = draw_points(200, generator);
    const nn::DenseOptions hidden{.init = nn::init::kaiming_normal(nn::init::gain("elu"))};
    nn::Sequential model{
        nn::Dense(1, 32, generator, hidden),  nn::ELU(), nn::Dense(32, 32, generator, hidden), nn::ELU(),
        nn::Dense(32, 32, generator, hidden), nn::ELU(), nn::Dense(32, 1, generator)};
    train(model, seen, unseen, program.quick ? 15 : 30, program.seed);
    print_error(model, unseen);
    draw(model, seen, out);
  });
}
