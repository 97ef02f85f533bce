// rill check: whether a config is right, without running it.
#include <fmt/format.h>

#include <variant>

#include <rill/nn/config/json.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/overrides.hpp>

namespace rill::command {
namespace {

template <class Tagged>
std::string_view name_of(const Tagged& tagged) {
  return std::visit([](const auto& each) { return std::string_view(each.type_name); }, tagged.value);
}

std::string summary_of_run(const std::string& path, const std::vector<std::string>& overrides) {
  const optim::RunConfig config = optim::load_run(path, overrides);
  optim::check_run(config);
  note_without_effect(overrides, config);
  return fmt::format("a run: {} data, {}, {}, {} epochs of batches of {}, out {}", name_of(config.data),
                     name_of(config.loss), name_of(config.optimizer), config.training.epochs,
                     config.training.batch_size, config.out);
}

std::string summary_of_model(const std::string& path, bool drop_regularizers) {
  nn::Model model = nn::load_model(path, {.drop_regularizers = drop_regularizers});
  return "a model: " + describe(model);
}

struct CheckOptions {
  std::string path;
  std::vector<std::string> overrides;
  bool drop_regularizers = false;
};

int check(const CheckOptions& options) {
  kind_of(options.path);  // a file that is not there is no wrong config
  const bool run = reads_as_run(options.path);
  if (!run && !options.overrides.empty())
    throw UsageError("--set is for runs, and " + options.path + " is none");
  const std::string summary = reading_run(options.path, [&] {
    return run ? summary_of_run(options.path, options.overrides)
               : summary_of_model(options.path, options.drop_regularizers);
  });
  out(options.path + ": ok (" + summary + ")\n");
  return done;
}

}  // namespace

void add_check(Program& program) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* app = program.add(
      {.name = "check",
       .summary = "Validate a model or run config and stop",
       .text =
           "Tells a run from a model by its content and reads it as training would, up to the data: keys,\n"
           "types, ranges, and whether the layers' sizes fit together. A wrong config ends with exit code 2\n"
           "and a message with the JSON pointer of the mistake.",
       .examples = {{"rill check run.json", "a run"},
                    {"rill check model.json && echo right", "a model, in a script"}},
       .reads = "FILE, and the model that a run names",
       .writes = "nothing"});
  app->add_option("FILE", options->path, "a config")->required()->type_name("FILE");
  app->add_option("--set", options->overrides, "change a value of a run first: optimizer.lr=0.01")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_flag("--drop-regularizers", options->drop_regularizers,
                "leave Keras' regularizers and constraints out");
  program.does([options] { return check(*options); });
}

}  // namespace rill::command
