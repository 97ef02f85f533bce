// recycle on a real training: a net that Adam's learning rate has killed, on the drawn digits.
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

using namespace rill;

namespace {

constexpr nn::data::ImageOptions standardized{.mean = 0.1307, .std = 0.3081};

struct Training {
  std::shared_ptr<nn::data::ImageDataset> train = nn::data::draw_digits(2000, 1, true, standardized);
  std::shared_ptr<nn::data::ImageDataset> test = nn::data::draw_digits(1000, 1, false, standardized);
  nn::Sequential model;
  std::unique_ptr<optim::Adam> optimizer;

  Training() {
    Generator generator(2);
    model.add(nn::Flatten()).add(nn::Dense(784, 50, generator)).add(nn::ReLU());
    for (int i = 0; i < 3; ++i) model.add(nn::Dense(50, 50, generator)).add(nn::ReLU());
    model.add(nn::Dense(50, 10, generator, {.init = nn::init::lecun_normal()}));
    optimizer = std::make_unique<optim::Adam>(model, optim::AdamOptions{.lr = 0.05});
  }
  void run(std::int64_t epochs, std::vector<std::shared_ptr<optim::Callback>> callbacks = {}) {
    const nn::data::Loader loader(train, {.batch_size = 50, .shuffle = true, .seed = 3});
    optim::Trainer(model, *optimizer, optim::losses::cross_entropy())
        .fit(loader, {.epochs = epochs, .callbacks = std::move(callbacks)});
  }
  double accuracy() {
    const nn::data::Loader loader(test, {.batch_size = 500});
    return optim::Trainer(model, *optimizer, optim::losses::cross_entropy())
        .metrics({optim::accuracy()})
        .evaluate(loader)
        .at("accuracy");
  }
  double dead_share() { return nn::audit(model, *train).never_on_share(); }
};

}  // namespace

TEST_CASE(
    "recycle: once the rate is mended, recycling brings back what the rate has killed, and training alone "
    "does not") {
  Training continued, rescued;
  for (Training* training : {&continued, &rescued}) training->run(3);
  CHECK(rescued.dead_share() > 0.6);
  const double before = rescued.accuracy();
  Generator generator(4);
  const auto report = optim::recycle(rescued.model, *rescued.optimizer, *rescued.train, generator);
  CHECK(report.recycled() > 120);
  CHECK(report.function_kept());
  CHECK(std::lround(std::abs(rescued.accuracy() - before) * 1000) <= 2);  // of 1000 samples
  for (Training* training : {&continued, &rescued}) {
    training->optimizer->set_lr(0.001);
    training->run(7);
  }
  CHECK(continued.dead_share() > 0.6);
  CHECK(rescued.dead_share() < 0.15);
  CHECK(rescued.accuracy() > continued.accuracy() + 0.05);
}

TEST_CASE(
    "recycle: while the rate is too high, a net learns with mean squares of gradients, and not with zeros") {
  // What forget() must not do.
  class Zeroing final : public optim::Callback {
   public:
    explicit Zeroing(const nn::data::Dataset& probe) : probe_(probe) {}
    void on_train_batch_end(optim::Run& run) override {
      if (run.step % 20 != 0) return;
      std::vector<Tensor> before;
      for (const Tensor& param : run.params) before.push_back(param.detach().clone());
      optim::recycle(run.model, run.optimizer, probe_, generator_, {.samples = 500});
      for (std::size_t i = 0; i < before.size(); ++i) {
        const Tensor kept = run.params[i].detach() == before[i];
        for (const nn::NamedTensor& entry : run.optimizer.state(run.params[i]).tensors) {
          Tensor value = entry.value;
          for (std::size_t at = 0; at < value.data<float>().size(); ++at)
            value.mutable_data<float>()[at] *= kept.data<float>()[at];
        }
      }
    }

   private:
    const nn::data::Dataset& probe_;
    Generator generator_{4};
  };
  Training meaned, zeroed;
  meaned.run(3, {std::make_shared<optim::callbacks::Recycle>(
                    *meaned.train,
                    optim::callbacks::RecycleEvery{.steps = 20, .seed = 4, .options = {.samples = 500}})});
  zeroed.run(3, {std::make_shared<Zeroing>(*zeroed.train)});
  CHECK(meaned.accuracy() > 0.6);
  CHECK(meaned.dead_share() < 0.1);
  CHECK(zeroed.accuracy() < 0.3);
}
