#include <rill/optim/run/run.hpp>

#include "models.hpp"

namespace rill::fuzz {

void fuzz_run(Bytes input) {
  std::vector<std::string> parts(1);
  for (const char c : text_of(input)) {
    if (c == '\0') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  const std::vector<std::string> overrides(parts.begin() + 1, parts.end());
  optim::RunConfig config;
  if (!accepted("x.json:", [&] { config = optim::parse_run(parts[0], "x.json", overrides); })) return;
  const std::string written = optim::to_json(config);
  require(optim::to_json(optim::parse_run(written, "copy.json")) == written,
          "run: it is another one when it is written and read again");
  // A path would name a file outside, and a large model would be made.
  if (!config.model.object) return;
  const auto build = [&] {
    Generator generator(1);
    nn::config::build(*config.model.object, generator,
                      {.where = "run: /model", .max_parameters = max_parameters});
  };
  if (accepted("run: /model: ", build)) accepted("run: /", [&] { optim::check_run(config); });
}

}  // namespace rill::fuzz
