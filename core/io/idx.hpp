// IDX, the format of MNIST's files: 00 00 <type> <rank>, one 4-byte size a dimension, then the elements row-major;
// all big-endian. Source: yann.lecun.com/exdb/mnist, "the IDX file format".
//
// Invariants: plain and gzip files are told apart by content, never by name. The header is checked completely before
// memory is taken for the elements, and that memory is bounded by the file's own length (by 4 GiB if it is gzip).
// Threads: functions are pure, but for the files that they read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include <rill/core/create.hpp>
#include <rill/core/dtype.hpp>
#include <rill/core/shape.hpp>

namespace rill::io {

/// Element types, with the format's own codes.
enum class IdxType : std::uint8_t { u8 = 0x08, i8 = 0x09, i16 = 0x0b, i32 = 0x0c, f32 = 0x0d, f64 = 0x0e };

std::ostream& operator<<(std::ostream& out, IdxType type);  ///< prints `u8`
std::size_t size_of(IdxType type);                          ///< bytes of an element

/// The largest decoded file, header included: 4 GiB.
inline constexpr std::uint64_t max_idx_bytes = std::uint64_t{4} << 30;

/// An array as an IDX file holds it: shape.numel() elements of `type`, row-major, in the machine's byte order.
struct IdxArray {
  Shape shape;  ///< rank 1 to 8, sizes below 2^32
  IdxType type = IdxType::u8;
  std::vector<std::byte> bytes;

  /// The elements as a tensor of the same shape; f32 and f64 take the nearest value. Throws Error if `bytes` has not
  /// the length that shape and type tell, and for i64 if an element is fractional or out of range.
  Tensor to_tensor(DType dtype) const;

  /// The elements of a u8 array. Throws Error for another type.
  std::span<const std::uint8_t> as_bytes() const;
};

/// The array in the file at `path`, plain or gzip. Throws Error, naming expected and actual byte counts, if the file
/// is missing, no IDX file, shorter or longer than its header declares, above max_idx_bytes, or corrupt gzip.
IdxArray read_idx(const std::string& path);

/// The same for a file's content at hand; errors start with `where`.
IdxArray parse_idx(std::vector<std::byte> content, const std::string& where);

/// Writes `array` to `path`, plain, as write_file_atomically() does. Throws Error before the file is touched if rank,
/// sizes or the length of `bytes` do not fit.
void write_idx(const std::string& path, const IdxArray& array);

}  // namespace rill::io
