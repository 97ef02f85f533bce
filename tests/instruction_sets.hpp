// What kernels are compiled for and can be run with here.
#pragma once

#include <vector>

#include <rill/core/isa.hpp>

namespace rill::test {

/// Plain code and what isa() takes besides: not all that the machine has, where RILL_ISA names less.
inline std::vector<Isa> instruction_sets() {
  std::vector<Isa> all{Isa::plain};
  if (takes_avx2(isa())) all.push_back(Isa::avx2);
  if (isa() == Isa::avx512) all.push_back(Isa::avx512);
  return all;
}

}  // namespace rill::test
