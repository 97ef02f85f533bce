#include <cmath>

#include <rill/tools/bench/rill_step.hpp>

namespace rill::bench {
namespace {

constexpr std::uint64_t seed = 1;

void add_activation(nn::Sequential& model, std::string_view name) {
  if (name == "relu") {
    model.add(nn::ReLU());
  } else if (name == "leaky_relu") {
    model.add(nn::LeakyReLU(0.01));
  } else if (name == "elu") {
    model.add(nn::ELU());
  } else {
    RILL_CHECK(name == "prelu", "bench: activation is ", name, ", expected relu, leaky_relu, elu or prelu");
    model.add(nn::PReLU());
  }
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Row& row, nn::Module& model) {
  if (row.update == Update::sgd) return std::make_unique<optim::SGD>(model, optim::SGDOptions{.lr = 0.01});
  return std::make_unique<optim::Adam>(model);
}

}  // namespace

nn::Sequential make_model(const Row& row) {
  Generator generator(seed);
  nn::Sequential model;
  model.add(nn::Flatten());
  for (std::size_t i = 0; i + 1 < row.sizes.size(); ++i) {
    if (i > 0) add_activation(model, row.activation);
    model.add(nn::Dense(row.sizes[i], row.sizes[i + 1], generator));
  }
  return model;
}

Data dense_data(std::int64_t count) {
  constexpr std::int64_t features = 784, classes = 10;
  Generator generator(seed);
  const Tensor x = randn({count, features}, generator);
  Tensor y = empty({count}, DType::i64);
  Stream stream = generator.stream(Purpose::user);
  for (std::int64_t& label : y.mutable_data<std::int64_t>()) {
    label = static_cast<std::int64_t>(stream.below(classes));
  }
  return {"dense", std::make_shared<nn::data::TensorDataset>(x, y, classes), "dense"};
}

Data mnist_data(const std::string& directory) {
  return {"mnist", nn::data::load_mnist(directory, true), directory};
}

RillStep::RillStep(const Row& row, const Data& data)
    : loader_(data.set, {.batch_size = row.batch, .shuffle = true, .drop_last = true, .seed = seed}),
      model_(make_model(row)),
      optimizer_(make_optimizer(row, model_)),
      name_(row.name) {}

const nn::data::Batch& RillStep::next_batch() {
  if (at_) ++*at_;
  if (!at_ || *at_ == std::default_sentinel) {
    epoch_ = loader_.epoch(epochs_++);
    at_ = epoch_->begin();
  }
  return **at_;
}

void RillStep::check() const {
  RILL_CHECK(std::isfinite(total_loss_), "bench: row ", name_, ": the sum of the losses is ", total_loss_,
             ", expected a finite number");
}

}  // namespace rill::bench
