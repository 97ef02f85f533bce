#include <filesystem>

#include <rill/nn/config/archive.hpp>
#include <rill/nn/config/schema.hpp>
#include <rill/optim/run/overrides.hpp>
#include <rill/optim/run/run.hpp>

namespace rill::optim {
namespace {

using nn::config::Json;
using nn::config::Node;
using nn::config::OrderedJson;

RunConfig run_of(Json document, const std::string& where, const std::vector<std::string>& overrides) {
  config::apply_overrides(document, overrides, where);
  const Node node(document, where);
  if (node.has("layers") && !node.has("model"))
    node.fail("this is a model, expected a run: \"model\", \"data\", \"loss\" and \"optimizer\"");
  if (node.has("rill") && node.at("rill").json().is_number_integer() &&
      node.at("rill").json() != nn::config::format_version)
    node.at("rill").fail("the file is of rill's format " + node.at("rill").shown() +
                         ", expected 1, which this version reads");
  RunConfig config;
  nn::config::Reader::read(node, config);
  return config;
}

}  // namespace

RunConfig parse_run(const std::string& text, const std::string& where,
                    const std::vector<std::string>& overrides) {
  return run_of(nn::config::parse_json(text, where), where, overrides);
}

RunConfig load_run(const std::string& path, const std::vector<std::string>& overrides) {
  const std::filesystem::path file(path);
  RunConfig config = run_of(nn::config::read_json(path), path, overrides);
  if (!config.model.object)
    config.model.path = (file.parent_path() / config.model.path).lexically_normal().string();
  if (config.out.empty()) config.out = "runs/" + file.stem().string();
  return config;
}

std::string to_json(const RunConfig& config) { return nn::config::Writer::write(config).dump(2) + "\n"; }

std::string run_schema() {
  OrderedJson definitions = OrderedJson::object();
  OrderedJson schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
                     {"title", "rill run"},
                     {"description", "A training run in rill's JSON format"}};
  schema.update(nn::config::Schema(definitions).object(RunConfig()));
  schema["definitions"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace rill::optim
