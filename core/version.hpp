// The version of rill. These three numbers are written here and nowhere else: Makefile, CMakeLists.txt, the shared
// library's name and the installed packages read them from this file.
//
// While the first number is 0, a change of the second may break users' code; a change of the third does not.
#pragma once

#define RILL_VERSION_MAJOR 0
#define RILL_VERSION_MINOR 1
#define RILL_VERSION_PATCH 0

/// For comparisons by the preprocessor: 1.2.3 is 10203.
#define RILL_VERSION (RILL_VERSION_MAJOR * 10000 + RILL_VERSION_MINOR * 100 + RILL_VERSION_PATCH)

#define RILL_DETAIL_TEXT_OF(number) #number
#define RILL_DETAIL_DOTTED(a, b, c) \
  RILL_DETAIL_TEXT_OF(a) "." RILL_DETAIL_TEXT_OF(b) "." RILL_DETAIL_TEXT_OF(c)

/// "1.2.3"
#define RILL_VERSION_STRING RILL_DETAIL_DOTTED(RILL_VERSION_MAJOR, RILL_VERSION_MINOR, RILL_VERSION_PATCH)

namespace rill {

/// The version of the library that the program runs with, as "1.2.3"; RILL_VERSION_STRING is that of the headers it was
/// compiled with.
const char* version() noexcept;

}  // namespace rill
