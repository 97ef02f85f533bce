// Safetensors: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes, little-endian and
// row-major. Source: github.com/huggingface/safetensors, README.md ("Format").
//
// Invariants: what is accepted is a subset of what the reference accepts. Every rule is checked before memory is taken
// for a tensor: header length at most 2 MiB, with at most 25,000 names, `{` first and only spaces behind `}`, UTF-8, no key twice at any level,
// no unknown field, sizes and offsets that are plain integers, at most 8 dimensions, byte counts that follow from
// shape and dtype, offsets contiguous from 0 without holes or overlaps, and no byte behind the last tensor.
// A file may carry a checksum: metadata "rill.checksum" holds the CRC-32 of all its bytes, in which these 8 hex digits
// are taken as "00000000". No bit of such a file can be flipped, and no byte cut off, without being noticed when it is
// read here; to others it is a text like others. Every other name in the metadata that begins with "rill." demands it.
// Threads: functions are pure, but for the files that they read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::io {

inline constexpr std::uint64_t max_safetensors_header = std::uint64_t{2} << 20;
inline constexpr std::size_t max_safetensors_names = 25'000;  ///< tensors and texts of a header together
inline constexpr std::uint64_t max_safetensors_bytes = std::uint64_t{16} << 30;  ///< of a whole file

struct Safetensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< f32, f64 or i64, of any shape
  std::map<std::string, std::string> metadata;
  bool checksum = false;  ///< has one, verified, or shall get one; it is not among the metadata here
};

/// The tensors of the file at `path`, in the order of their data, as leaves that require no gradient; F16 and BF16 become
/// f32, exactly. Throws Error if the file is missing, above max_safetensors_bytes, breaks a rule above, holds another dtype
/// than F32, F64, I64, F16 and BF16, or is not the one that its checksum was made of.
Safetensors load_safetensors(const std::string& path);

/// The same for a file's content at hand; errors start with `where`.
Safetensors parse_safetensors(std::span<const std::byte> content, const std::string& where);

/// Whether a file that begins with these bytes, 9 or more of it, is of this format: a header's length, then the header.
bool begins_safetensors(std::string_view head);

/// Writes `file` to `path` as write_file_atomically() does: tensors of 8-byte types first, then by name, their data
/// aligned to 8. With a checksum the metadata says "rill.format": "1" as well. Throws Error before the file is touched for a tensor that is undefined, has no name or one that is
/// taken ("__metadata__" too), for text that is not UTF-8, for a header above max_safetensors_header, for more names than max_safetensors_names, for metadata named
/// "rill.checksum", and for other names that begin with "rill." without a checksum.
void save_safetensors(const std::string& path, const Safetensors& file);

/// Throws those errors, and writes nothing: to know before a long training whether its end could be saved.
void check_safetensors(const std::string& path, const Safetensors& file);

}  // namespace rill::io
