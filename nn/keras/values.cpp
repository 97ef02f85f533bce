#include <cmath>
#include <cstring>

#include <rill/nn/keras/weights.hpp>

namespace rill::nn::keras {
namespace {

// Keras' files are little-endian, whatever the machine is.
std::uint32_t unsigned_at(const std::vector<std::byte>& bytes, std::uint64_t offset, std::uint64_t width) {
  std::uint32_t bits = 0;
  for (std::uint64_t i = 0; i < width; ++i)
    bits |= std::to_integer<std::uint32_t>(bytes[static_cast<std::size_t>(offset + i)]) << (8 * i);
  return bits;
}

double half_of(std::uint32_t bits) {
  const double sign = (bits & 0x8000) ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double fraction = bits & 1023;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : static_cast<double>(NAN);
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

}  // namespace

std::uint64_t bytes_of(Stored stored) {
  switch (stored) {
    case Stored::boolean:
    case Stored::uint8:
      return 1;
    case Stored::float16:
    case Stored::uint16:
      return 2;
    default:
      return 4;
  }
}

double value_at(const Values& values, const std::vector<std::byte>& bytes, std::uint64_t index) {
  const std::uint64_t width = bytes_of(values.stored);
  const std::uint32_t bits = unsigned_at(bytes, values.offset + index * width, width);
  switch (values.stored) {
    case Stored::float32: {
      float value = 0;
      std::memcpy(&value, &bits, sizeof value);
      return static_cast<double>(value);
    }
    case Stored::float16:
      return half_of(bits);
    case Stored::int32:
      return static_cast<double>(static_cast<std::int32_t>(bits));
    case Stored::boolean:
      return bits != 0 ? 1 : 0;
    default:
      break;
  }
  const double value = bits * values.scale + values.min;
  return values.whole ? std::round(value) : value;
}

}  // namespace rill::nn::keras
