// rill schema: the JSON schemas of rill's configs.
#include <rill/nn/model.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/output.hpp>

namespace rill::command {

void add_schema(Program& program) {
  auto kind = std::make_shared<std::string>("run");
  CLI::App* app = program.add(
      {.name = "schema",
       .summary = "The JSON schema of model or run configs, for editors",
       .text = "Prints a JSON schema (draft 7). Editors that know it complete keys and mark mistakes. The "
               "schemas\n"
               "are installed in share/rill too; `rill new` names them in the configs that it writes.",
       .examples = {{"rill schema run > run.schema.json", "the schema of run configs"},
                    {"rill schema model > model.schema.json", "that of model configs"}},
       .reads = "nothing",
       .writes = "standard output"});
  choice(app->add_option("KIND", *kind, "of config"), {"run", "model"})->capture_default_str();
  program.does([kind] {
    out(*kind == "run" ? optim::run_schema() : nn::model_schema());
    return done;
  });
}

}  // namespace rill::command
