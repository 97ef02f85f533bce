// Floats of 16 bits, as files hold them, widened to f32: every one exactly.
#pragma once

#include <bit>
#include <cstdint>

namespace rill::io {

/// IEEE 754's binary16: 1 bit of sign, 5 of exponent, 10 of fraction. NaN keeps its payload.
constexpr float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = (std::uint32_t{bits} & 0x8000u) << 16;
  const std::uint32_t exponent = std::uint32_t{bits} >> 10 & 31u, fraction = std::uint32_t{bits} & 0x3ffu;
  if (exponent == 0) {
    const float size = static_cast<float>(fraction) * 0x1p-24f;  // subnormal, or 0
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(size));
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// bfloat16: the upper half of an f32.
constexpr float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

}  // namespace rill::io
