// Reads a model from a JSON file, trains it on digits, and saves it as one file that stands alone: `nn::load_model` reads
// it back, and it predicts the same from raw pixels.
#include <filesystem>

#include "digits.hpp"
#include "program.hpp"

namespace {

using namespace rill;

struct Settings {
  std::string model = "examples/digits_model.json", out = "runs/load_config";
  std::optional<std::string> data;
  int epochs = 3;
};

optim::History train(nn::Model& model, const example::Digits& digits, const Settings& settings,
                     std::uint64_t seed, bool quick) {
  const nn::data::Loader loader(digits.train,
                                {.batch_size = 64, .shuffle = true, .drop_last = true, .seed = seed});
  const nn::data::Loader test(digits.test, {.batch_size = 500});
  optim::AdamW optimizer(model, {.lr = 2e-3});
  optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
  trainer.metrics({optim::accuracy()});
  return trainer.fit(loader, {.epochs = settings.epochs,
                              .steps_per_epoch = quick ? std::min<std::int64_t>(loader.batches(), 60) : 0,
                              .validation = &test,
                              .callbacks = {std::make_shared<optim::callbacks::Progress>(std::cout),
                                            std::make_shared<optim::callbacks::TerminateOnNaN>()}});
}

// The saved file, used as another program would: with the raw pixels of the first test image.
void read_back(const std::string& file, const nn::data::ImageDataset& test) {
  nn::Model model = nn::load_model(file);
  Tensor pixels = empty({1, 28, 28});
  std::ranges::copy(test.image(0), pixels.mutable_data<float>().begin());
  const auto label = static_cast<std::size_t>(model.predict(pixels).argmax(1).item());
  fmt::print("the first test image is a {}, the saved model reads a {}\n", test.labels()[0],
             model.classes[label]);
}

void run(const Settings& settings, std::uint64_t seed, bool quick) {
  nn::Model model = nn::load_model(settings.model, {.seed = seed});
  std::cout << nn::summary(model, model.input_shape);

  const example::Drawn drawn{quick ? 4000 : 20000, quick ? 1000 : 4000, seed};
  const example::Digits digits = example::find_digits(settings.data, drawn, example::standardised);
  const optim::History history = train(model, digits, settings, seed, quick);
  if (history.diverged) throw example::Diverged(history.reason);

  // What makes the file stand alone: what is done to pixels, and what the outputs are called.
  model.preprocessing = {std::make_shared<nn::data::Normalize>(example::standardised)};
  model.classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  std::filesystem::create_directories(settings.out);
  const std::string file = settings.out + "/model.safetensors";
  nn::save_model(model, file);
  nn::save_config(model, settings.out + "/model.json");
  fmt::print("model saved to {}\n", file);
  read_back(file, *digits.test);
  fmt::print("test accuracy: {:.2f} %\n", 100 * history.epochs.back().at("val_accuracy"));
}

}  // namespace

int main(int argc, char** argv) {
  example::Program program("Trains a model that a JSON file describes, and saves it.");
  Settings settings;
  program.app.add_option("--model", settings.model, "the model's JSON file")->capture_default_str();
  program.app.add_option(
      "--data", settings.data,
      "folder with the four MNIST files, plain or .gz (default: RILL_DATA, then data/mnist)");
  program.app.add_option("--epochs", settings.epochs, "passes over the data")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  program.app.add_option("--out", settings.out, "folder for the model")->capture_default_str();
  return program.run(argc, argv, [&] {
    if (program.quick) settings.epochs = std::min(settings.epochs, 2);
    run(settings, program.seed, program.quick);
  });
}
