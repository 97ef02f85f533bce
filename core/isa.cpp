#include <array>
#include <cstddef>
#include <cstdlib>

#include <rill/core/error.hpp>
#include <rill/core/isa.hpp>

namespace rill {
namespace {

Isa best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return __builtin_cpu_supports("avx512f") ? Isa::avx512 : Isa::avx2;
  }
#endif
  return Isa::plain;
}

Isa chosen_isa() {
  const Isa best = best_isa();
  const char* wanted = std::getenv("RILL_ISA");
  if (!wanted || !*wanted) return best;
  for (const Isa each : {Isa::plain, Isa::avx2, Isa::avx512, Isa::naive}) {
    if (isa_name(each) != wanted) continue;
    RILL_CHECK(each <= best || each == Isa::naive, "RILL_ISA: this machine has no ", wanted, ", expected ",
               isa_name(best));
    return each;
  }
  throw Error(detail::concat("RILL_ISA: unknown instruction set \"", wanted,
                             "\", expected plain, avx2, avx512 or naive"));
}

}  // namespace

Isa isa() {
  static const Isa chosen = chosen_isa();
  return chosen;
}

std::string_view isa_name(Isa isa) {
  constexpr std::array<std::string_view, 4> names{"plain", "avx2", "avx512", "naive"};
  return names[static_cast<std::size_t>(isa)];
}

}  // namespace rill
