// Learns classes from a CSV file: columns, parts, missing cells, standardised inputs, and a training loop that knows when to stop.
// Without --data it first writes a file of its own: the stars of a galaxy with three spiral arms.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <numbers>

#include <rill/rill.hpp>

#include "program.hpp"

namespace {

using namespace rill;
using namespace nn::data;
using namespace optim::callbacks;

struct Settings {
  std::string file, target, out = "runs/csv_classifier";
  std::vector<std::string> features, one_hot;
  double lr = 0.005;
};

// Each arm winds one and a half times around the centre; its stars lie to both sides of it.
void write_galaxy(const std::string& path, std::uint64_t seed, int stars) {
  const std::array arms{"Orion", "Perseus", "Sagittarius"};
  Stream random(seed, Purpose::user);
  std::ofstream out(path);
  out << "star,x_ly,y_ly,arm\n";
  for (int star = 0; star < stars; ++star) {
    const auto arm = std::size_t(star) % arms.size();
    const double along = random.uniform(0.1, 1), turn = 1.5 * along + double(arm) / double(arms.size());
    const double r = 50000 * along + 2500 * random.normal(), angle = 2 * std::numbers::pi * turn;
    const auto x = std::lround(r * std::cos(angle)), y = std::lround(r * std::sin(angle));
    out << star << ',' << x << ',' << y << ',' << arms[arm] << '\n';
  }
  out.close();
  RILL_CHECK(out, path, ": write failed, expected a writable folder with space left");
}

void train(nn::Module& model, const Loader& seen, const Loader& unseen, const Settings& settings) {
  const std::vector<std::shared_ptr<optim::Callback>> watchers{
      std::make_shared<Progress>(std::cout), std::make_shared<TerminateOnNaN>(),
      std::make_shared<CSVLogger>(settings.out + "/log.csv"),
      std::make_shared<ModelCheckpoint>(settings.out + "/best.safetensors",
                                        ModelCheckpointOptions{.save_best_only = true}),
      std::make_shared<EarlyStopping>(EarlyStoppingOptions{.patience = 5, .restore_best_weights = true})};
  optim::AdamW optimizer(model, {.lr = settings.lr, .weight_decay = 0.01});
  const auto loss = [](const Tensor& logits, const Tensor& labels) { return cross_entropy(logits, labels); };
  optim::Trainer trainer(model, optimizer, loss);
  trainer.metrics({optim::accuracy()});
  const auto history = trainer.fit(seen, {.epochs = 60, .validation = &unseen, .callbacks = watchers});
  if (history.diverged) throw example::Diverged(history.reason);
}

// Rows: what a sample is; columns: what the model takes it for.
void print_confusion(nn::Module& model, const Loader& test, const std::vector<std::string>& classes) {
  const nn::EvalMode eval_mode(model);
  const NoGrad no_grad;
  const std::int64_t count = std::ssize(classes);
  Tensor confusion = zeros({count, count});
  for (const Batch& batch : test.epoch(0)) {
    const Tensor predicted = one_hot(model(batch.x).argmax(1), count);
    confusion = confusion + one_hot(batch.y, count).t().matmul(predicted);
  }
  std::cout << '\n' << std::setw(16) << "taken for:";
  for (const std::string& name : classes) std::cout << std::setw(13) << name.substr(0, 12);
  for (std::int64_t label = 0; label < count; ++label) {
    std::cout << '\n' << std::setw(16) << classes[std::size_t(label)].substr(0, 15);
    for (const float samples : confusion[label].to_vector<float>()) std::cout << std::setw(13) << samples;
  }
  const double right = (confusion * eye(count)).sum().item(), all = confusion.sum().item();
  std::cout << "\n\ntest accuracy: " << 100 * right / all << " %\n";
}

void run(const Settings& settings, std::uint64_t seed) {
  CsvOptions options{.missing = CsvMissing::nan};
  if (!settings.target.empty()) options.target = settings.target;
  options.features.assign(settings.features.begin(), settings.features.end());
  options.one_hot.assign(settings.one_hot.begin(), settings.one_hot.end());
  const CsvData table = load_csv(settings.file, options);
  std::cout << settings.file << ": " << table.dataset->size() << " rows; " << table.target << " from";
  for (const std::string& name : table.features) std::cout << ' ' << name;
  std::cout << '\n';

  // One part tells when to stop, one what the model is worth; medians, means and deviations are those of the part that it learns from.
  const SplitOptions a_fifth{.validation = 0.2, .seed = seed, .stratified = true};
  const auto [rest, test] = split(table.dataset, a_fifth);
  const auto [seen, validation] = split(rest, a_fifth);
  Transforms prepare{Impute::fit(*seen)};
  prepare.push_back(Standardize::fit(*seen, {.before = prepare, .keep = table.values}));

  Generator generator(seed);
  nn::Sequential model{nn::Dense(std::ssize(table.features), 64, generator), nn::LeakyReLU(0.1),
                       nn::Dense(64, 64, generator), nn::LeakyReLU(0.1),
                       nn::Dense(64, std::ssize(table.classes), generator)};
  train(model, {seen, {.batch_size = 32, .shuffle = true, .seed = seed, .transforms = prepare}},
        {validation, {.batch_size = 256, .transforms = prepare}}, settings);
  print_confusion(model, {test, {.batch_size = 256, .transforms = prepare}}, table.classes);
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Learns classes from a CSV file.");
  Settings settings;
  program.app.add_option("--data", settings.file, "CSV file (default: one that is written to --out)");
  program.app.add_option("--target", settings.target, "column with the classes (default: the last one)");
  program.app
      .add_option("--features", settings.features, "columns to learn from, a,b,c (default: all others)")
      ->delimiter(',');
  program.app
      .add_option("--one-hot", settings.one_hot, "columns of text, a,b,c: each value becomes a feature")
      ->delimiter(',');
  program.app.add_option("--out", settings.out, "folder for what it writes")->capture_default_str();
  program.app.add_option("--lr", settings.lr, "learning rate")
      ->capture_default_str()
      ->check(example::above_zero());
  return program.run(argc, argv, [&] {
    std::filesystem::create_directories(settings.out);
    if (settings.file.empty()) {
      settings.file = settings.out + "/galaxy.csv";
      write_galaxy(settings.file, program.seed, program.quick ? 1500 : 3000);
      settings.features = {"x_ly", "y_ly"};  // and not the number of the star
    }
    run(settings, program.seed);
  });
}
