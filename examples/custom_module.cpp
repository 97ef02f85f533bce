// A module of one's own: a residual block with a learnt gate and a running mean, twice, with tied weights. What follows
// from its visit(): names, training and evaluation mode, hooks, freezing, copies, files, and a profile.
#include <filesystem>
#include <iostream>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

using namespace rill;

/// y = x + gate · leaky_relu(dense(x - mean)). The gate starts at 0, so that the block first lets everything through
/// (Bachlechner et al., arXiv 2003.04887); the mean follows the batches in training, and stays in evaluation.
struct GatedBlock final : nn::Module {
  nn::Dense dense;
  Tensor gate, mean;

  GatedBlock(std::int64_t width, Generator& generator)
      : dense(width, width, generator), gate(zeros({1}).requires_grad_()), mean(zeros({width})) {}

  Tensor forward(const Tensor& x) override {
    if (training()) {
      const NoGrad no_grad;
      mean = 0.9 * mean + 0.1 * x.mean(0);
    }
    return x + gate * dense(x - mean).leaky_relu(0.1);
  }

  void visit(nn::Visitor& visitor) override {
    visitor.child("dense", dense);
    visitor.parameter("gate", gate);
    visitor.buffer("mean", mean);
  }
  std::string_view type() const override { return "gated_block"; }
};

// Points of the plane, and whether they lie within a ring.
struct Ring {
  Tensor x, y;
  Ring(std::int64_t count, Generator& generator) : x(randn({count, 2}, generator)) {
    const Tensor radius = x.square().sum(1).sqrt();
    y = ((radius > 0.8) * (radius < 1.6)).to(DType::i64);
  }
};

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item(); }

// Full-batch steps on what the model lets be trained; the last loss.
double train(nn::Module& model, const Ring& ring, int steps) {
  optim::Adam optimizer(model, {.lr = 0.005});
  Tensor loss;
  for (int step = 0; step < steps; ++step) {
    loss = cross_entropy(model(ring.x), ring.y);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
  return loss.item();
}

double accuracy(nn::Module& model, const Ring& ring) {
  const nn::EvalMode eval_mode(model);
  const NoGrad no_grad;
  return double(nn::count_correct(model(ring.x), ring.y)) / double(ring.y.numel());
}

nn::Sequential make_net(Generator& generator) {
  GatedBlock first(32, generator), second(32, generator);
  second.dense = first.dense;  // a copy of a module shares its tensors: both blocks train the same weights
  return nn::Sequential{nn::Dense(2, 32, generator), nn::LeakyReLU(0.1), first, second,
                        nn::Dense(32, 2, generator)};
}

void run(std::uint64_t seed, int steps, const std::string& file) {
  Generator generator(seed);
  const Ring seen(1000, generator), unseen(1000, generator);
  nn::Sequential net = make_net(generator);
  std::cout << net.parameter_count() << " parameters; 3.dense is tied to 2.dense, and counts once:\n";
  for (const auto& part : net.named_parameters()) std::cout << part.name << ' ' << part.value.shape() << '\n';
  std::cout << "loss " << train(net, seen, steps) << '\n';
  std::cout << "accuracy on unseen points " << accuracy(net, unseen) << '\n';

  auto hook = net[3].register_forward_hook([](nn::Module& module, const Tensor& x, const Tensor& y) {
    std::cout << "hook: " << module.type() << " moves " << x.shape() << " by " << distance(x, y) << '\n';
    return Tensor();  // undefined: the output stays what it is
  });
  accuracy(net, unseen);
  hook.remove();

  // An independent copy learns on, frozen but for its last layer.
  nn::Sequential copy = nn::clone(net);
  copy.requires_grad_(false);
  copy[4].requires_grad_();
  train(copy, seen, 20);
  std::cout << "parameters of the copy that have moved:";
  const auto before = net.named_parameters(), after = copy.named_parameters();
  for (std::size_t i = 0; i < after.size(); ++i)
    if (distance(before[i].value, after[i].value) > 0) std::cout << ' ' << after[i].name;

  nn::save_weights(net, file);
  nn::Sequential loaded = make_net(generator);  // with other weights, until they are read
  nn::load_weights(loaded, file);
  std::cout << "\nread back from " << file << ": accuracy " << accuracy(loaded, unseen) << "\n\n";
  Profile profile(net);
  train(net, seen, 10);
  profile.print(std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("A module of one's own, and what follows from it.");
  std::string out = "runs/custom_module";
  program.app.add_option("--out", out, "folder for the weights")->capture_default_str();
  return program.run(argc, argv, [&] {
    std::filesystem::create_directories(out);
    run(program.seed, program.quick ? 150 : 300, out + "/net.safetensors");
  });
}
