#include <rill/core/version.hpp>

namespace rill {

const char* version() noexcept { return RILL_VERSION_STRING; }

}  // namespace rill
