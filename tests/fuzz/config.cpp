#include "models.hpp"

namespace rill::fuzz {

void fuzz_config(Bytes input) {
  const std::string text(text_of(input)), where = "x.json";
  nn::config::ModelConfig config;
  if (!accepted("x.json:", [&] { config = nn::config::parse_model_config(text, where); })) return;
  const std::string written = nn::config::to_json(config);
  require(nn::config::to_json(nn::config::parse_model_config(written, "copy.json")) == written,
          "config: it is another one when it is written and read again");
  nn::Model model;
  const auto build = [&] {
    Generator generator(1);
    nn::Sequential network =
        nn::config::build(config, generator, {.where = where, .max_parameters = max_parameters});
    model = nn::Model(std::move(network), Shape(config.input_shape));
  };
  if (accepted("x.json: /", build)) check_model(model);
}

}  // namespace rill::fuzz
