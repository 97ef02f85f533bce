// Safetensors files. The files are built by hand here, independent of the writer.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/io/safetensors.hpp>

#include "temp_dir.hpp"

namespace {

using namespace std::string_literals;
using rill::DType;
using rill::Error;
using rill::Shape;
using rill::Tensor;
using rill::io::load_safetensors;
using rill::io::parse_safetensors;
using rill::io::Safetensors;
using rill::io::save_safetensors;
using rill::test::TempDir;
using rill::test::to_bytes;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

// --- files by hand ---------------------------------------------------------------------------------------------------

std::string length_of(std::uint64_t value) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  return length_of(header.size()) + header + data;
}

/// One tensor "w" with the given fields, and data of eight bytes.
std::string with_fields(const std::string& fields) { return file_of("{\"w\":{" + fields + "}}", "12345678"); }

Safetensors parse(const std::string& content) { return parse_safetensors(to_bytes(content), "x"); }

const std::string one = "\0\0\x80\x3f"s, minus_two = "\0\0\0\xc0"s;  // f32
const std::string three = "\x03\0\0\0\0\0\0\0"s;                     // i64
const std::string half_f64 = "\0\0\0\0\0\0\xe0\x3f"s;                // f64

const std::string good_header =
    R"({"__metadata__":{"format":"pt","who":"rill"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
    R"("d":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},)"
    R"("0.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[16,24]}}   )";
const std::string good_data = three + half_f64 + one + minus_two;
const std::string good = file_of(good_header, good_data);

std::string bytes_of(const Tensor& tensor) {
  std::string out;
  rill::dispatch(tensor.dtype(),
                 [&]<class T>(T) { out = rill::test::to_text(std::as_bytes(tensor.data<T>())); });
  return out;
}

std::string bytes_of(const Safetensors& file) {
  std::string out;
  for (const auto& [name, tensor] : file.tensors) out += bytes_of(tensor);
  return out;
}

// --- reading ---------------------------------------------------------------------------------------------------------

TEST_CASE("safetensors: a file of all three dtypes is read, in the order of its data") {
  const TempDir dir;
  const Safetensors file = load_safetensors(dir.write("x", good));
  REQUIRE(file.tensors.size() == 3);
  CHECK(file.tensors[0].first == "n");
  CHECK(file.tensors[0].second.dtype() == DType::i64);
  CHECK(file.tensors[0].second.shape() == Shape{});
  CHECK(file.tensors[0].second.item() == 3.0);
  CHECK(file.tensors[1].first == "d");
  CHECK(file.tensors[1].second.dtype() == DType::f64);
  CHECK(file.tensors[1].second.shape() == Shape{1});
  CHECK(file.tensors[1].second.item() == 0.5);
  CHECK(file.tensors[2].first == "0.weight");
  CHECK(file.tensors[2].second.shape() == Shape{1, 2});
  CHECK(file.tensors[2].second.data<float>()[0] == 1.0f);
  CHECK(file.tensors[2].second.data<float>()[1] == -2.0f);
  CHECK_FALSE(file.tensors[2].second.requires_grad());
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"who", "rill"}});
}

TEST_CASE("safetensors: the header may list tensors in any order and with spaces") {
  const Safetensors file = parse(file_of(
      R"({ "b" : {"data_offsets": [4, 8], "shape": [1], "dtype": "F32"}, "a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]} })",
      one + minus_two));
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].first == "a");
  CHECK(file.tensors[1].first == "b");
  CHECK(file.tensors[1].second.item() == -2.0);
}

TEST_CASE("safetensors: a file without tensors is read") {
  CHECK(parse(file_of("{}")).tensors.empty());
  CHECK(parse(file_of("{\"__metadata__\":{}}")).metadata.empty());
  CHECK(parse(file_of("{\"__metadata__\":{\"\":\"\"}}")).metadata.at("").empty());
}

TEST_CASE("safetensors: empty tensors and eight dimensions are read") {
  const Safetensors file = parse(file_of(
      R"({"z":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[1,1,1,2,1,1,1,1],"data_offsets":[0,8]},"end":{"dtype":"I64","shape":[0],"data_offsets":[8,8]}})",
      one + one));
  REQUIRE(file.tensors.size() == 3);
  CHECK(file.tensors[0].first == "z");
  CHECK(file.tensors[0].second.shape() == Shape{0, 4});
  CHECK(file.tensors[1].second.shape() == Shape{1, 1, 1, 2, 1, 1, 1, 1});
  CHECK(file.tensors[2].second.numel() == 0);
}

TEST_CASE("safetensors: names may hold escapes and any letters") {
  const Safetensors file =
      parse(file_of("{\"gr\xc3\xb6\xc3\x9f"
                    "e\\n\\u00e9\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
                    one));
  CHECK(file.tensors.at(0).first ==
        "gr\xc3\xb6\xc3\x9f"
        "e\n\xc3\xa9");
}

TEST_CASE("safetensors: NaN payloads and infinities come back bit by bit") {
  const std::string data = "\x01\x02\xc0\x7f\0\0\x80\xff"s;
  const Safetensors file = parse(file_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data));
  CHECK(bytes_of(file) == data);
}

// --- bad files -------------------------------------------------------------------------------------------------------

struct Bad {
  std::string what;
  std::string content;
  std::string message;
};

void check_all(const std::vector<Bad>& table) {
  for (const Bad& bad : table) {
    CAPTURE(bad.what);
    CHECK_ERROR(parse(bad.content), bad.message);
  }
}

TEST_CASE("safetensors: bad lengths") {
  const std::string w = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  check_all({
      {"empty", "", "x: 0 bytes, expected at least 8 for the header's length"},
      {"seven bytes", "1234567", "x: 7 bytes, expected at least 8 for the header's length"},
      {"above the cap", length_of(2097153) + "{}",
       "x: header length is 2097153, expected at most 2097152; is it a safetensors file?"},
      {"2^64 - 1", length_of(UINT64_MAX) + "{}",
       "x: header length is 18446744073709551615, expected at most 2097152; is it a safetensors file?"},
      {"header cut", length_of(10) + "{}",
       "x: header length is 10, expected at most 2 in a file of 10 bytes; the file is truncated"},
      {"no header", length_of(0), "x: header starts with \"\", expected \"{\""},
      {"data cut", file_of(w, "1234567"), "x: 7 bytes follow the header, expected 8; the file is truncated"},
      {"data missing", file_of(w), "x: 0 bytes follow the header, expected 8; the file is truncated"},
      {"data too long", file_of(w, "123456789"),
       "x: 9 bytes follow the header, expected 8; the file is too long"},
      {"data without tensors", file_of("{}", "1"),
       "x: 1 bytes follow the header, expected 0; the file is too long"},
  });
}

TEST_CASE("safetensors: a header of more names than anybody needs is refused while it is read") {
  std::string header = R"({"__metadata__":{)";
  for (int i = 0; i < 25'000; ++i) header += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":"")";
  const std::string last = R"("w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})";
  CHECK(parse(file_of(header + "}}")).metadata.size() == 25'000);
  CHECK_ERROR(parse(file_of(header + "}," + last)),
              "x: header names more than 25000 tensors and texts, expected no more");
  CHECK_ERROR(parse(file_of(header + R"(,"more":""}})")),
              "x: header names more than 25000 tensors and texts, expected no more");
}

TEST_CASE("safetensors: headers that are no json object of tensors") {
  check_all({
      {"leading space", file_of(" {}"), "x: header starts with \" \", expected \"{\""},
      {"byte order mark", file_of("\xef\xbb\xbf{}"), "x: header starts with \"\\xef\", expected \"{\""},
      {"a list", file_of("[]"), "x: header starts with \"[\", expected \"{\""},
      {"trailing newline", file_of("{}\n"), "x: header ends with \"\\x0a\", expected \"}\" and spaces"},
      {"trailing zero byte", file_of("{}\0"s), "x: header ends with \"\\x00\", expected \"}\" and spaces"},
      {"hidden behind a zero byte", file_of("{}\0{}"s), "x: header holds a zero byte at 2, expected json"},
      {"only a brace", file_of("{"), "x: header ends with \"{\", expected \"}\" and spaces"},
      {"two objects", file_of("{}{}"),
       "x: header cannot be read at byte 3, near \"{}{\", expected a json object"},
      {"trailing comma", file_of(R"({"__metadata__":{},})"),
       "x: header cannot be read at byte 20, near \"\\\"__metadata__\\\":{},}\", expected a json object"},
      {"comment", file_of("{/**/}"),
       "x: header cannot be read at byte 2, near \"{/\", expected a json object"},
      {"no utf-8", file_of("{\"\xff\":{}}"),
       "x: header cannot be read at byte 3, near \"\\\"\\xff\", expected a json object"},
      {"overlong utf-8", file_of("{\"\xc0\x80\":{}}"),
       "x: header cannot be read at byte 3, near \"\\\"\\xc0\", expected a json object"},
      {"lone surrogate", file_of(R"({"\ud800":{}})"),
       "x: header cannot be read at byte 9, near \"\\\"\\\\ud800\\\"\", expected a json object"},
      {"unclosed", file_of(R"({"__metadata__":{})"),
       "x: header cannot be read at byte 19, near \"\\\"__metadata__\\\":{}\", expected a json object"},
      {"deep", file_of("{\"w\":" + std::string(100'000, '[') + "}"),
       "x: tensor \"w\" is a list, expected an object"},
      {"deep objects", file_of(R"({"w":{"dtype":{"dtype":{}}}})"),
       "x: tensor \"w\": dtype is an object, expected a string"},
      {"tensor is null", file_of(R"({"w":null})"), "x: tensor \"w\" is null, expected an object"},
      {"tensor is a number", file_of(R"({"w":7})"), "x: tensor \"w\" is 7, expected an object"},
      {"tensor is a text", file_of(R"({"w":"F32"})"), "x: tensor \"w\" is \"F32\", expected an object"},
      {"same name twice",
       file_of(
           R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
           one),
       "x: tensor \"w\" appears twice, expected once"},
      {"same name twice, one escaped",
       file_of(R"({"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\u0077":{}})"),
       "x: tensor \"w\" appears twice, expected once"},
  });
}

TEST_CASE("safetensors: bad metadata") {
  check_all({
      {"twice", file_of(R"({"__metadata__":{},"__metadata__":{}})"),
       "x: \"__metadata__\" appears twice, expected once"},
      {"null", file_of(R"({"__metadata__":null})"), "x: \"__metadata__\" is null, expected an object"},
      {"list", file_of(R"({"__metadata__":[]})"), "x: \"__metadata__\" is a list, expected an object"},
      {"key twice", file_of(R"({"__metadata__":{"k":"1","k":"1"}})"),
       "x: __metadata__: \"k\" appears twice, expected once"},
      {"number", file_of(R"({"__metadata__":{"k":1}})"), "x: __metadata__: \"k\" is 1, expected a string"},
      {"boolean", file_of(R"({"__metadata__":{"k":true}})"),
       "x: __metadata__: \"k\" is true, expected a string"},
      {"object", file_of(R"({"__metadata__":{"k":{}}})"),
       "x: __metadata__: \"k\" is an object, expected a string"},
      {"list inside", file_of(R"({"__metadata__":{"k":["v"]}})"),
       "x: __metadata__: \"k\" is a list, expected a string"},
  });
}

TEST_CASE("safetensors: bad fields of a tensor") {
  const std::string f32 = R"("dtype":"F32",)", shape = R"("shape":[2],)", offsets = R"("data_offsets":[0,8])";
  const auto dtype = [&](const std::string& name) {
    return with_fields("\"dtype\":" + name + "," + shape + offsets);
  };
  const std::string missing = " is missing, expected dtype, shape and data_offsets";
  const std::string unsupported = " is not supported, expected F32, F64, I64, F16 or BF16";
  check_all({
      {"nothing", with_fields(""), "x: tensor \"w\": dtype" + missing},
      {"no dtype", with_fields(shape + offsets), "x: tensor \"w\": dtype" + missing},
      {"no shape", with_fields(f32 + offsets), "x: tensor \"w\": shape" + missing},
      {"no offsets", with_fields(R"("shape":[2],"dtype":"F32")"), "x: tensor \"w\": data_offsets" + missing},
      {"unknown field", with_fields(f32 + shape + offsets + ",\"strides\":[1]"),
       "x: tensor \"w\": unknown field \"strides\", expected dtype, shape and data_offsets"},
      {"dtype twice", with_fields(f32 + f32 + shape + offsets),
       "x: tensor \"w\": dtype appears twice, expected once"},
      {"shape twice", with_fields(f32 + shape + shape + offsets),
       "x: tensor \"w\": shape appears twice, expected once"},
      {"offsets twice", with_fields(f32 + shape + offsets + "," + offsets),
       "x: tensor \"w\": data_offsets appears twice, expected once"},
      {"I32", dtype("\"I32\""), "x: tensor \"w\": dtype \"I32\"" + unsupported},
      {"F8_E4M3", dtype("\"F8_E4M3\""), "x: tensor \"w\": dtype \"F8_E4M3\"" + unsupported},
      {"U8", dtype("\"U8\""), "x: tensor \"w\": dtype \"U8\"" + unsupported},
      {"lower case", dtype("\"f32\""), "x: tensor \"w\": dtype \"f32\"" + unsupported},
      {"a line break in the dtype", dtype(R"("F\n32")"), "x: tensor \"w\": dtype \"F\\x0a32\"" + unsupported},
      {"an endless dtype", dtype("\"" + std::string(1000, 'F') + "\""),
       "x: tensor \"w\": dtype \"" + std::string(80, 'F') + "...\"" + unsupported},
      {"dtype is a number", dtype("32"), "x: tensor \"w\": dtype is 32, expected a string"},
      {"dtype is a list", dtype("[]"), "x: tensor \"w\": dtype is a list, expected a string"},
      {"shape is a number", with_fields(f32 + "\"shape\":2," + offsets),
       "x: tensor \"w\": shape is 2, expected a list of integers"},
      {"shape is a text", with_fields(f32 + "\"shape\":\"2\"," + offsets),
       "x: tensor \"w\": shape is \"2\", expected a list of integers"},
      {"offsets are an object", with_fields(f32 + shape + "\"data_offsets\":{}"),
       "x: tensor \"w\": data_offsets is an object, expected a list of integers"},
  });
}

TEST_CASE("safetensors: sizes and offsets that are no plain integers") {
  const auto size = [](const std::string& text) {
    return with_fields("\"dtype\":\"F32\",\"shape\":[" + text + "],\"data_offsets\":[0,8]");
  };
  const auto offsets = [](const std::string& text) {
    return with_fields("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" + text + "]");
  };
  const std::string integers = ", expected integers from 0 to 2^64 - 1";
  check_all({
      {"2.0", size("2.0"), "x: tensor \"w\": shape holds 2.0" + integers},
      {"1e3", size("1e3"), "x: tensor \"w\": shape holds 1e3" + integers},
      {"-1", size("-1"), "x: tensor \"w\": shape holds -1" + integers},
      {"-0", size("-0"), "x: tensor \"w\": shape holds -0" + integers},
      {"2^64", size("18446744073709551616"), "x: tensor \"w\": shape holds 18446744073709551616" + integers},
      {"below -2^63", size("-9223372036854775809"),
       "x: tensor \"w\": shape holds -9223372036854775809" + integers},
      {"text", size("\"2\""), "x: tensor \"w\": shape holds \"2\"" + integers},
      {"true", size("true"), "x: tensor \"w\": shape holds true" + integers},
      {"nested", size("[2]"), "x: tensor \"w\": shape holds a list" + integers},
      {"object", size("{}"), "x: tensor \"w\": shape holds an object" + integers},
      {"leading zero", size("02"), "x: header cannot be read at byte 31, near \"2\", expected a json object"},
      {"1e400", size("1e400"), "x: header cannot be read at byte 34, near \"1e400\", expected a json object"},
      {"nine sizes", size("1,1,1,1,1,1,1,1,1"),
       "x: tensor \"w\": shape holds more than 8 numbers, expected at most 8"},
      {"no offsets", offsets(""), "x: tensor \"w\": data_offsets holds 0 numbers, expected begin and end"},
      {"one offset", offsets("8"), "x: tensor \"w\": data_offsets holds 1 numbers, expected begin and end"},
      {"three offsets", offsets("0,8,8"),
       "x: tensor \"w\": data_offsets holds more than 2 numbers, expected begin and end"},
      {"fraction", offsets("0,8.0"), "x: tensor \"w\": data_offsets holds 8.0" + integers},
      {"negative", offsets("-8,0"), "x: tensor \"w\": data_offsets holds -8" + integers},
  });
}

TEST_CASE("safetensors: shapes and offsets that lie") {
  const auto tensor = [](const std::string& name, const std::string& shape, const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets +
           "]}";
  };
  const auto single = [&](const std::string& shape, const std::string& offsets) {
    return file_of("{" + tensor("w", shape, offsets) + "}", "12345678");
  };
  const auto pair = [&](const std::string& first, const std::string& second) {
    return file_of("{" + tensor("a", "1", first) + "," + tensor("b", "1", second) + "}", "12345678");
  };
  const std::string too_many = " has too many elements, expected fewer than 2^60";
  const std::string max = "18446744073709551615";
  check_all({
      {"the shape needs more", file_of("{" + tensor("2.weight", "2,10", "0,40") + "}", std::string(40, 'd')),
       "x: tensor \"2.weight\": data_offsets end at 40, expected 80 for f32 [2, 10]"},
      {"the shape needs less", single("1", "0,8"),
       "x: tensor \"w\": data_offsets end at 8, expected 4 for f32 [1]"},
      {"a scalar of two", single("", "0,8"), "x: tensor \"w\": data_offsets end at 8, expected 4 for f32 []"},
      {"an empty one with data", single("0", "0,8"),
       "x: tensor \"w\": data_offsets end at 8, expected 0 for f32 [0]"},
      {"end before begin", single("2", "8,0"),
       "x: tensor \"w\": data_offsets begin at 8, expected 0; there is a hole"},
      {"end before begin, later", pair("0,4", "4,0"),
       "x: tensor \"b\": data_offsets end at 0, expected 8 for f32 [1]"},
      {"does not begin at 0", single("1", "4,8"),
       "x: tensor \"w\": data_offsets begin at 4, expected 0; there is a hole"},
      {"a hole", file_of("{" + tensor("a", "1", "0,4") + "," + tensor("b", "0", "8,8") + "}", "12345678"),
       "x: tensor \"b\": data_offsets begin at 8, expected 4; there is a hole"},
      {"overlap", pair("0,4", "2,6"),
       "x: tensor \"b\": data_offsets begin at 2, expected 4; tensors overlap"},
      {"the same place twice", pair("0,4", "0,4"),
       "x: tensor \"b\": data_offsets begin at 0, expected 4; tensors overlap"},
      {"far beyond the file", single("1", max + "," + max),
       "x: tensor \"w\": data_offsets begin at " + max + ", expected 0; there is a hole"},
      {"a product that wraps to zero", single("65536,65536,65536,65536", "0,0"),
       "x: tensor \"w\": f32 [65536, 65536, 65536, 65536]" + too_many},
      {"bytes that wrap to zero", single("4611686018427387904", "0,0"),
       "x: tensor \"w\": f32 [4611686018427387904]" + too_many},
      {"the largest size", single(max, "0,8"), "x: tensor \"w\": f32 [" + max + "]" + too_many},
      {"huge beside an empty dimension", single("0," + max, "0,0"),
       "x: tensor \"w\": f32 [0, " + max + "]" + too_many},
      {"an honest terabyte that is not there", single("274877906944", "0,1099511627776"),
       "x: 8 bytes follow the header, expected 1099511627776; the file is truncated"},
  });
}

TEST_CASE("safetensors: offsets whose sum leaves 64 bits are refused") {
  std::string header = "{";
  std::uint64_t begin = 0;
  constexpr std::uint64_t elements = INT64_MAX / 8;
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t end = begin + 4 * elements;
    header += (i ? ",\"" : "\"") + std::to_string(i) + "\":{\"dtype\":\"F32\",\"shape\":[" +
              std::to_string(elements) + "],\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(end) + "]}";
    begin = end;
  }
  // The first four end at 2^64 - 16; the fifth wraps, so it sorts behind them and ends before it begins.
  CHECK_ERROR(parse(file_of(header + "}")), "x: tensor \"4\": data_offsets end at " + std::to_string(begin) +
                                                ", expected less than 2^64 for f32 [1152921504606846975]");
}

TEST_CASE("safetensors: every truncation of a file is refused") {
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(parse(good.substr(0, size)), Error);
  }
}

TEST_CASE("safetensors: every changed header byte is refused or leaves the data whole") {
  std::size_t refused = 0;
  const std::size_t header_end = good.size() - good_data.size();
  for (std::size_t i = 0; i < header_end; ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = good;
      changed[i] = static_cast<char>(value);
      std::string data = good_data;
      std::size_t count = 3;
      try {
        const Safetensors file = parse(changed);
        data = bytes_of(file);
        count = file.tensors.size();
      } catch (const Error&) {
        ++refused;
      }
      if (data != good_data || count != 3) {
        CAPTURE(changed);
        CHECK(data == good_data);
        CHECK(count == 3);
      }
    }
  }
  CHECK(refused > 200 * header_end / 2);
}

// --- writing ---------------------------------------------------------------------------------------------------------

TEST_CASE("safetensors: what is written is the format, byte by byte") {
  const TempDir dir;
  Safetensors file;
  file.tensors.emplace_back("b", rill::tensor({1, -2}));
  file.tensors.emplace_back("a", rill::tensor({1}));
  file.tensors.emplace_back("n", rill::full(Shape{}, 3, DType::i64));
  file.tensors.emplace_back("d", rill::tensor({0.5}, DType::f64));
  file.metadata = {{"k", "v\"\n"}};
  save_safetensors(dir.file("x"), file);
  std::string header =
      R"({"__metadata__":{"k":"v\"\n"},"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
      R"("n":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},)"
      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[20,28]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(dir.read("x") == file_of(header, half_f64 + three + one + one + minus_two));
  CHECK(dir.names() == std::vector<std::string>{"x"});
}

TEST_CASE("safetensors: an empty file and lone metadata are written") {
  const TempDir dir;
  save_safetensors(dir.file("x"), {});
  CHECK(dir.read("x") == file_of("{}      "));
  save_safetensors(dir.file("x"), {{}, {{"a", "b"}, {"c", "d"}}});
  CHECK(dir.read("x") == file_of(R"({"__metadata__":{"a":"b","c":"d"}}      )"));
}

TEST_CASE("safetensors: what is saved is loaded again, bit by bit") {
  const TempDir dir;
  Safetensors file;
  rill::Generator generator(7);
  file.tensors.emplace_back("w", rill::randn(Shape{33, 17}, generator, DType::f64));
  file.tensors.emplace_back("none", rill::zeros(Shape{3, 0, 2}));
  file.tensors.emplace_back("odd", rill::randn(Shape{3, 5, 7}, generator));
  Tensor special = rill::zeros(Shape{3});
  special.mutable_data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  special.mutable_data<float>()[1] = -std::numeric_limits<float>::infinity();
  special.mutable_data<float>()[2] = -0.0f;
  file.tensors.emplace_back("special \xe2\x82\xac\n", special);
  save_safetensors(dir.file("x"), file);
  const Safetensors back = load_safetensors(dir.file("x"));
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    CHECK(back.tensors[i].first == file.tensors[i].first);
    CHECK(back.tensors[i].second.shape() == file.tensors[i].second.shape());
    CHECK(back.tensors[i].second.dtype() == file.tensors[i].second.dtype());
    CHECK(bytes_of(back.tensors[i].second) == bytes_of(file.tensors[i].second));
  }
}

TEST_CASE("safetensors: tensors that cannot be named are refused before the file is touched") {
  const TempDir dir;
  const std::string path = dir.write("x", "old");
  const Tensor w = rill::ones(Shape{1});
  CHECK_ERROR(save_safetensors(path, {{{"", w}}, {}}), path + ": a tensor has no name, expected one");
  CHECK_ERROR(save_safetensors(path, {{{"__metadata__", w}}, {}}),
              path + ": a tensor is named \"__metadata__\", expected another name");
  CHECK_ERROR(save_safetensors(path, {{{"w", w}, {"v", w}, {"w", w}}, {}}),
              path + ": tensor \"w\" appears twice, expected once");
  CHECK_ERROR(save_safetensors(path, {{{"w", Tensor()}}, {}}),
              path + ": tensor \"w\" is undefined, expected elements");
  CHECK_ERROR(save_safetensors(path, {{{"w\xff", w}}, {}}),
              path + ": text \"w\\xff\" is not utf-8, expected utf-8");
  CHECK_ERROR(save_safetensors(path, {{}, {{"k", "\xc3"}}}),
              path + ": text \"\\xc3\" is not utf-8, expected utf-8");
  CHECK_ERROR(save_safetensors(path, {{}, {{"k", std::string(2'097'152, 'v')}}}),
              path + ": header takes 2097184 bytes, expected at most 2097152");
  std::map<std::string, std::string> texts;
  for (int i = 0; i < 25'000; ++i) texts[std::to_string(i)] = "";
  CHECK_ERROR(save_safetensors(path, {{{"w", w}}, texts}),
              path + ": there are 1 tensors and 25000 texts, expected at most 25000 together");
  CHECK(dir.read("x") == "old");
  CHECK(dir.names() == std::vector<std::string>{"x"});
  save_safetensors(path, {{}, texts});
  CHECK(load_safetensors(path).metadata == texts);
}

TEST_CASE("safetensors: errors of the file itself start with its path") {
  const TempDir dir;
  CHECK_ERROR(load_safetensors(dir.file("no")),
              dir.file("no") + ": open failed (No such file or directory), expected a readable file");
  CHECK_ERROR(load_safetensors(dir.write("x", "short")),
              dir.file("x") + ": 5 bytes, expected at least 8 for the header's length");
  CHECK_ERROR(save_safetensors(dir.path(), {}),
              dir.path() + ": is a directory, expected a regular file or a free name");
}

// --- 16 bits ---------------------------------------------------------------------------------------------------------

TEST_CASE("safetensors: F16 is read as f32, exactly") {
  // 1, -2, 65504 (the largest), 2^-14 (the smallest normal), 2^-24 (the smallest), 1023 · 2^-24, 1/3 rounded, inf, -0
  const std::string data = "\x00\x3c\x00\xc0\xff\x7b\x00\x04\x01\x00\xff\x03\x55\x35\x00\x7c\x00\x80"s;
  const Safetensors file = parse(file_of(R"({"w":{"dtype":"F16","shape":[9],"data_offsets":[0,18]}})", data));
  const Tensor& w = file.tensors.at(0).second;
  CHECK(w.dtype() == DType::f32);
  const std::vector<float> expected{1.0f,         -2.0f,       65504.0f, 0x1p-14f, 0x1p-24f,
                                    0x1.ff8p-15f, 0x1.554p-2f, INFINITY, -0.0f};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(w.data<float>()[i] == expected[i]);
    CHECK(std::signbit(w.data<float>()[i]) == std::signbit(expected[i]));
  }
}

TEST_CASE("safetensors: BF16 is the upper half of f32") {
  const std::string data = "\x80\x3f\x49\xc0\x01\x00\x80\xff"s;
  const Safetensors file = parse(file_of(R"({"w":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}})", data));
  CHECK(bytes_of(file) == "\0\0\x80\x3f\0\0\x49\xc0\0\0\x01\0\0\0\x80\xff"s);
  CHECK(parse(file_of(R"({"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", "\x01\x7e"s))
            .tensors[0]
            .second.item() != 0);  // NaN
}

TEST_CASE("safetensors: the shape of halves decides how many bytes there are") {
  check_all({{"four for one", file_of(R"({"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,4]}})", "1234"),
              "x: tensor \"w\": data_offsets end at 4, expected 2 for bf16 [1]"}});
}

// --- checksums -------------------------------------------------------------------------------------------------------

TEST_CASE("safetensors: a checksum is the CRC-32 of the file with zeros in its place") {
  const TempDir dir;
  save_safetensors(dir.file("x"), {{{"w", rill::tensor({1})}}, {}, true});
  // The CRC is Python's: zlib.crc32 of these bytes.
  std::string expected =
      R"({"__metadata__":{"rill.checksum":"b1a0367e","rill.format":"1"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  expected.resize((expected.size() + 7) / 8 * 8, ' ');
  CHECK(dir.read("x") == file_of(expected, one));
  const Safetensors back = load_safetensors(dir.file("x"));
  CHECK(back.checksum);
  CHECK(back.metadata == std::map<std::string, std::string>{{"rill.format", "1"}});
}

TEST_CASE("safetensors: rill's metadata without a right checksum are refused") {
  const std::string damaged = "; the file is damaged, or was changed after it was written";
  const auto with = [](const std::string& metadata) {
    return file_of("{\"__metadata__\":{" + metadata + "}}");
  };
  check_all({
      {"none", with(R"("rill.model":"{}")"),
       "x: metadata holds \"rill.model\", expected \"rill.checksum\" beside it" + damaged},
      {"another", with(R"("rill.checksum":"1234abcd")"),
       "x: checksum is 1234abcd, expected 7b916887" + damaged},
      {"no digits", with(R"("rill.checksum":"")"), "x: checksum is \"\", expected d3e580ec" + damaged},
      {"spaces", with(R"("rill.checksum" : "1234abcd")"),
       "x: checksum \"1234abcd\" stands in the header with escapes or spaces, expected "
       "\"rill.checksum\":\"00000000\" with other digits" +
           damaged},
  });
}

TEST_CASE("safetensors: a checksum of another format is refused") {
  // The CRC is Python's: zlib.crc32 of the file with zeros in its place.
  check_all(
      {{"two", file_of(R"({"__metadata__":{"rill.checksum":"baf9ec9a","rill.format":"2"}})"),
        "x: rill.format is \"2\", expected \"1\"; read the file with the version of rill that wrote it"}});
}

TEST_CASE("safetensors: metadata that only a checksum goes with are not written without one") {
  const TempDir dir;
  CHECK_ERROR(
      save_safetensors(dir.file("x"), {{}, {{"rill.model", ""}}}),
      dir.file("x") + ": metadata \"rill.model\" goes with a checksum alone, expected checksum to be set");
  CHECK_ERROR(
      save_safetensors(dir.file("x"), {{}, {{"rill.checksum", ""}}, true}),
      dir.file("x") +
          ": metadata \"rill.checksum\" is given, expected other names; it is written where checksum is set");
  CHECK_ERROR(save_safetensors(dir.file("x"), {{}, {{"rill.format", "2"}}, true}),
              dir.file("x") + ": metadata \"rill.format\" is \"2\", expected \"1\"");
  CHECK(dir.names().empty());
}

}  // namespace
