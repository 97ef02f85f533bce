#include <algorithm>
#include <zlib.h>

#include <rill/core/error.hpp>
#include <rill/core/io/safetensors_checksum.hpp>
#include <rill/core/io/safetensors_header.hpp>

namespace rill::io::safetensors {
namespace {

constexpr std::string_view damaged = "; the file is damaged, or was changed after it was written";

// Digits as they are, anything else in quotes.
std::string plain(const std::string& text) {
  const bool digits =
      text.size() == blank_checksum.size() && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  return digits ? text : in_quotes(text);
}

}  // namespace

void Checksum::add(std::span<const std::byte> bytes) {
  crc_ = ::crc32_z(crc_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::string Checksum::digits() const {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += hex[crc_ >> shift & 15];
  return text;
}

// A quote inside of a text is escaped, so these characters are nowhere but at the key of a text.
std::size_t find_checksum(std::string_view header) {
  const std::string key = '"' + std::string(checksum_key) + "\":\"";
  // A longer key may end in the same letters, behind an escaped quote.
  std::size_t found = header.find(key);
  while (found != std::string_view::npos && found > 0 && header[found - 1] != '{' && header[found - 1] != ',')
    found = header.find(key, found + 1);
  return found == std::string_view::npos ? found : found + key.size();
}

Verification::Verification(std::string_view raw, std::string_view text,
                           std::map<std::string, std::string>& metadata, const std::string& where)
    : where_(where) {
  const auto written = metadata.extract(std::string(checksum_key));
  if (!written) {
    const auto own =
        std::ranges::find_if(metadata, [](const auto& entry) { return entry.first.starts_with(own_prefix); });
    RILL_CHECK(own == metadata.end(), where, ": metadata holds ", in_quotes(own->first), ", expected \"",
               checksum_key, "\" beside it", damaged);
    return;
  }
  written_ = written.mapped();
  const std::size_t place = find_checksum(text);
  RILL_CHECK(place != std::string_view::npos, where, ": checksum ", in_quotes(*written_),
             " stands in the header with escapes or spaces, expected \"", checksum_key, "\":\"",
             blank_checksum, "\" with other digits", damaged);
  const std::uint64_t length = raw.size();
  checksum_.add(std::as_bytes(std::span(&length, 1)));
  checksum_.add(raw.substr(0, place));
  checksum_.add(blank_checksum);
  checksum_.add(raw.substr(std::min(place + blank_checksum.size(), raw.size())));
}

bool Verification::finish(const std::map<std::string, std::string>& metadata) const {
  if (!written_) return false;
  RILL_CHECK(*written_ == checksum_.digits(), where_, ": checksum is ", plain(*written_), ", expected ",
             checksum_.digits(), damaged);
  const auto format = metadata.find(std::string(format_key));
  RILL_CHECK(format == metadata.end() || format->second == "1", where_, ": ", format_key, " is ",
             in_quotes(format->second),
             ", expected \"1\"; read the file with the version of rill that wrote it");
  return true;
}

}  // namespace rill::io::safetensors
