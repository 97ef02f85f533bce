#include <rill/nn/config/json.hpp>
#include <rill/nn/keras/load.hpp>

#include "models.hpp"

namespace rill::fuzz {
namespace {

/// Reads the document, of a file in the scratch folder.
void read(std::string_view text) {
  nn::Model model;
  const auto load = [&] {
    const nn::config::Json document = nn::config::parse_json(text, "x.json");
    model = nn::keras::load(nn::config::Node(document, "x.json"), scratch().path(),
                            {.max_parameters = max_parameters});
  };
  if (accepted("x.json:", load)) check_model(model);
}

}  // namespace

void fuzz_keras(Bytes input) {
  // The manifest of another input's shards must not find them.
  scratch().write("w.bin", "");
  read(text_of(input));
}

void fuzz_tfjs(Bytes input) {
  const std::string_view text = text_of(input);
  const std::size_t zero = std::min(text.find('\0'), text.size());
  scratch().write("w.bin", text.substr(std::min(zero + 1, text.size())));
  read(text.substr(0, zero));
}

}  // namespace rill::fuzz
