// rill_fuzz: the fuzz targets under libFuzzer. RILL_FUZZ_TARGET names the one to run; `make fuzz` sets it, and the flags.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "targets.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using namespace rill::fuzz;

const Target& chosen() {
  static const Target target = [] {
    const char* name = std::getenv("RILL_FUZZ_TARGET");
    for (const Target& each : all_targets()) {
      if (name && each.name == name) return each;
    }
    std::fprintf(stderr, "rill_fuzz: RILL_FUZZ_TARGET is %s, expected one of", name ? name : "not set");
    for (const Target& each : all_targets()) std::fprintf(stderr, " %s", std::string(each.name).c_str());
    std::fprintf(stderr, "\n");
    std::exit(2);
  }();
  return target;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen().run(std::as_bytes(std::span(data, size)));
  return 0;
}

// Every fourth input stays broken.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  const std::size_t changed = LLVMFuzzerMutate(data, size, max_size);
  if (!chosen().mend || seed % 4 == 0) return changed;
  return std::min(chosen().mend(std::as_writable_bytes(std::span(data, max_size)), changed), max_size);
}
