// CSV as in RFC 4180: records of fields, one a line; a field in double quotes may hold delimiters, line breaks, and
// quotes written twice.
//
// Invariants: one pass with a buffer of fixed size, so a file may be of any length; only a record is held at a time. A
// UTF-8 byte order mark is skipped, lines end with LF or CRLF, and empty lines stand at the end only. Numbers are read
// as written in C, whatever the locale.
// Threads: a reader belongs to one thread at a time; functions are pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rill::io {

/// The longest record, all its fields and delimiters together: 4 MiB.
inline constexpr std::size_t max_csv_record = std::size_t{4} << 20;
/// The most fields of a record.
inline constexpr std::size_t max_csv_fields = std::size_t{1} << 18;

class CsvReader {
 public:
  /// Reads the file at `path`. Without a delimiter it is that of , ; tab | which parts the first record, a comma if none does.
  /// Throws Error if the file cannot be opened, and for a delimiter that a number, a name, a quote or a line end may hold.
  explicit CsvReader(const std::string& path, std::optional<char> delimiter = ',');

  /// Reads a text at hand, which is not copied; errors start with `where`.
  static CsvReader from_text(std::string_view text, std::string where, std::optional<char> delimiter = ',');

  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  /// Moves on to the next record; false at the end. Throws Error, naming file and line, for a quote inside of a field
  /// without quotes, anything but a delimiter behind a closing quote, a quote that is never closed, a carriage return
  /// without a line feed, a zero byte, an empty line before the last record, a record above max_csv_record
  /// or max_csv_fields, and gzip.
  bool next();

  std::size_t size() const { return fields_.size(); }  ///< fields of the record
  /// A field, as it stands there but for the quotes; valid until next(). `index` lies in [0, size).
  std::string_view operator[](std::size_t index) const;
  /// The field without the spaces and tabs around it, which stay if it stands in quotes; valid as long.
  std::string_view trimmed(std::size_t index) const;
  char delimiter() const { return delimiter_; }    ///< known once next() was called
  std::int64_t line() const { return line_; }      ///< on which the record starts, counted from 1
  std::string where() const { return at(line_); }  ///< `iris.csv:3`, for messages

 private:
  struct Field {
    std::size_t end;  // in the text
    bool quoted;
  };
  using Source = std::function<std::size_t(std::span<std::byte> room)>;
  CsvReader(Source source, std::string where, std::optional<char> delimiter);

  bool refill();  // false at the end
  int peek();     // the next byte, or -1 at the end
  std::string at(std::int64_t line) const;
  void begin();
  char guess_delimiter() const;
  bool skip_line_end();
  bool skip_empty_lines();
  void read_plain();
  void read_quoted();
  void append(const char* text, std::size_t count);

  Source source_;
  std::string where_;
  bool guesses_;
  char delimiter_;
  std::array<bool, 256> ends_plain_{};  // the bytes that a field without quotes ends before
  std::vector<char> buffer_;
  std::size_t used_ = 0, filled_ = 0;  // of the buffer
  std::string text_;                   // the fields of the record, one behind the other
  std::vector<Field> fields_;
  std::int64_t line_ = 0, next_line_ = 1;
};

/// What a field holds, where a number is looked for.
enum class CsvKind {
  number,
  missing,     ///< nothing, ?, na, n/a, #n/a, nan, null or none, in upper or lower case
  not_finite,  ///< an infinity, or a number beyond f32
  text
};

struct CsvValue {
  CsvKind kind = CsvKind::missing;
  float number = 0;  ///< the nearest f32
  double wide = 0;   ///< the nearest f64
};

/// Reads a number as C writes it in decimal (`-1.5e3`, also `+2` and `.5`); spaces and tabs around it do not count.
CsvValue parse_csv_value(std::string_view field);

/// A text as a field of a file: in quotes where it has to be (RFC 4180), or where spaces at its ends would be lost.
std::string csv_field(std::string_view text, char delimiter = ',');

/// The field for a message: in quotes, on one line, cut after 40 bytes.
std::string quote_csv_field(std::string_view field);

}  // namespace rill::io
