// npy, NumPy's file of one array: 93 'NUMPY' <major> <minor> <length>, a Python dict with descr, fortran_order and
// shape, then the elements. Source: numpy.lib.format, versions 1.0 to 3.0.
//
// Invariants: the header is checked completely, and the file's length against it, before memory is taken for the
// tensor. Elements are numbers of a fixed size in either byte order; nothing in a file is ever executed (no pickles).
// Threads: functions are pure, but for the files that they read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <rill/core/dtype.hpp>
#include <rill/core/tensor.hpp>

namespace rill::io {

/// The largest file: 16 GiB.
inline constexpr std::uint64_t max_npy_bytes = std::uint64_t{16} << 30;

/// The array in the file at `path`, row-major also where the file is not. Without `dtype`, f2 and f4 make f32, f8 makes
/// f64, and integers and booleans make i64; f32 and f64 take the nearest value. Throws Error if the file is missing, no
/// npy file, shorter or longer than its header declares, above max_npy_bytes, of rank above 8, or holds anything but
/// those types (objects, texts, dates, complex numbers, records), and for an element that i64 cannot hold.
Tensor load_npy(const std::string& path, const std::optional<DType>& dtype = std::nullopt);

/// The same for a file's content at hand; errors start with `where`.
Tensor parse_npy(std::span<const std::byte> content, const std::string& where,
                 const std::optional<DType>& dtype = std::nullopt);

/// Writes the elements as version 1.0, little-endian and row-major: <f4, <f8 or <i8. The file is replaced as
/// write_file_atomically() does. Throws Error as that does.
void save_npy(const std::string& path, const Tensor& tensor);

}  // namespace rill::io
