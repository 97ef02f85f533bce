#include <charconv>
#include <cstring>
#include <optional>

#include <rill/core/io/csv.hpp>
#include <rill/nn/data/csv.hpp>

#include "reading.hpp"

namespace rill::fuzz {
namespace {

using Records = std::vector<std::vector<std::string>>;

Records records_of(std::string_view text, std::optional<char> delimiter) {
  io::CsvReader reader = io::CsvReader::from_text(text, "x.csv", delimiter);
  Records records;
  while (reader.next()) {
    std::vector<std::string>& record = records.emplace_back();
    for (std::size_t i = 0; i < reader.size(); ++i) {
      record.emplace_back(reader[i]);
      require(reader.trimmed(i).size() <= reader[i].size(), "csv: a trimmed field is longer");
    }
  }
  return records;
}

std::string quoted(const Records& records, char delimiter) {
  std::string text;
  for (const auto& record : records) {
    for (std::size_t i = 0; i < record.size(); ++i) {
      text += i > 0 ? std::string{delimiter, '"'} : "\"";
      for (const char c : record[i]) text += c == '"' ? "\"\"" : std::string(1, c);
      text += '"';
    }
    text += '\n';
  }
  return text;
}

void check_value(const std::string& field) {
  const io::CsvValue value = io::parse_csv_value(field);
  require(io::quote_csv_field(field).size() <= 4 * 40 + 5, "csv: a quoted field is too long");
  if (value.kind != io::CsvKind::number) return;
  char digits[64];
  const char* end = std::to_chars(std::begin(digits), std::end(digits), value.number).ptr;
  const io::CsvValue again = io::parse_csv_value({digits, end});
  require(again.kind == io::CsvKind::number && std::memcmp(&again.number, &value.number, sizeof(float)) == 0,
          "csv: a number is another one when it is written and read again: " + field);
}

}  // namespace

void fuzz_csv(Bytes input) {
  constexpr std::string_view delimiters = ",;\t| ";
  if (input.empty()) return;
  const std::size_t choice = std::to_integer<std::size_t>(input[0]);
  const char delimiter = delimiters[choice % delimiters.size()];
  const std::string_view text = text_of(input.subspan(1));
  Records records;
  // What is guessed reads as if it had been given.
  accepted("x.csv:", [&] {
    io::CsvReader guessing = io::CsvReader::from_text(text, "x.csv", std::nullopt);
    guessing.next();
    require(delimiters.find(guessing.delimiter()) < 4, "csv: another delimiter is guessed");
    require(records_of(text, std::nullopt) == records_of(text, guessing.delimiter()),
            "csv: a delimiter that is guessed reads other records");
  });
  const bool table = accepted("x.csv:", [&] { records = records_of(text, delimiter); });
  if (table) {
    require(records_of(quoted(records, delimiter), delimiter) == records, "csv: records are others");
    for (const auto& record : records) {
      for (const std::string& field : record) check_value(field);
    }
  }
  const std::string path = scratch().write("x.csv", text);
  const std::size_t kind = choice / delimiters.size() % 3;
  const bool read = accepted(path, [&] {
    if (kind == 2) {
      nn::data::load_csv_inputs(path, {.delimiter = delimiter});
    } else {
      nn::data::load_csv(path, {.regression = kind == 1, .delimiter = delimiter});
    }
  });
  require(table || !read, "csv: a broken table is read");
}

}  // namespace rill::fuzz
