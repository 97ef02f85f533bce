#include <locale>
#include <sstream>

#include <rill/core/error.hpp>
#include <rill/core/text.hpp>

namespace rill::detail {

std::string joined(std::initializer_list<Part> parts) {
  std::ostringstream out;
  // Without this a stream that finds no memory leaves text out and says nothing; what is joined here stands in files, too.
  out.exceptions(std::ios::badbit);
  out.imbue(std::locale::classic());  // a program's own may group digits
  for (const Part& part : parts) out << part;
  return out.str();
}

// What a file or a user called a thing may be in a message: on one line, and without bytes that a terminal would obey.
void fail(const std::string& message) {
  std::string line = message;
  for (char& c : line) c = is_control(c) ? '?' : c;
  throw Error(line);
}
void fail_with(std::initializer_list<Part> parts) { fail(joined(parts)); }

}  // namespace rill::detail
