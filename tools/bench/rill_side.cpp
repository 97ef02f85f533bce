#include <cmath>
#include <utility>

#include <rill/core/kernels/density.hpp>
#include <rill/tools/bench/side.hpp>

namespace rill::bench {
namespace {

// Repeats `step` with its own number of threads.
template <class Step>
class Repeated final : public Side {
 public:
  template <class... Arguments>
  Repeated(int threads, Seconds now, const Arguments&... arguments)
      : step_(arguments...), threads_(threads), now_(now) {}

  double run(std::int64_t steps) override {
    set_num_threads(threads_);
    const double start = now_();
    for (std::int64_t i = 0; i < steps; ++i) step_.run();
    return now_() - start;
  }
  void check() const override { step_.check(); }

 private:
  Step step_;
  int threads_;
  Seconds now_;
};

// Batches that are there already go through the model, a few of them in turn.
class Inference {
 public:
  Inference(const Row& row, const Data& data) : model_(make_model(row)) {
    constexpr std::int64_t batches = 16;
    const nn::data::Loader loader(data.set, {.batch_size = row.batch});
    for (const nn::data::Batch& batch : loader.epoch(0)) {
      if (std::ssize(inputs_) == batches) break;
      if (batch.x.shape()[0] == row.batch) inputs_.push_back(batch.x);
    }
    RILL_CHECK(!inputs_.empty(), "bench: row ", row.name, ": the data has ", data.set->size(),
               " samples, expected at least ", row.batch);
    model_.eval();
  }

  void run() {
    const NoGrad no_grad;
    last_ = model_(inputs_[next_]);
    next_ = (next_ + 1) % inputs_.size();
  }

  void check() const {
    const double sum = last_.sum().item();
    RILL_CHECK(std::isfinite(sum), "bench: inference: the sum of the outputs is ", sum,
               ", expected a finite number");
  }

 private:
  nn::Sequential model_;
  std::vector<Tensor> inputs_;
  std::size_t next_ = 0;
  Tensor last_;
};

class ActivationAlone {
 public:
  explicit ActivationAlone(const Row& row) : name_(row.activation) {
    Generator generator(1);
    x_ = randn({row.batch, row.sizes[0]}, generator).requires_grad_();
    dy_ = randn({row.batch, row.sizes[0]}, generator);
    slope_ = full({1}, 0.25).requires_grad_();
  }

  void run() {
    const Tensor y = forward();
    y.backward(dy_);
    x_.zero_grad();
    slope_.zero_grad();
  }

  void check() const {}

 private:
  Tensor forward() const {
    if (name_ == "leaky_relu") return x_.leaky_relu();
    if (name_ == "elu") return x_.elu();
    return x_.prelu(slope_);
  }

  std::string_view name_;
  Tensor x_, dy_, slope_;
};

class WithDenseProducts final : public Side {
 public:
  explicit WithDenseProducts(std::unique_ptr<Side> side) : side_(std::move(side)) {}

  double run(std::int64_t steps) override {
    const kernels::DenseProducts dense;
    return side_->run(steps);
  }
  void check() const override { side_->check(); }

 private:
  std::unique_ptr<Side> side_;
};

}  // namespace

std::unique_ptr<Side> rill_dense_side(const Row& row, const Data& data, int threads, Seconds now) {
  return std::make_unique<WithDenseProducts>(rill_side(row, data, threads, now));
}

std::unique_ptr<Side> rill_side(const Row& row, const Data& data, int threads, Seconds now) {
  switch (row.work) {
    case Work::inference:
      return std::make_unique<Repeated<Inference>>(threads, now, row, data);
    case Work::activation:
      return std::make_unique<Repeated<ActivationAlone>>(threads, now, row);
    case Work::training:
      break;
  }
  return std::make_unique<Repeated<RillStep>>(threads, now, row, data);
}

}  // namespace rill::bench
