// rill_bench_libtorch: the rows of the step benchmark as a user of libtorch would write them, for rill_bench, which
// asks for them over its standard input and output (tools/bench/libtorch_process.hpp).
#include <cblas.h>
#include <cmath>
#include <exception>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <torch/torch.h>

#include <rill/tools/bench/side.hpp>

namespace {

using rill::bench::Row;
using rill::bench::Seconds;
using rill::bench::Work;

struct Samples {
  torch::Tensor x, y;
};

Samples copy_of(const rill::bench::Data& data) {
  const rill::nn::data::Samples all = data.set->all();
  const std::int64_t count = data.set->size();
  const auto x = all.x.data<float>();
  const auto y = all.y.data<std::int64_t>();
  return {torch::from_blob(const_cast<float*>(x.data()), {count, std::ssize(x) / count}).clone(),
          torch::from_blob(const_cast<std::int64_t*>(y.data()), {count}, torch::kInt64).clone()};
}

torch::nn::Sequential make_network(const Row& row) {
  torch::nn::Sequential model;
  for (std::size_t i = 0; i + 1 < row.sizes.size(); ++i) {
    if (i > 0) {
      if (row.activation == "relu") model->push_back(torch::nn::ReLU());
      if (row.activation == "leaky_relu") model->push_back(torch::nn::LeakyReLU());
      if (row.activation == "elu") model->push_back(torch::nn::ELU());
      if (row.activation == "prelu") model->push_back(torch::nn::PReLU());
    }
    model->push_back(torch::nn::Linear(row.sizes[i], row.sizes[i + 1]));
  }
  return model;
}

class Step {
 public:
  Step(const Row& row, const Samples& samples) : row_(row), samples_(samples) {
    if (row.work == Work::activation) {
      x_ = torch::randn({row.batch, row.sizes[0]}).requires_grad_();
      dy_ = torch::randn({row.batch, row.sizes[0]});
      slope_ = torch::full({1}, 0.25).requires_grad_();
      return;
    }
    model_ = make_network(row);
    if (row.work == Work::inference) return;
    if (row.update == rill::bench::Update::sgd) {
      optimizer_ = std::make_unique<torch::optim::SGD>(model_->parameters(), torch::optim::SGDOptions(0.01));
    } else {
      optimizer_ =
          std::make_unique<torch::optim::Adam>(model_->parameters(), torch::optim::AdamOptions(1e-3));
    }
  }

  void run() {
    if (row_.work == Work::training) train();
    if (row_.work == Work::inference) infer();
    if (row_.work == Work::activation) activate();
  }

 private:
  void train() {
    if (!order_.defined() || at_ + row_.batch > order_.numel()) {
      order_ = torch::randperm(samples_.y.numel(), torch::kInt64);
      at_ = 0;
    }
    const torch::Tensor index = order_.narrow(0, at_, row_.batch);
    at_ += row_.batch;
    const torch::Tensor x = samples_.x.index_select(0, index), y = samples_.y.index_select(0, index);
    const torch::Tensor loss = torch::nn::functional::cross_entropy(model_->forward(x), y);
    total_ += loss.item<double>();
    loss.backward();
    optimizer_->step();
    optimizer_->zero_grad();
  }

  void infer() {
    const torch::NoGradGuard no_grad;
    constexpr std::int64_t batches = 16;
    const torch::Tensor x =
        samples_.x.narrow(0, (at_++ % batches) * row_.batch % (samples_.x.size(0) - row_.batch), row_.batch);
    x_ = model_->forward(x);
  }

  void activate() {
    torch::Tensor y;
    if (row_.activation == "leaky_relu") y = torch::leaky_relu(x_);
    if (row_.activation == "elu") y = torch::elu(x_);
    if (row_.activation == "prelu") y = torch::prelu(x_, slope_);
    y.backward(dy_);
    x_.mutable_grad().reset();
    slope_.mutable_grad().reset();
  }

  const Row& row_;
  Samples samples_;
  torch::nn::Sequential model_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  torch::Tensor order_, x_, dy_, slope_;
  std::int64_t at_ = 0;
  double total_ = 0;
};

class Service {
 public:
  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command, clock, data;
    words >> command;
    if (command == "run") {
      std::int64_t steps = 0;
      words >> steps;
      return run(steps);
    }
    std::size_t row = 0;
    int threads = 1;
    words >> row >> threads >> clock >> std::ws;
    std::getline(words, data);
    if (command != "open" || row >= rill::bench::all_rows().size()) return "unknown request: " + line;
    if (data != source_) {
      samples_ = copy_of(data == "dense" ? rill::bench::dense_data(60000) : rill::bench::mnist_data(data));
      source_ = data;
    }
    now_ = clock == "cpu" ? rill::bench::thread_seconds : rill::bench::wall_seconds;
    torch::set_num_threads(threads);
    openblas_set_num_threads(threads);  // it has threads of its own, which libtorch's count does not reach
    step_ = std::make_unique<Step>(rill::bench::all_rows()[row], samples_);
    return "ready";
  }

 private:
  std::string run(std::int64_t steps) {
    if (!step_) return "no row is open";
    const double start = now_();
    for (std::int64_t i = 0; i < steps; ++i) step_->run();
    std::ostringstream text;
    text.precision(9);
    text << now_() - start;
    return text.str();
  }

  std::string source_;
  Samples samples_;
  std::unique_ptr<Step> step_;
  Seconds now_ = rill::bench::wall_seconds;
};

}  // namespace

int main() {
  try {
    Service service;
    for (std::string line; std::getline(std::cin, line);) std::cout << service.answer(line) << std::endl;
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "rill_bench_libtorch: " << error.what() << '\n';
    return 1;
  }
}
