// The checksum of a safetensors file: metadata "rill.checksum", 8 hex digits of the CRC-32 (zlib's) of all bytes of the
// file, these digits taken as "00000000". Other readers see one more text in the metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rill::io::safetensors {

inline constexpr std::string_view own_prefix = "rill.";
inline constexpr std::string_view checksum_key = "rill.checksum";
inline constexpr std::string_view format_key = "rill.format";  ///< always beside a checksum: "1"
inline constexpr std::string_view blank_checksum = "00000000";

/// CRC-32 of bytes that come piece by piece.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  std::string digits() const;  ///< 8 of them, in lower case

 private:
  unsigned long crc_ = 0;
};

/// Where the digits begin in a header's text; npos if it does not hold them as they are written.
std::size_t find_checksum(std::string_view header);

/// Verifies a file's checksum while its tensors are read.
class Verification {
 public:
  /// Begins behind the header: `raw` is all of it, `text` its part from `{` to `}`, which gives `metadata`, and the checksum is
  /// taken out of that. Throws Error, starting with `where`, for metadata under rill's names without one.
  Verification(std::string_view raw, std::string_view text, std::map<std::string, std::string>& metadata,
               const std::string& where);

  /// The bytes that follow, in their order.
  void add(std::span<const std::byte> bytes) {
    if (written_) checksum_.add(bytes);
  }

  /// Whether there is a checksum. Throws Error for one that is not the file's, and for another format than 1.
  bool finish(const std::map<std::string, std::string>& metadata) const;

 private:
  const std::string& where_;
  std::optional<std::string> written_;
  Checksum checksum_;
};

}  // namespace rill::io::safetensors
