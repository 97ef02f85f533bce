// CSV files as datasets: blanks around names, classes that are numbers, and the ways to say which column is meant.

#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/nn/data/csv.hpp>

#include "temp_dir.hpp"

namespace {

using namespace rill;
using namespace rill::nn::data;
using rill::test::TempDir;

using Names = std::vector<std::string>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

CsvData load(const std::string& text, const CsvOptions& options = {}) {
  const TempDir folder;
  return load_csv(folder.write("a.csv", text), options);
}

std::vector<std::int64_t> labels(const CsvData& data) {
  const auto y = data.dataset->y().to_vector<std::int64_t>();
  return {y.begin(), y.end()};
}

TEST_CASE("load_csv: blanks around the names of a header do not count") {
  const CsvData data = load("x, y ,\tz\n1, 2, a\n", {.target = "z", .features = {"y", "x"}});
  CHECK(data.features == Names{"y", "x"});
  CHECK(data.target == "z");
}

TEST_CASE("load_csv: blanks around class names do not count") {
  const CsvData data = load("1, a\n2,a\n3,b \n");
  CHECK(data.classes == Names{"a", "b"});
  CHECK(labels(data) == std::vector<std::int64_t>{0, 0, 1});
  CHECK(labels(load("1, a\n2, b\n", {.classes = {"b", "a"}})) == std::vector<std::int64_t>{1, 0});
}

TEST_CASE("load_csv: blanks in quotes belong to the name") {
  const CsvData data = load("x,\" y \"\n1,a\n2,\" a\"\n", {.target = " y "});
  CHECK(data.target == " y ");
  CHECK(data.classes == Names{" a", "a"});
}

TEST_CASE("load_csv: names that differ in blanks alone stand twice") {
  const TempDir folder;
  const std::string path = folder.write("a.csv", "x, x,y\n1,2,a\n");
  CHECK_ERROR(load_csv(path, {.header = CsvHeader::present}),
              path + ":1: column name \"x\" stands twice, expected different names");
}

TEST_CASE("load_csv: a blank cell without quotes is a missing value") {
  const TempDir folder;
  const std::string path = folder.write("a.csv", "x,y\n1, \n");
  CHECK_ERROR(
      load_csv(path),
      path + ":2: column \"y\" is empty (a missing value), expected a class name; remove such rows before");
}

TEST_CASE("load_csv: integer classes may have a plus and blanks around them") {
  CHECK(load("1,+1\n2,-1\n").classes == Names{"-1", "+1"});
  CHECK(load("1, 10\n2, 9\n").classes == Names{"9", "10"});
  CHECK(load("1,\" 10\"\n2,\" +9 \"\n").classes == Names{" +9 ", " 10"});
}

TEST_CASE("load_csv: integer classes may be of any size, or written with a point or an exponent") {
  CHECK(load("1,99999999999999999999\n2,100\n").classes == Names{"100", "99999999999999999999"});
  CHECK(load("1,9007199254740993\n2,+9007199254740992\n").classes ==
        Names{"+9007199254740992", "9007199254740993"});
  CHECK(load("1,1e3\n2,2.0\n3,-0\n").classes == Names{"-0", "2.0", "1e3"});
}

TEST_CASE("load_csv: of classes that are numbers, the first that is not an integer is named") {
  const TempDir folder;
  for (const std::string fraction : {"0.5", "1e-400", "inf"}) {
    const std::string path = folder.write("a.csv", "1,3\n2,+1\n3, " + fraction + "\n4,7.5\n");
    CHECK_ERROR(load_csv(path), path + ": all 4 classes are numbers, and \"" + fraction +
                                    "\" is not an integer, expected class names; for a regression set "
                                    "regression (rill new: --regression)");
  }
}

TEST_CASE("load_csv: many numbers that hardly come again are no classes") {
  const TempDir folder;
  // Rows of `classes` different integers, and one of them `again` times more.
  const auto table = [&](int classes, int again) {
    std::string rows;
    for (int i = 0; i < classes; ++i) rows += "1," + std::to_string(1000 + i) + "\n";
    for (int i = 0; i < again; ++i) rows += "1,1000\n";
    return folder.write("a.csv", rows);
  };
  CHECK(load_csv(table(20, 0)).classes.size() == 20);
  CHECK(load_csv(table(21, 21)).classes.size() == 21);
  const std::string path = table(21, 20);
  CHECK_ERROR(load_csv(path),
              path +
                  ": all 21 classes are numbers, in 41 rows, expected classes that come again; for a "
                  "regression set regression (rill new: --regression)");
  CHECK(load_csv(path, {.regression = true}).dataset->size() == 41);
  Names names;
  for (int i = 0; i < 21; ++i) names.push_back(std::to_string(1000 + i));
  CHECK(load_csv(path, {.classes = names}).dataset->size() == 41);
}

TEST_CASE("load_csv: one class that is not a number makes names of all of them") {
  CHECK(load("1,10\n2,9\n3,0.5\n4,none of these\n").classes == Names{"0.5", "10", "9", "none of these"});
}

TEST_CASE("load_csv: the target is the last column where none is given") {
  const CsvData data = load("a,b,c\n1,2,x\n3,4,y\n");
  CHECK(data.target == "c");
  CHECK(data.features == Names{"a", "b"});
  CHECK(load("1,2,3.5\n", {.regression = true}).target == "2");
}

TEST_CASE("load_csv_inputs: leaves no column out where no target is given") {
  const TempDir folder;
  CHECK(load_csv_inputs(folder.write("a.csv", "a,b\n1,2\n")).features == Names{"a", "b"});
}

TEST_CASE("load_csv: names are UTF-8, or refused with their line") {
  const TempDir folder;
  const std::string bad = folder.write("a.csv", "x,y\n1,a\n2,Gen\xe8ve\n");
  CHECK_ERROR(load_csv(bad),
              bad +
                  ":3: \"Gen\\xe8ve\" is not UTF-8, expected text in it; convert the file, as with iconv "
                  "-f latin1 -t utf-8");
  const std::string header = folder.write("b.csv", "\xe9t\xe9,y\n1,a\n");
  CHECK_ERROR(load_csv(header),
              header +
                  ":1: \"\\xe9t\\xe9\" is not UTF-8, expected text in it; convert the file, as "
                  "with iconv -f latin1 -t utf-8");
  // The shortest and longest of each length, and what lies beyond them.
  for (const char* name : {"Gen\xc3\xa8ve", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(load(std::string("1,a\n2,") + name + "\n").classes.size() == 2);
  for (const char* name :
       {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xe2\x28\xa1", "\xff"})
    CHECK_THROWS_AS(load(std::string("1,a\n2,") + name + "\n"), Error);
}

TEST_CASE("load_csv: a first row that may be a header or a mistake is refused, not guessed") {
  const TempDir folder;
  const std::string mistake = folder.write("a.csv", "1.2.3,4,a\n1,2,b\n");
  CHECK_ERROR(load_csv(mistake),
              mistake +
                  ":1: column 0 is \"1.2.3\" beside numbers: a name, or a mistake? expected a "
                  "number, or names in all columns");
  CHECK(load_csv(mistake, {.header = CsvHeader::present}).features == Names{"1.2.3", "4"});
  CHECK(load("id,2019,y\n1,2,b\n").features == Names{"id", "2019"});
  CHECK(load("1st,2nd,y\n1,2,b\n").features == Names{"1st", "2nd"});
  const std::string years = folder.write("b.csv", "2019,2020,city\n1,2,Rome\n3,4,Oslo\n5,6,Rome\n7,8,Oslo\n");
  CHECK_ERROR(load_csv(years),
              years +
                  ":1: class \"city\" is that of this row alone, beside numbers: a header, or a row? "
                  "expected it said by `header`");
  CHECK(load_csv(years, {.header = CsvHeader::present}).classes == Names{"Oslo", "Rome"});
  CHECK(load_csv(years, {.header = CsvHeader::absent}).classes == Names{"Oslo", "Rome", "city"});
  CHECK(load("1,2,a\n3,4,b\n").classes == Names{"a", "b"});
}

TEST_CASE("load_csv: columns are given by variables of either type") {
  const std::string text = "a,b,c\n1,2,x\n", name = "c", feature = "b";
  const int number = 0;
  const std::int64_t last = -1;
  CHECK(load(text, {.target = name, .features = {feature, number}}).features == Names{"b", "a"});
  CHECK(load(text, {.header = CsvHeader::present, .target = last, .features = {feature}}).target == "c");
  CHECK(load(text, {.header = CsvHeader::present, .target = number, .features = {1}, .regression = true})
            .target == "a");
  CHECK(load(text, {.features = {"a", "b"}}).features == Names{"a", "b"});
  CsvOptions options;
  options.target = name;
  options.target = 2;
  options.features = {name, feature};
  options.features = {1, 0};
  CHECK(load(text, options).features == Names{"b", "a"});
}

TEST_CASE("load_csv: a row that another delimiter would part gives the hint") {
  const TempDir folder;
  const std::string path = folder.write("a.csv", "x;y\n1;2\n");
  CHECK_ERROR(load_csv(path), path +
                                  ":1: there is 1 column, the target, expected at least 1 feature; is the "
                                  "delimiter \";\"?");
  CHECK_ERROR(load_csv(path, {.target = "y"}),
              path + ":1: there is no column \"y\", expected one of \"x;y\"; is the delimiter \";\"?");
}

}  // namespace
