// Instruction sets: which of them rill's kernels are compiled for, and which one runs.
//
// A binary runs on every machine of its architecture: kernels in core/kernels are compiled once for each Isa
// (core/kernels/each_isa.hpp), and the machine decides at the first use. Results may differ in their last bits between
// two instruction sets, never between two runs with one.
#pragma once

#include <string_view>

namespace rill {

/// `plain` is what the compiler was told to take for granted (SSE2 on x86-64, NEON on AArch64); `avx2` means AVX2 with FMA.
enum class Isa { plain, avx2 };

/// The instruction set that kernels run with: the best one of this machine, or what the environment variable RILL_ISA names.
/// Throws Error if that is unknown or not on this machine.
Isa isa();

/// "plain" or "avx2".
std::string_view isa_name(Isa isa);

}  // namespace rill
