// CSV: core/io's reader by RFC 4180, and files as datasets.

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/io/csv.hpp>
#include <rill/nn/data/csv.hpp>

#include "temp_dir.hpp"

namespace {

using namespace rill;
using namespace rill::nn::data;
using namespace std::string_literals;
using io::CsvKind;
using io::CsvReader;
using io::parse_csv_value;
using rill::test::TempDir;

using Record = std::vector<std::string>;
using Records = std::vector<Record>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

Records records_of(std::string_view text, char delimiter = ',') {
  CsvReader reader = CsvReader::from_text(text, "a.csv", delimiter);
  Records records;
  while (reader.next()) {
    Record& record = records.emplace_back();
    for (std::size_t i = 0; i < reader.size(); ++i) record.emplace_back(reader[i]);
  }
  return records;
}

// --- the reader ------------------------------------------------------------------------------------------------------

TEST_CASE("csv: fields are cut at delimiters and records at line ends") {
  CHECK(records_of("a,b\nc,d\n") == Records{{"a", "b"}, {"c", "d"}});
}

TEST_CASE("csv: the last line may end without a line feed") {
  CHECK(records_of("a,b\nc,d") == Records{{"a", "b"}, {"c", "d"}});
}

TEST_CASE("csv: lines may end with CRLF, which belongs to no field") {
  CHECK(records_of("a,b\r\n\"c\",d\r\n") == Records{{"a", "b"}, {"c", "d"}});
}

TEST_CASE("csv: quotes hold delimiters, line breaks and doubled quotes") {
  CHECK(records_of("\"a,b\",\"c\r\nd\",\"say \"\"yes\"\"\",\"\"\"\"\n") ==
        Records{{"a,b", "c\r\nd", "say \"yes\"", "\""}});
}

TEST_CASE("csv: fields may be empty, with quotes or without, also the last one") {
  CHECK(records_of(",\"\",\n,,") == Records{{"", "", ""}, {"", "", ""}});
}

TEST_CASE("csv: spaces belong to the field") { CHECK(records_of(" a , b\n") == Records{{" a ", " b"}}); }

TEST_CASE("csv: a byte order mark is skipped, also before a quote") {
  CHECK(records_of("\xEF\xBB\xBF\"a\",b\n") == Records{{"a", "b"}});
  CHECK(records_of("\xEF\xBB\xBF") == Records{});
}

TEST_CASE("csv: empty lines at the end are no records, and neither is an empty file") {
  CHECK(records_of("a,b\n\r\n\n") == Records{{"a", "b"}});
  CHECK(records_of("") == Records{});
  CHECK(records_of("\n") == Records{});
}

TEST_CASE("csv: another delimiter leaves commas alone") {
  CHECK(records_of("1,5;2\n", ';') == Records{{"1,5", "2"}});
  CHECK(records_of("a\tb\n", '\t') == Records{{"a", "b"}});
}

TEST_CASE("csv: line() is where a record starts, with line breaks in quotes counted") {
  CsvReader reader = CsvReader::from_text("a\n\"b\nc\nd\"\ne\n", "a.csv");
  std::vector<std::int64_t> lines;
  while (reader.next()) lines.push_back(reader.line());
  CHECK(lines == std::vector<std::int64_t>{1, 2, 5});
}

TEST_CASE("csv: records, quotes and line ends may lie across the reader's buffer") {
  // The buffer takes 65536 bytes; every length of the first field puts another byte on its edge.
  for (std::size_t length = 65520; length < 65545; ++length) {
    const std::string filler(length, 'x');
    const Records found = records_of(filler + ",\"q\"\"\r\n,\"\r\nlast,\"\"\r\n");
    REQUIRE(found.size() == 2);
    CHECK(found[0] == Record{filler, "q\"\r\n,"});
    CHECK(found[1] == Record{"last", ""});
  }
}

TEST_CASE("csv: what RFC 4180 does not allow is refused with file and line") {
  CHECK_ERROR(
      records_of("a,b\nc,d\"e\n"),
      "a.csv:2: there is a quote inside of a field without quotes, expected the whole field in quotes "
      "and each quote in it twice");
  CHECK_ERROR(records_of("a\n\"b\"c\n"),
              "a.csv:2: a closing quote is followed by \"c\", expected a delimiter or the end of the line");
  CHECK_ERROR(
      records_of("a\n\"b\nc\"\x01\n"),
      "a.csv:3: a closing quote is followed by \"\\x01\", expected a delimiter or the end of the line");
  CHECK_ERROR(records_of("a\nb,\"c\nd\n"),
              "a.csv:2: a quote is opened and never closed, expected another one");
  CHECK_ERROR(
      records_of("a\rb\n"),
      "a.csv:1: there is a carriage return without a line feed, expected lines that end with LF or CRLF");
  CHECK_ERROR(records_of("a\nb\0c\n"s), "a.csv:2: there is a zero byte, expected text in UTF-8");
  CHECK_ERROR(records_of("a\n\0b\n"s), "a.csv:2: there is a zero byte, expected text in UTF-8");
  CHECK_ERROR(records_of("a\n\"b\0c\"\n"s), "a.csv:2: there is a zero byte, expected text in UTF-8");
  CHECK_ERROR(records_of("a,b\n\n\nc,d\n"),
              "a.csv:2: the line is empty, expected a record; only the end of a file may hold empty lines");
  CHECK_ERROR(records_of("\na\n"),
              "a.csv:1: the line is empty, expected a record; only the end of a file may hold empty lines");
}

TEST_CASE("csv: a record that never ends is refused before memory is full") {
  CHECK_ERROR(
      records_of("\"" + std::string((4 << 20) + 1, 'x')),
      "a.csv:1: the record is longer than 4194304 bytes, expected a shorter one; a quote may be left open");
}

TEST_CASE("csv: delimiters count as well: a record of nothing else is refused") {
  const std::size_t most = io::max_csv_fields;
  const std::string commas(most - 1, ',');
  CsvReader widest = CsvReader::from_text(commas, "a.csv");
  CHECK(widest.next());
  CHECK(widest.size() == most);
  CHECK_ERROR(records_of(std::string(most, ',')),
              "a.csv:1: the record has more than 262144 fields, expected fewer");
  CHECK_ERROR(
      records_of("," + std::string(4 << 20, 'x')),
      "a.csv:1: the record is longer than 4194304 bytes, expected a shorter one; a quote may be left open");
}

TEST_CASE("csv: trimmed() leaves out the blanks around a field, not those in quotes") {
  CsvReader reader = CsvReader::from_text(" \ta b ,\" c \", \n", "a.csv");
  CHECK(reader.next());
  CHECK(reader.trimmed(0) == "a b");
  CHECK(reader.trimmed(1) == " c ");
  CHECK(reader.trimmed(2).empty());
}

TEST_CASE("csv: without a delimiter it is the one that parts the first record, a comma if none does") {
  const auto found = [](std::string_view text) {
    CsvReader reader = CsvReader::from_text(text, "a.csv", std::nullopt);
    CHECK(reader.next());
    return std::pair(reader.delimiter(), reader.size());
  };
  CHECK(found("a,b;c\n") == std::pair(',', std::size_t{2}));
  CHECK(found("a;b\n1,5;2\n") == std::pair(';', std::size_t{2}));
  CHECK(found("\"a\";\"b\"\n") == std::pair(';', std::size_t{2}));
  CHECK(found("\xEF\xBB\xBFx\ty\tz\n") == std::pair('\t', std::size_t{3}));
  CHECK(found("a|b") == std::pair('|', std::size_t{2}));
  CHECK(found("a b\nc,d\n") == std::pair(',', std::size_t{1}));
}

TEST_CASE("csv: what gzip has compressed is refused by its name") {
  CHECK_ERROR(records_of(std::string("\x1f\x8b\x08\0", 4)),
              "a.csv: this is compressed by gzip, expected text; unpack it first");
}

TEST_CASE("csv: delimiters that numbers, names or lines may hold are refused") {
  for (const char bad : {'"', '\n', '\r', '.', '-', '+', '0', 'e', 'Z'})
    CHECK_THROWS_AS(CsvReader::from_text("", "a.csv", bad), Error);
  CHECK_ERROR(
      CsvReader::from_text("", "a.csv", '\0'),
      "csv: delimiter is \"\\x00\", expected one ASCII character that no number, name, quote or line end "
      "holds");
}

// --- numbers ---------------------------------------------------------------------------------------------------------

TEST_CASE("csv: numbers are the nearest f32, with spaces and a plus allowed") {
  const auto number = [](std::string_view text) {
    const io::CsvValue value = parse_csv_value(text);
    CHECK(value.kind == CsvKind::number);
    return value.number;
  };
  CHECK(number("1.5") == 1.5F);
  CHECK(number(" \t-2e3 ") == -2000.0F);
  CHECK(number("+7") == 7.0F);
  CHECK(number(".5") == 0.5F);
  CHECK(number("5.") == 5.0F);
  CHECK(number("0.1") == 0.1F);
  CHECK(number("16777217") == 16777216.0F);
  CHECK(number("3.4028235e38") == std::numeric_limits<float>::max());
  CHECK(number("1e-45") == std::numeric_limits<float>::denorm_min());
  CHECK(number("1e-60") == 0.0F);
  CHECK(std::signbit(number("-0")));
}

TEST_CASE("csv: numbers below f64 are 0, as those below f32, and those above it are not finite") {
  const std::string zeros(400, '0');
  for (const std::string& text : {"1e-400"s, "1E-99999999999999999999"s, "123456.5e-400"s,
                                  "0." + zeros + "1"s, "0." + zeros + "1e10"s, "+.1e-400"s, "0e400"s}) {
    CHECK(parse_csv_value(text).kind == CsvKind::number);
    CHECK(parse_csv_value(text).number == 0.0F);
  }
  CHECK(std::signbit(parse_csv_value("-1e-400").number));
  for (const std::string& text :
       {"1e400"s, "1e+400"s, "-0.001e400"s, "1e99999999999999999999"s, "1" + zeros, "1" + zeros + "e-10"s})
    CHECK(parse_csv_value(text).kind == CsvKind::not_finite);
}

TEST_CASE("csv: what is no number is told apart: missing, not finite, text") {
  for (const auto* text : {"", " ", "?", "NA", "n/a", "#N/A", "NaN", "-nan", "null", "NULL", "None"})
    CHECK(parse_csv_value(text).kind == CsvKind::missing);
  for (const auto* text : {"inf", "-INF", "infinity", "1e39", "-1e400"})
    CHECK(parse_csv_value(text).kind == CsvKind::not_finite);
  for (const auto* text : {"abc", "1,5", "1 2", "0x10", "1e", "--1", "+-1", "+", "-", ".", "1_000", "1.2.3"})
    CHECK(parse_csv_value(text).kind == CsvKind::text);
}

TEST_CASE("csv: a locale with a decimal comma changes nothing") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"}) {
    if (!std::setlocale(LC_ALL, name)) continue;
    CHECK(parse_csv_value("1.5").number == 1.5F);
    CHECK(parse_csv_value("1,5").kind == CsvKind::text);
    break;
  }
  std::setlocale(LC_ALL, before.c_str());
}

// --- datasets --------------------------------------------------------------------------------------------------------

const std::string iris =
    "sepal,petal,species\n"
    "5.1,1.4,setosa\n"
    "7.0,4.7,versicolor\n"
    "6.3,6.0,virginica\n"
    "4.9,1.5,setosa\n";

CsvData load(const std::string& text, const CsvOptions& options) {
  const TempDir folder;
  return load_csv(folder.write("a.csv", text), options);
}

std::vector<float> floats(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }
std::vector<std::int64_t> labels(const Tensor& y) {
  return {y.data<std::int64_t>().begin(), y.data<std::int64_t>().end()};
}

TEST_CASE("load_csv: features, class names in order, and labels that count them") {
  const CsvData data = load(iris, {.target = "species"});
  CHECK(data.features == Record{"sepal", "petal"});
  CHECK(data.target == "species");
  CHECK(data.classes == Record{"setosa", "versicolor", "virginica"});
  CHECK(data.dataset->classes() == 3);
  CHECK(data.dataset->x().shape() == Shape{4, 2});
  CHECK(floats(data.dataset->x()) == std::vector<float>{5.1F, 1.4F, 7.0F, 4.7F, 6.3F, 6.0F, 4.9F, 1.5F});
  CHECK(labels(data.dataset->y()) == std::vector<std::int64_t>{0, 1, 2, 0});
}

TEST_CASE("load_csv: classes are sorted, whatever comes first in the file") {
  CHECK(load("1,b\n2,a\n3,B\n", {.target = -1}).classes == Record{"B", "a", "b"});
  CHECK(labels(load("1,b\n2,a\n3,B\n", {.target = -1}).dataset->y()) == std::vector<std::int64_t>{2, 1, 0});
}

TEST_CASE("load_csv: integer classes are sorted as integers") {
  const CsvData data = load("10,1\n9,2\n-1,3\n10,4\n", {.target = 0});
  CHECK(data.classes == Record{"-1", "9", "10"});
  CHECK(labels(data.dataset->y()) == std::vector<std::int64_t>{2, 1, 0, 2});
}

TEST_CASE(
    "load_csv: given classes decide the labels, and may have no sample or a name like a missing value") {
  const CsvData data = load("1,b\n2,None\n", {.target = 1, .classes = {"None", "a", "b"}});
  CHECK(data.classes == Record{"None", "a", "b"});
  CHECK(data.dataset->classes() == 3);
  CHECK(labels(data.dataset->y()) == std::vector<std::int64_t>{2, 0});
}

TEST_CASE("load_csv: chosen features come in the order asked, by name or number") {
  const CsvData data = load("a,b,c,d\n1,2,3,x\n5,6,7,y\n", {.target = "d", .features = {"c", 0}});
  CHECK(data.features == Record{"c", "a"});
  CHECK(floats(data.dataset->x()) == std::vector<float>{3, 1, 7, 5});
}

TEST_CASE("load_csv: columns that are not chosen may hold anything") {
  CHECK(floats(load("a,b,c\n1,,x\n2,?,y\n", {.target = "c", .features = {"a"}}).dataset->x()) ==
        std::vector<float>{1, 2});
}

TEST_CASE("load_csv: a regression's targets are numbers, [rows, 1]") {
  const CsvData data = load("x,price\n1,2.5\n2,-3\n", {.target = "price", .regression = true});
  CHECK(data.dataset->classes() == 0);
  CHECK(data.classes.empty());
  CHECK(data.dataset->y().shape() == Shape{2, 1});
  CHECK(floats(data.dataset->y()) == std::vector<float>{2.5F, -3.0F});
}

TEST_CASE("load_csv: a first row of numbers is no header, one with a name is") {
  CHECK(load("1,2,a\n3,4,b\n", {.target = 2}).dataset->size() == 2);
  CHECK(load("1,2,a\n3,4,b\n", {.target = 2}).features == Record{"0", "1"});
  CHECK(load("u,v,class\n3,4,b\n", {.target = 2}).dataset->size() == 1);
  CHECK(load("u,v,class\n3,4,b\n", {.target = 2}).features == Record{"u", "v"});
}

TEST_CASE("load_csv: a header may be stated where its names are numbers") {
  const CsvData data = load("0,1,2\n3,4,5\n", {.header = CsvHeader::present, .target = 2});
  CHECK(data.dataset->size() == 1);
  CHECK(data.features == Record{"0", "1"});
  CHECK(load("0,1,2\n3,4,5\n", {.header = CsvHeader::absent, .target = 2}).dataset->size() == 2);
}

TEST_CASE("load_csv: semicolons, a byte order mark and CRLF are read as other programs write them") {
  const CsvData data =
      load("\xEF\xBB\xBF\"a\";\"class\"\r\n1.5;\"x;y\"\r\n", {.target = "class", .delimiter = ';'});
  CHECK(data.features == Record{"a"});
  CHECK(data.classes == Record{"x;y"});
}

TEST_CASE("load_csv_inputs: reads features alone, with and without a header") {
  const TempDir folder;
  const CsvInputs plain = load_csv_inputs(folder.write("plain.csv", "1,2\n3,4\n5,6\n"));
  CHECK_FALSE(plain.header);
  CHECK(plain.x.shape() == Shape{3, 2});
  const CsvInputs named = load_csv_inputs(folder.write("named.csv", "b,a\n1,2\n"), {.features = {"a", "b"}});
  CHECK(named.header);
  CHECK(floats(named.x) == std::vector<float>{2, 1});
  CHECK(load_csv_inputs(folder.write("iris.csv", iris), {.target = "species"}).x.shape() == Shape{4, 2});
}

TEST_CASE("load_csv: bad cells are refused with file, line, column and value") {
  const TempDir folder;
  const auto refuse = [&](const std::string& text, const std::string& message, const CsvOptions& options) {
    const std::string path = folder.write("a.csv", text);
    CHECK_ERROR(load_csv(path, options), path + message);
  };
  const CsvOptions named{.target = "c"};
  refuse("a,b,c\n1,2,x\n1,,x\n",
         ":3: column \"b\" is empty (a missing value), expected a number; fill in or remove such rows, or "
         "have them filled (CsvMissing::nan; in a run \"missing\": \"median\")",
         named);
  refuse("a,b,c\n1,NaN,x\n",
         ":2: column \"b\" is \"NaN\" (a missing value), expected a number; fill in or remove such rows, or "
         "have them filled (CsvMissing::nan; in a run \"missing\": \"median\")",
         named);
  refuse("a,b,c\n1,?,x\n",
         ":2: column \"b\" is \"?\" (a missing value), expected a number; fill in or remove such rows, or "
         "have them filled (CsvMissing::nan; in a run \"missing\": \"median\")",
         named);
  refuse("a,b,c\n1,2,\n",
         ":2: column \"c\" is empty (a missing value), expected a class name; remove such rows before",
         named);
  refuse("a,b,c\n1,2,NA\n",
         ":2: column \"c\" is \"NA\" (a missing value), expected a class name; remove such rows before, or "
         "list it in `classes` if it is one",
         named);
  refuse("a,b,c\n1,abc,x\n",
         ":2: column \"b\" is \"abc\", expected a number; a column of text can be one-hot", named);
  refuse("a,b,c\n1,2 3,x\n", ":2: column \"b\" is \"2 3\", expected a number", named);
  refuse("a,b,c\n1,inf,x\n", ":2: column \"b\" is \"inf\", expected a finite number that f32 holds", named);
  refuse("a,b,c\n1e50,2,x\n", ":2: column \"a\" is \"1e50\", expected a finite number that f32 holds", named);
  refuse("a,b,c\n1,\"2\n3\",x\n", ":2: column \"b\" is \"2\\x0a3\", expected a number", named);
  refuse("a,b,c\n1," + std::string(50, 'y') + ",x\n",
         ":2: column \"b\" is \"" + std::string(40, 'y') +
             "...\", expected a number; a column of text can be one-hot",
         named);
  refuse("1,2,x\n1,y,x\n", ":2: column 1 is \"y\", expected a number", {.target = 2});
  refuse("a,c\n1,x\n2,z\n", ":3: column \"c\" is \"z\", expected one of \"x\", \"y\"",
         {.target = "c", .classes = {"x", "y"}});
  refuse("a,c\n1,x\n", ":2: column \"c\" is \"x\", expected a number", {.target = "c", .regression = true});
  // A missing value does not make a header of the first row.
  refuse("1,NA,x\n1,2,x\n",
         ":1: column 1 is \"NA\" (a missing value), expected a number; fill in or remove such rows, or have "
         "them filled (CsvMissing::nan; in a run \"missing\": \"median\")",
         {.target = 2});
}

TEST_CASE("load_csv: rows and columns that do not fit are refused") {
  const TempDir folder;
  const auto refuse = [&](const std::string& text, const std::string& message, const CsvOptions& options) {
    const std::string path = folder.write("a.csv", text);
    CHECK_ERROR(load_csv(path, options), path + message);
  };
  refuse("a,b,c\n1,2,x\n1,x\n", ":3: there are 2 fields, expected 3 as in line 1", {.target = "c"});
  refuse("a,b,c\n1,2,x,\n", ":2: there are 4 fields, expected 3 as in line 1", {.target = "c"});
  refuse("a,b,c\n1,2,x\n", ":1: there is no column \"d\", expected one of \"a\", \"b\", \"c\"",
         {.target = "d"});
  refuse("a,b,c\n1,2,x\n", ":1: there is no column 3, expected -3 to 2", {.target = 3});
  refuse("a,b,c\n1,2,x\n", ":1: there is no column \"b \", expected one of \"a\", \"b\", \"c\"",
         {.target = "c", .features = {"b "}});
  refuse("a,b,c\n1,2,x\n", ":1: column \"c\" is the target and a feature, expected one of the two",
         {.target = "c", .features = {"a", 2}});
  refuse("a,b,c\n1,2,x\n", ":1: column \"a\" is a feature twice, expected different columns",
         {.target = "c", .features = {"a", 0}});
  refuse("a,b,a\n1,2,x\n", ":1: column name \"a\" stands twice, expected different names", {.target = "b"});
  refuse(",b,c\n1,2,x\n",
         ":1: column 0 has no name, expected one; name it, or say which columns are features",
         {.target = "c"});
  refuse("c\nx\n", ":1: there is 1 column, the target, expected at least 1 feature", {.target = "c"});
  refuse("a,b,c\n", ": there are no rows below the header, expected at least 1", {.target = "c"});
  refuse("", ": there are no records, expected at least 1", {.target = "c"});
  refuse("a,c\n1,2\n2,0.5\n",
         ": all 2 classes are numbers, and \"0.5\" is not an integer, expected class names; for a regression "
         "set regression (rill new: --regression)",
         {.target = "c"});
}

TEST_CASE("load_csv: options that contradict each other are refused") {
  const TempDir folder;
  const std::string path = folder.write("a.csv", iris);
  CHECK_ERROR(load_csv(path, {.target = "species", .regression = true, .classes = {"a"}}),
              "load_csv: there are 1 classes for a regression, expected none");
  CHECK_ERROR(load_csv(path, {.header = CsvHeader::absent, .target = "species"}),
              "load_csv: a column is given by name and the header as absent, expected column numbers");
  CHECK_ERROR(load_csv(path, {.target = "species", .classes = {"a", "a"}}),
              "load_csv: class \"a\" is given twice, expected different names");
  CHECK_ERROR(
      load_csv(folder.file("none.csv"), {.target = 0}),
      folder.file("none.csv") + ": open failed (No such file or directory), expected a readable file");
}

}  // namespace

TEST_CASE("csv_field: what is written is read back as it was") {
  CHECK(io::csv_field("plain text") == "plain text");
  CHECK(io::csv_field("") == "");
  CHECK(io::csv_field("a;b") == "a;b");
  CHECK(io::csv_field("a;b", ';') == "\"a;b\"");
  std::string line;
  const std::vector<std::string> texts{"a,b", "say \"x\"", " lead", "trail\t", "two\nlines", "\r", "", "\""};
  for (const std::string& text : texts) line += (line.empty() ? "" : ",") + io::csv_field(text);
  io::CsvReader reader = io::CsvReader::from_text(line, "line");
  REQUIRE(reader.next());
  REQUIRE(reader.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) CHECK(reader.trimmed(i) == texts[i]);
}
