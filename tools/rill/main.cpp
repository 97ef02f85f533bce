// The `rill` command: models as JSON configs and files, trained, judged and used without writing C++.
#include <rill/tools/rill/commands.hpp>

// NOLINTNEXTLINE(bugprone-exception-escape): what may be thrown before run() is a lack of memory
int main(int argc, char** argv) {
  using namespace rill::command;
  Program program;
  for (const auto add : {add_new, add_check, add_train, add_sweep, add_eval, add_predict, add_summary,
                         add_doctor, add_convert, add_schema, add_info, add_completion, add_man})
    add(program);
  return program.run(argc, argv);
}
