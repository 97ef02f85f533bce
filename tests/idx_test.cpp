// IDX files. The files are built by hand here, byte by byte, and packed with stored deflate blocks of our own.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/io/idx.hpp>

#include "temp_dir.hpp"

namespace {

using namespace std::string_literals;
using rill::DType;
using rill::Error;
using rill::Shape;
using rill::Tensor;
using rill::io::IdxArray;
using rill::io::IdxType;
using rill::io::parse_idx;
using rill::io::read_idx;
using rill::io::write_idx;
using rill::test::TempDir;
using rill::test::to_bytes;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

// --- files by hand ---------------------------------------------------------------------------------------------------

std::string big_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string header(int type, const std::vector<std::uint32_t>& sizes) {
  std::string out = "\0\0"s + static_cast<char>(type) + static_cast<char>(sizes.size());
  for (const std::uint32_t size : sizes) out += big_endian(size, 4);
  return out;
}

std::string little_endian(std::uint32_t value, int bytes) {
  const std::string out = big_endian(value, bytes);
  return {out.rbegin(), out.rend()};
}

std::uint32_t crc_of(const std::string& data) {
  std::uint32_t crc = ~0u;
  for (const char c : data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

/// A gzip member that stores `data` (at most 65535 bytes).
std::string pack(const std::string& data) {
  const auto size = static_cast<std::uint32_t>(data.size());
  return "\x1f\x8b\x08\0\0\0\0\0\0\x03"s + "\x01" + little_endian(size, 2) +
         little_endian(~size & 0xffff, 2) + data + little_endian(crc_of(data), 4) + little_endian(size, 4);
}

IdxArray parse(const std::string& content) { return parse_idx(to_bytes(content), "x"); }

const std::string small = header(0x08, {2, 3}) + "\x00\x01\x02\x7f\x80\xff"s;

bool is_small(const IdxArray& array) {
  const std::vector<std::uint8_t> expected{0, 1, 2, 127, 128, 255};
  const auto bytes = array.as_bytes();
  return array.shape == Shape{2, 3} && std::vector<std::uint8_t>(bytes.begin(), bytes.end()) == expected;
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto data = tensor.data<T>();
  return {data.begin(), data.end()};
}

// --- reading ---------------------------------------------------------------------------------------------------------

TEST_CASE("idx: a u8 file is read with its shape and bytes") {
  const TempDir dir;
  CHECK(is_small(read_idx(dir.write("x", small))));
}

TEST_CASE("idx: gzip is told by content, whatever the name") {
  const TempDir dir;
  CHECK(is_small(read_idx(dir.write("plain-name", pack(small)))));
  CHECK(is_small(read_idx(dir.write("named.gz", small))));
}

TEST_CASE("idx: a file in several gzip members is read as one") {
  CHECK(is_small(parse(pack(small.substr(0, 5)) + pack("") + pack(small.substr(5)))));
}

TEST_CASE("idx: signed and wide integers are big-endian") {
  CHECK(values<std::int64_t>(parse(header(0x09, {3}) + "\x7f\x80\xff").to_tensor(DType::i64)) ==
        std::vector<std::int64_t>{127, -128, -1});
  CHECK(values<std::int64_t>(parse(header(0x0b, {2}) + "\x01\x02\x80\x00"s).to_tensor(DType::i64)) ==
        std::vector<std::int64_t>{258, -32768});
  CHECK(values<std::int64_t>(
            parse(header(0x0c, {2}) + "\x01\x02\x03\x04\xff\xff\xff\xfe").to_tensor(DType::i64)) ==
        std::vector<std::int64_t>{16909060, -2});
}

TEST_CASE("idx: floats are big-endian and keep infinities and NaN") {
  const std::string singles = "\x3f\x80\x00\x00\xc0\x20\x00\x00\x7f\x80\x00\x00\x7f\xc0\x00\x00"s;
  const auto f32 = values<float>(parse(header(0x0d, {4}) + singles).to_tensor(DType::f32));
  CHECK(f32[0] == 1.0f);
  CHECK(f32[1] == -2.5f);
  CHECK(f32[2] == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(f32[3]));
  const std::string doubles = "\x3f\xf0\x00\x00\x00\x00\x00\x00\xc0\x09\x21\xfb\x54\x44\x2d\x18"s;
  CHECK(values<double>(parse(header(0x0e, {2}) + doubles).to_tensor(DType::f64)) ==
        std::vector<double>{1.0, -3.141592653589793});
}

TEST_CASE("idx: every element type becomes every dtype") {
  for (const int type : {0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e}) {
    CAPTURE(type);
    const std::array<std::string, 7> ones{
        "\1", "\1", "", "\0\1"s, "\0\0\0\1"s, "\x3f\x80\0\0"s, "\x3f\xf0\0\0\0\0\0\0"s};
    const IdxArray one = parse(header(type, {1, 1}) + ones[static_cast<std::size_t>(type - 8)]);
    for (const DType dtype : {DType::f32, DType::f64, DType::i64}) {
      const Tensor tensor = one.to_tensor(dtype);
      CHECK(tensor.dtype() == dtype);
      CHECK(tensor.shape() == Shape{1, 1});
      CHECK(tensor.item() == 1.0);
    }
  }
}

TEST_CASE("idx: eight dimensions are read, and empty arrays") {
  CHECK(parse(header(0x08, {1, 1, 2, 1, 1, 1, 1, 1}) + "ab").shape == Shape{1, 1, 2, 1, 1, 1, 1, 1});
  const IdxArray none = parse(header(0x0e, {0, 28, 28}));
  CHECK(none.shape == Shape{0, 28, 28});
  CHECK(none.to_tensor(DType::f32).numel() == 0);
  CHECK(parse(pack(header(0x08, {0}))).as_bytes().empty());
}

// --- bad files -------------------------------------------------------------------------------------------------------

TEST_CASE("idx: a missing file and a folder are named") {
  const TempDir dir;
  CHECK_ERROR(read_idx(dir.file("no")),
              dir.file("no") + ": open failed (No such file or directory), expected a readable file");
  CHECK_ERROR(read_idx(dir.path()), dir.path() + ": is a directory, expected a file");
}

TEST_CASE("idx: errors start with the path") {
  const TempDir dir;
  CHECK_ERROR(read_idx(dir.write("x", "")),
              dir.file("x") + ": file is empty, expected an idx header of 8 bytes or more");
}

struct Bad {
  std::string what;
  std::string content;
  std::string message;
};

const std::string gzip_end = " bytes inside a member, expected its end; the file is truncated";

const std::vector<Bad> bad_headers{
    {"empty", "", "x: file is empty, expected an idx header of 8 bytes or more"},
    {"empty gzip", pack(""), "x: decoded data is empty, expected an idx header of 8 bytes or more"},
    {"png", "\x89PNG", "x: byte 0 is 0x89, expected 0x00; idx files start with 00 00 <type> <rank>"},
    {"second byte", "\0\x50\x08\x01"s,
     "x: byte 1 is 0x50, expected 0x00; idx files start with 00 00 <type> <rank>"},
    {"text of one byte", "a", "x: byte 0 is 0x61, expected 0x00; idx files start with 00 00 <type> <rank>"},
    {"three bytes", "\0\0\x08"s, "x: file is 3 bytes, expected an idx header of 8 or more; it is truncated"},
    {"unknown type", "\0\0\x0a\x01\0\0\0\x01?"s,
     "x: element type 0x0a is unknown, expected one of 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d "
     "(f32), "
     "0x0e (f64)"},
    {"rank 0", "\0\0\x08\0?"s, "x: 0 dimensions, expected 1 to 8"},
    {"rank 9", header(8, {1, 1, 1, 1, 1, 1, 1, 1, 1}) + "?", "x: 9 dimensions, expected 1 to 8"},
    {"rank 255", "\0\0\x08\xff"s, "x: 255 dimensions, expected 1 to 8"},
    {"sizes missing", header(0x08, {2, 3}).substr(0, 10),
     "x: file is 10 bytes, expected 12 for the header of 2 dimensions; it is truncated"},
    {"sizes missing in gzip", pack(header(0x08, {2, 3}).substr(0, 11)),
     "x: decoded data is 11 bytes, expected 12 for the header of 2 dimensions; it is truncated"},
    {"product overflows", header(0x0e, {4294967295, 4294967295, 4294967295}),
     "x: header declares f64 [4294967295, 4294967295, 4294967295], 2^64 bytes or more, expected at most "
     "4294967280"},
    {"product wraps to zero", header(0x08, {65536, 65536, 65536, 65536}),
     "x: header declares u8 [65536, 65536, 65536, 65536], 2^64 bytes or more, expected at most 4294967276"},
    {"over the cap by one", header(0x08, {4294967289}),
     "x: header declares u8 [4294967289], 4294967289 bytes, expected at most 4294967288"},
    {"over the cap with the element size", header(0x0c, {2147483648}),
     "x: header declares i32 [2147483648], 8589934592 bytes, expected at most 4294967288"},
    {"huge beside an empty dimension", header(0x08, {0, 4294967295, 4294967295, 4294967295}),
     "x: header declares u8 [0, 4294967295, 4294967295, 4294967295], 2^64 bytes or more, expected at most "
     "4294967276"},
};

TEST_CASE("idx: every bad header has its own message") {
  for (const Bad& bad : bad_headers) {
    CAPTURE(bad.what);
    CHECK_ERROR(parse(bad.content), bad.message);
  }
}

const std::vector<Bad> bad_lengths{
    {"nothing behind the header", header(0x08, {2, 3}),
     "x: file is 12 bytes, expected 18 (12 of header, 6 for u8 [2, 3]); 6 missing"},
    {"one byte short", small.substr(0, 17),
     "x: file is 17 bytes, expected 18 (12 of header, 6 for u8 [2, 3]); 1 missing"},
    {"one byte long", small + "?",
     "x: file is 19 bytes, expected 18 (12 of header, 6 for u8 [2, 3]); 1 too many"},
    {"twice", small + small, "x: file is 36 bytes, expected 18 (12 of header, 6 for u8 [2, 3]); 18 too many"},
    {"short doubles", header(0x0e, {3}) + "12345678",
     "x: file is 16 bytes, expected 32 (8 of header, 24 for f64 [3]); 16 missing"},
    {"4 GiB declared, nothing there", header(0x08, {4294967288}),
     "x: file is 8 bytes, expected 4294967296 (8 of header, 4294967288 for u8 [4294967288]); 4294967288 "
     "missing"},
    {"4 GiB declared in gzip, nothing there", pack(header(0x08, {4294967288})),
     "x: decoded data is 8 bytes, expected 4294967296 (8 of header, 4294967288 for u8 [4294967288]); "
     "4294967288 missing"},
    {"short in gzip", pack(small.substr(0, 15)),
     "x: decoded data is 15 bytes, expected 18 (12 of header, 6 for u8 [2, 3]); 3 missing"},
    {"long in gzip", pack(small + "?"),
     "x: decoded data is more than 18 bytes, expected 18 (12 of header, 6 for u8 [2, 3])"},
    {"second member too many", pack(small) + pack("?"),
     "x: decoded data is more than 18 bytes, expected 18 (12 of header, 6 for u8 [2, 3])"},
    {"garbage behind gzip", pack(small) + "?",
     "x: gzip data ends at byte 41 of 42, expected another member or nothing behind it"},
    {"truncated gzip", pack(small).substr(0, 40), "x: gzip data ends after 40" + gzip_end},
    {"two bytes of gzip", "\x1f\x8b", "x: gzip data ends after 2" + gzip_end},
};

TEST_CASE("idx: a file of the wrong length names expected and actual bytes") {
  for (const Bad& bad : bad_lengths) {
    CAPTURE(bad.what);
    CHECK_ERROR(parse(bad.content), bad.message);
  }
}

TEST_CASE("idx: a truncated file names the missing bytes") {
  for (std::size_t size = 12; size < small.size(); ++size) {
    CAPTURE(size);
    CHECK_ERROR(parse(small.substr(0, size)), "x: file is " + std::to_string(size) +
                                                  " bytes, expected 18 (12 of header, 6 for u8 [2, 3]); " +
                                                  std::to_string(18 - size) + " missing");
  }
}

TEST_CASE("idx: gzip with a wrong checksum is refused") {
  std::string wrong = pack(small);
  wrong[wrong.size() - 5] ^= 1;
  CHECK_ERROR(parse(wrong),
              "x: gzip data is corrupt at byte 37 (incorrect data check), expected intact gzip data");
}

TEST_CASE("idx: a gzip bomb stops one byte beyond what its header declares") {
  std::string bomb = pack(small);
  for (int i = 0; i < 50; ++i) bomb += pack(std::string(65'535, '\0'));
  bomb += "broken";  // never reached
  CHECK_ERROR(parse(bomb),
              "x: decoded data is more than 18 bytes, expected 18 (12 of header, 6 for u8 [2, 3])");
}

TEST_CASE("idx: every truncation and every changed byte is refused or read as declared") {
  for (const std::string& whole : {small, pack(small)}) {
    for (std::size_t size = 0; size < whole.size(); ++size)
      CHECK_THROWS_AS(parse(whole.substr(0, size)), Error);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (int value = 0; value < 256; ++value) {
        std::string changed = whole;
        changed[i] = static_cast<char>(value);
        try {
          const IdxArray array = parse(changed);
          if (whole.size() > small.size()) {
            CHECK(is_small(array));  // the checksum leaves no other content
          } else {
            CHECK(array.bytes.size() == static_cast<std::size_t>(array.shape.numel()) * size_of(array.type));
          }
        } catch (const Error&) {
        }
      }
    }
  }
}

// --- arrays ----------------------------------------------------------------------------------------------------------

TEST_CASE("idx: only u8 is given as bytes") {
  CHECK_ERROR(parse(header(0x09, {1}) + "a").as_bytes(), "idx: elements read as u8, the array [1] holds i8");
}

TEST_CASE("idx: i64 is made of integers only") {
  const IdxArray half = parse(header(0x0d, {2}) + "\x3f\x80\0\0\x3f\0\0\0"s);
  CHECK_ERROR(half.to_tensor(DType::i64), "idx: element 1 is 0.5, expected an integer to make i64 from");
  const IdxArray nan = parse(header(0x0d, {1}) + "\x7f\xc0\0\0"s);
  CHECK_ERROR(nan.to_tensor(DType::i64), "idx: element 0 is nan, expected an integer to make i64 from");
  const IdxArray huge = parse(header(0x0e, {1}) + "\x43\xe0\0\0\0\0\0\0"s);  // 2^63
  CHECK_ERROR(huge.to_tensor(DType::i64),
              "idx: element 0 is 9.22337e+18, expected an integer to make i64 from");
  const IdxArray lowest = parse(header(0x0e, {1}) + "\xc3\xe0\0\0\0\0\0\0"s);  // -2^63
  CHECK(values<std::int64_t>(lowest.to_tensor(DType::i64))[0] == INT64_MIN);
}

TEST_CASE("idx: an array whose bytes do not fit its shape is refused") {
  const TempDir dir;
  const IdxArray array{Shape{2, 3}, IdxType::i16, std::vector<std::byte>(11)};
  CHECK_ERROR(array.to_tensor(DType::f32), "idx: array holds 11 bytes, expected 12 for i16 [2, 3]");
  CHECK_ERROR(write_idx(dir.file("x"), array),
              dir.file("x") + ": array holds 11 bytes, expected 12 for i16 [2, 3]");
  CHECK(dir.names().empty());
}

// --- writing ---------------------------------------------------------------------------------------------------------

TEST_CASE("idx: what is written is the format, byte by byte") {
  const TempDir dir;
  write_idx(dir.file("x"), parse(small));
  CHECK(dir.read("x") == small);
  const std::string wide = header(0x0c, {2, 1}) + "\x01\x02\x03\x04\xff\xff\xff\xfe";
  write_idx(dir.file("x"), parse(pack(wide)));
  CHECK(dir.read("x") == wide);
  CHECK(dir.names() == std::vector<std::string>{"x"});
}

TEST_CASE("idx: large arrays of every type survive writing and reading") {
  const TempDir dir;
  for (const IdxType type :
       {IdxType::u8, IdxType::i8, IdxType::i16, IdxType::i32, IdxType::f32, IdxType::f64}) {
    CAPTURE(size_of(type));
    IdxArray array{Shape{3, 12'345}, type, {}};
    array.bytes.resize(37'035 * size_of(type));
    for (std::size_t i = 0; i < array.bytes.size(); ++i)
      array.bytes[i] = static_cast<std::byte>(i * 7919 >> 3);
    write_idx(dir.file("x"), array);
    const IdxArray back = read_idx(dir.file("x"));
    CHECK(back.shape == array.shape);
    CHECK(back.type == type);
    CHECK(back.bytes == array.bytes);
  }
}

TEST_CASE("idx: arrays that the format cannot hold are refused before the file is touched") {
  const TempDir dir;
  const std::string path = dir.write("x", "old");
  CHECK_ERROR(write_idx(path, IdxArray{Shape{}, IdxType::u8, std::vector<std::byte>(1)}),
              path + ": array has rank 0, expected 1 to 8 dimensions");
  CHECK_ERROR(write_idx(path, IdxArray{Shape{0, 4294967296}, IdxType::u8, {}}),
              path + ": size 4294967296 of [0, 4294967296], expected less than 2^32");
  CHECK(dir.read("x") == "old");
}

}  // namespace
