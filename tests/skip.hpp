// Tests that cannot run here say so: skip("reason") counts the running test case as skipped and prints why.
#pragma once

#include <string>

namespace rill::test {

/// To be followed by `return`.
void skip(const std::string& reason);

}  // namespace rill::test
