// The commands of `rill`, a file each.
#pragma once

#include <rill/tools/rill/program.hpp>

namespace rill::command {

void add_train(Program& program);
void add_sweep(Program& program);
void add_eval(Program& program);
void add_predict(Program& program);
void add_summary(Program& program);
void add_doctor(Program& program);
void add_convert(Program& program);
void add_check(Program& program);
void add_new(Program& program);
void add_info(Program& program);
void add_schema(Program& program);
void add_completion(Program& program);
void add_man(Program& program);

}  // namespace rill::command
