// npy files: those that NumPy wrote (tests/data/npy, see make.py there), and bad ones by hand.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/nn/data/npy.hpp>

#include "temp_dir.hpp"

namespace {

using namespace rill;
using namespace std::string_literals;
using io::load_npy;
using io::parse_npy;
using io::save_npy;
using rill::test::TempDir;
using rill::test::to_bytes;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

Tensor numpy_file(const std::string& name, std::optional<DType> dtype = std::nullopt) {
  return load_npy("tests/data/npy/" + name + ".npy", dtype);
}

template <class T>
std::vector<T> values(const Tensor& x) {
  return {x.data<T>().begin(), x.data<T>().end()};
}

TEST_CASE("npy: floats that numpy wrote come bit for bit, in either byte order and every version") {
  const std::vector<double> wide{1.5, -2, 0.1, 1e-30, 3e38, -0.0};
  const std::vector<float> narrow{1.5F, -2.0F, 0.1F, 1e-30F, 3e38F, -0.0F};
  for (const char* name : {"f4", "version_2", "version_3"}) {
    const Tensor x = numpy_file(name);
    CHECK(x.shape() == Shape{2, 3});
    CHECK(values<float>(x) == narrow);
    CHECK(std::signbit(x.data<float>()[5]));
  }
  for (const char* name : {"f8", "f8_big_endian"}) {
    const Tensor x = numpy_file(name);
    CHECK(x.shape() == Shape{2, 3});
    CHECK(values<double>(x) == wide);
  }
}

TEST_CASE("npy: halves become f32, subnormal, infinite and nan ones too") {
  const std::vector<float> x = values<float>(numpy_file("f2"));
  REQUIRE(x.size() == 8);
  CHECK(x[0] == 1.0F);
  CHECK(x[1] == -2.5F);
  CHECK(x[2] == 65504.0F);
  CHECK(x[3] == 0x1p-24F);
  CHECK(x[4] == 0.0999755859375F);
  CHECK(std::signbit(x[5]));
  CHECK(x[6] == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(x[7]));
}

TEST_CASE("npy: integers and booleans become i64") {
  using Values = std::vector<std::int64_t>;
  constexpr std::int64_t low = std::numeric_limits<std::int64_t>::min(), high = -(low + 1);
  CHECK(values<std::int64_t>(numpy_file("i1")) == Values{-128, 0, 127});
  CHECK(values<std::int64_t>(numpy_file("i2_big_endian")) == Values{-32768, 1, 32767});
  CHECK(values<std::int64_t>(numpy_file("i4")) == Values{-2147483648, 7, 2147483647});
  CHECK(values<std::int64_t>(numpy_file("i8")) == Values{low, 7, high});
  CHECK(values<std::int64_t>(numpy_file("u1")) == Values{0, 128, 255});
  CHECK(values<std::int64_t>(numpy_file("u2")) == Values{0, 65535});
  CHECK(values<std::int64_t>(numpy_file("u4_big_endian")) == Values{0, 4294967295});
  CHECK(values<std::int64_t>(numpy_file("u8")) == Values{0, high});
  CHECK(values<std::int64_t>(numpy_file("bool")) == Values{1, 0, 1});
}

TEST_CASE("npy: another dtype may be asked for") {
  const Tensor x = numpy_file("u1", DType::f32);
  CHECK(x.shape() == Shape{1, 3});
  CHECK(values<float>(x) == std::vector<float>{0, 128, 255});
  CHECK(values<double>(numpy_file("f4", DType::f64))[2] == static_cast<double>(0.1F));
  CHECK_ERROR(numpy_file("f4", DType::i64),
              "tests/data/npy/f4.npy: element 0 is 1.5, expected an integer to make i64 from");
}

TEST_CASE("npy: scalars and arrays without elements are read") {
  CHECK(numpy_file("scalar").shape() == Shape{});
  CHECK(numpy_file("scalar").item() == 2.5);
  CHECK(numpy_file("empty").shape() == Shape{0, 3});
}

TEST_CASE("npy: an array in fortran order comes row-major") {
  const Tensor x = numpy_file("fortran");
  CHECK(x.shape() == Shape{2, 3, 4});
  for (std::size_t i = 0; i < 24; ++i) CHECK(x.data<float>()[i] == static_cast<float>(i));
}

TEST_CASE("npy: element types that are no numbers are refused by name") {
  const std::string types = ", expected <, > or | and f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8 or b1";
  CHECK_ERROR(numpy_file("object"),
              "tests/data/npy/object.npy: descr is '|O' (Python objects, which rill does not load)" + types);
  CHECK_ERROR(numpy_file("text"), "tests/data/npy/text.npy: descr is '<U1' (texts)" + types);
  CHECK_ERROR(numpy_file("complex"), "tests/data/npy/complex.npy: descr is '<c8' (complex numbers)" + types);
  CHECK_ERROR(numpy_file("date"), "tests/data/npy/date.npy: descr is '<M8[D]' (dates or times)" + types);
  CHECK_ERROR(
      numpy_file("record"),
      "tests/data/npy/record.npy: descr is a list (records), expected f2, f4, f8, i1, i2, i4, i8, u1, u2, "
      "u4, u8 or b1");
  CHECK_ERROR(
      numpy_file("u8_too_large"),
      "tests/data/npy/u8_too_large.npy: element 1 is 9223372036854775808, expected less than 2^63 to make "
      "i64 from");
}

// --- bad files by hand -----------------------------------------------------------------------------------------------

std::string npy(const std::string& dict, const std::string& data = "", int major = 1, int minor = 0) {
  std::string out = "\x93NUMPY"s + static_cast<char>(major) + static_cast<char>(minor);
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(dict.size() >> (8 * i) & 0xff);
  return out + dict + data;
}

Tensor parse(const std::string& content) { return parse_npy(to_bytes(content), "x.npy"); }

TEST_CASE("npy: dicts in other spellings than numpy's are read") {
  const std::string data(8, '\0');
  for (const std::string dict : {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
                                 "{'shape':(2,),'fortran_order':True,'descr':'<f4'}",
                                 "{\"descr\":\"=f4\", \"fortran_order\":False, \"shape\":(2L,)}   \n"})
    CHECK(parse(npy(dict, data)).shape() == Shape{2});
}

TEST_CASE("npy: headers that break a rule are refused") {
  const auto refuse = [](const std::string& content, const std::string& message) {
    CHECK_ERROR(parse(content), "x.npy: " + message);
  };
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
  refuse("", "file does not start with 0x93 NUMPY, expected a npy file");
  refuse("\x93NUMPX\1\0"s, "file does not start with 0x93 NUMPY, expected a npy file");
  refuse("\x93NUMPY\1", "file is 7 bytes, expected a version at byte 6; it is truncated");
  refuse(npy(good, "", 4), "version is 4.0, expected 1.0, 2.0 or 3.0");
  refuse(npy(good, "", 1, 1), "version is 1.1, expected 1.0, 2.0 or 3.0");
  refuse("\x93NUMPY\2\0\1\0"s,
         "file is 10 bytes, expected the header's length in the first 12; it is truncated");
  refuse(npy(good).substr(0, 40), "file is 40 bytes, expected 65 for the header alone; it is truncated");
  refuse("\x93NUMPY\2\0\xff\xff\xff\xff"s, "header is 4294967295 bytes, expected at most 1048576");
  refuse(npy("[1]"), "header has \"[1]\" at byte 0 of its dict, expected {");
  refuse(npy("{'descr' '<f4'}"), "header has \"'<f4'}\" at byte 9 of its dict, expected :");
  refuse(npy("{'descr': 4}"), "header has \"4}\" at byte 10 of its dict, expected a string");
  refuse(npy("{'descr': '<f4"), "header has \"'<f4\" at byte 10 of its dict, expected a string that ends");
  refuse(npy("{'descr': '<f4', 'descr': '<f4'}"), "header has descr twice, expected it once");
  refuse(npy("{'dtype': '<f4'}"), "header has the key \"dtype\", expected descr, fortran_order and shape");
  refuse(npy("{'descr': '<f4', 'fortran_order': 0}"),
         "header has \"0}\" at byte 34 of its dict, expected True or False");
  refuse(npy("{'descr': '<f4', 'shape': (2,)}"),
         "header has no fortran_order, expected descr, fortran_order and shape");
  refuse(npy("{}"), "header has no descr, expected descr, fortran_order and shape");
  refuse(npy("{'shape': (2)}"), "header has \"}\" at byte 13 of its dict, expected a tuple such as (3,)");
  refuse(npy("{'shape': (2 3)}"), "header has \"3)}\" at byte 13 of its dict, expected , or )");
  refuse(npy("{'shape': (-1,)}"),
         "header has \"-1,)}\" at byte 11 of its dict, expected a size from 0 to 2^63 - 1");
  refuse(npy("{'shape': (9223372036854775808,)}"),
         "header has \"9223372036854775808,\" at byte 11 of its dict, expected a size from 0 to 2^63 - 1");
  refuse(npy("{'shape': (2,"),
         "header has nothing at byte 13 of its dict, expected a size from 0 to 2^63 - 1");
  refuse(npy(good + " ;"), "header has \";\" at byte 56 of its dict, expected nothing but spaces behind it");
  refuse(npy("{'descr': '<f4' 'shape': (2,)}"),
         "header has \"'shape': (2,)}\" at byte 16 of its dict, expected }");
}

TEST_CASE("npy: shapes and lengths that do not fit are refused before memory is taken") {
  const auto dict = [](const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "}";
  };
  const auto refuse = [](const std::string& content, const std::string& message) {
    CHECK_ERROR(parse(content), "x.npy: " + message);
  };
  refuse(npy(dict("<f4", "(2,)"), std::string(7, '\0')),
         "file is 72 bytes, expected 73 (65 of header, 8 for f4 [2]); 1 missing");
  refuse(npy(dict("<f4", "(2,)"), std::string(9, '\0')),
         "file is 74 bytes, expected 73 (65 of header, 8 for f4 [2]); 1 too many");
  refuse(npy(dict("<f8", "(4294967296, 4294967296)")),
         "header declares f8 [4294967296, 4294967296], expected at most 17179869184 bytes");
  refuse(npy(dict("<f8", "(0, 4294967296, 4294967296)")),
         "header declares f8 [0, 4294967296, 4294967296], expected at most 17179869184 bytes");
  CHECK(parse(npy(dict("<f4", "(1,1,1,1,1,1,1,1)"), std::string(4, '\0'))).dim() == 8);
  refuse(npy(dict("<f4", "(1,1,1,1,1,1,1,1,1)")), "array has 9 dimensions, expected at most 8");
  const std::string types = ", expected <, > or | and f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8 or b1";
  refuse(npy(dict("f4", "(2,)")), "descr is 'f4'" + types);
  refuse(npy(dict("<f16", "(2,)")), "descr is '<f16'" + types);
  refuse(npy(dict("<i3", "(2,)")), "descr is '<i3'" + types);
  refuse(npy(dict("|f4", "(2,)")), "descr is '|f4' (without a byte order)" + types);
  refuse(npy(dict("", "(2,)")), "descr is ''" + types);
  refuse(npy(dict("|b1", "(2,)"), "\1\2"), "element 1 is 2, expected 0 or 1 for b1");
}

TEST_CASE("npy: every truncation of a file is refused") {
  const std::string whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", "12345678");
  CHECK(parse(whole).shape() == Shape{2});
  for (std::size_t length = 0; length < whole.size(); ++length)
    CHECK_THROWS_AS(parse(whole.substr(0, length)), Error);
}

// --- writing ---------------------------------------------------------------------------------------------------------

TEST_CASE("npy: what was saved is what is loaded, for every dtype and rank") {
  const TempDir folder;
  const std::string path = folder.file("x.npy");
  const auto back = [&](const Tensor& x) {
    save_npy(path, x);
    const Tensor y = load_npy(path);
    CHECK(y.dtype() == x.dtype());
    CHECK(y.shape() == x.shape());
    dispatch(x.dtype(), [&]<class T>(T) { CHECK(values<T>(y) == values<T>(x)); });
  };
  back(tensor({{1.5, -2, 3}, {0.1, 5, 6}}));
  back(tensor({0.1, 1e300}, DType::f64));
  back(tensor({{{7}, {-9}}}, DType::i64));
  back(full({}, 2.5));
  back(zeros({0, 4}));
}

TEST_CASE("npy: a saved file is version 1.0 with numpy's dict, and elements at a multiple of 64") {
  const TempDir folder;
  const auto head = [&](const Tensor& x) {
    save_npy(folder.file("x.npy"), x);
    const std::string content = folder.read("x.npy");
    CHECK((content.size() - static_cast<std::size_t>(x.numel()) * size_of(x.dtype())) % 64 == 0);
    CHECK(content.substr(0, 8) == "\x93NUMPY\1\0"s);
    return content.substr(10, content.find('}') - 9);
  };
  CHECK(head(zeros({2, 3})) == "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  CHECK(head(zeros({5}, DType::f64)) == "{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }");
  CHECK(head(zeros({}, DType::i64)) == "{'descr': '<i8', 'fortran_order': False, 'shape': (), }");
}

TEST_CASE("npy: a file that cannot be written or read is refused by name") {
  const TempDir folder;
  CHECK_ERROR(save_npy(folder.file("none/x.npy"), zeros({1})),
              folder.file("none/x.npy") + ": directory \"" + folder.file("none") +
                  "\" does not exist, expected one; create it first");
  CHECK_ERROR(load_npy(folder.file("x.npy")),
              folder.file("x.npy") + ": open failed (No such file or directory), expected a readable file");
}

// --- datasets --------------------------------------------------------------------------------------------------------

TEST_CASE("load_npy: samples with labels, or with numbers, make a dataset") {
  const std::string folder = "tests/data/npy/";
  const auto labelled = nn::data::load_npy(folder + "f8.npy", folder + "u2.npy");
  CHECK(labelled->sample_shape() == Shape{3});
  CHECK(labelled->classes() == 65536);
  CHECK(values<float>(labelled->x())[2] == 0.1F);
  const auto measured = nn::data::load_npy(folder + "f4.npy", folder + "f8.npy", {.regression = true});
  CHECK(measured->classes() == 0);
  CHECK(measured->target_shape() == Shape{3});
  const TempDir files;
  io::save_npy(files.file("y.npy"), tensor({0.5F, -2.F}));
  const auto single = nn::data::load_npy(folder + "f4.npy", files.file("y.npy"), {.regression = true});
  CHECK(single->target_shape() == Shape{1});
  CHECK(values<float>(single->y())[1] == -2);
}

TEST_CASE("load_npy: files that make no dataset are refused") {
  const std::string folder = "tests/data/npy/";
  CHECK_ERROR(nn::data::load_npy(folder + "f4.npy", folder + "u1.npy"),
              "tests/data/npy/u1.npy: labels are [1, 3], expected [n]");
  CHECK_ERROR(
      nn::data::load_npy(folder + "f4.npy", folder + "i1.npy"),
      "tests/data/npy/i1.npy: targets are [3], expected 2 as there are samples in tests/data/npy/f4.npy");
  CHECK_ERROR(nn::data::load_npy(folder + "f4.npy", folder + "f4.npy", {.regression = true, .classes = 2}),
              "load_npy: classes is 2 for a regression, expected none");
}

}  // namespace
