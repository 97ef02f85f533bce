// The header of a npy file; see npy.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <rill/core/shape.hpp>

namespace rill::io {

struct NpyHeader {
  char kind = 'f';        ///< f, i, u or b
  std::size_t width = 4;  ///< bytes of an element; the two make f2 f4 f8, i1 i2 i4 i8, u1 u2 u4 u8, or b1
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
  std::size_t header_bytes = 0;  ///< where the elements begin
  std::size_t data_bytes = 0;
};

/// Reads what `content`, a whole file, starts with, and checks its length. Throws Error as load_npy does.
NpyHeader parse_npy_header(std::span<const std::byte> content, const std::string& where);

}  // namespace rill::io
