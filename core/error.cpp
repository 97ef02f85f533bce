#include <rill/core/error.hpp>

namespace rill::detail {

void fail(const std::string& message) { throw Error(message); }

}  // namespace rill::detail
