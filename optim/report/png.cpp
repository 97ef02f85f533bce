#include <algorithm>
#include <cmath>

#include <rill/core/error.hpp>
#include <rill/optim/report/png.hpp>

namespace rill::optim::report {
namespace {

using Bytes = std::string;

void append_32(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

// The CRC of ISO 3309, bit by bit.
std::uint32_t crc_32(const Bytes& bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

std::uint32_t adler_32(const Bytes& bytes) {
  std::uint32_t a = 1, b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

void append_chunk(Bytes& out, const Bytes& type, const Bytes& data) {
  append_32(out, static_cast<std::uint32_t>(data.size()));
  out += type + data;
  append_32(out, crc_32(type + data));
}

// A zlib stream of one stored block (RFC 1950, RFC 1951).
Bytes stored(const Bytes& data) {
  const auto length = static_cast<std::uint32_t>(data.size());
  Bytes out = "\x78\x01\x01";
  for (const std::uint32_t word : {length, ~length}) {
    out += static_cast<char>(word & 0xff);
    out += static_cast<char>(word >> 8 & 0xff);
  }
  out += data;
  append_32(out, adler_32(data));
  return out;
}

std::string base64(const Bytes& bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j)
      word = word << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += j <= count ? digits[word >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

}  // namespace

std::string png_data_uri(std::span<const float> pixels, std::int64_t rows, std::int64_t cols) {
  RILL_CHECK(rows >= 1 && cols >= 1 && rows <= 250 && cols <= 250, "png_data_uri: the image is ", rows, " x ",
             cols, ", expected sides of 1 to 250");
  Bytes header, lines;
  append_32(header, static_cast<std::uint32_t>(cols));
  append_32(header, static_cast<std::uint32_t>(rows));
  header += Bytes("\x08\x00\x00\x00\x00", 5);  // 8 bits, grey, deflate, no filter, not interlaced
  for (std::int64_t row = 0; row < rows; ++row) {
    lines += '\0';
    for (std::int64_t col = 0; col < cols; ++col) {
      const float pixel = pixels[static_cast<std::size_t>(row * cols + col)];
      const float grey = std::isnan(pixel) ? 0.0f : std::clamp(pixel, 0.0f, 1.0f);
      lines += static_cast<char>(static_cast<unsigned char>(std::lround(255 * grey)));
    }
  }
  Bytes file = "\x89PNG\r\n\x1a\n";
  append_chunk(file, "IHDR", header);
  append_chunk(file, "IDAT", stored(lines));
  append_chunk(file, "IEND", "");
  return "data:image/png;base64," + base64(file);
}

}  // namespace rill::optim::report
