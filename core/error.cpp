#include <locale>
#include <sstream>

#include <rill/core/error.hpp>

namespace rill::detail {

std::string joined(std::initializer_list<Part> parts) {
  std::ostringstream out;
  // Without this a stream that finds no memory leaves text out and says nothing; what is joined here stands in files, too.
  out.exceptions(std::ios::badbit);
  out.imbue(std::locale::classic());  // a program's own may group digits
  for (const Part& part : parts) out << part;
  return out.str();
}

void fail(const std::string& message) { throw Error(message); }
void fail_with(std::initializer_list<Part> parts) { fail(joined(parts)); }

}  // namespace rill::detail
