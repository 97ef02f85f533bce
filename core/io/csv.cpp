#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/io/csv.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/text.hpp>

namespace rill::io {
namespace {

constexpr std::size_t buffer_bytes = 1 << 16;

// Independent of the locale, unlike std::isalnum.
bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void check_delimiter(char delimiter) {
  const auto code = static_cast<unsigned char>(delimiter);
  const bool taken = is_letter_or_digit(delimiter) ||
                     std::string_view("\"+-.\r\n").find(delimiter) != std::string_view::npos;
  RILL_CHECK(!taken && code != 0 && code < 0x80, "csv: delimiter is ",
             quote_csv_field(std::string_view(&delimiter, 1)),
             ", expected one ASCII character that no number, name, quote or line end holds");
}

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_missing(std::string_view text) {
  constexpr std::array<std::string_view, 8> marks{"", "?", "na", "n/a", "#n/a", "nan", "null", "none"};
  return std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) {
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
    return std::equal(text.begin(), text.end(), mark.begin(), mark.end(), same);
  });
}

// Whether a number that leaves a type's range does so towards 0, by the power of ten of its first digit that counts.
bool is_tiny(std::string_view number) {
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view mantissa = number.substr(0, e);
  const std::size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return true;
  const auto point = static_cast<std::int64_t>(std::min(mantissa.find('.'), mantissa.size()));
  std::string_view power = number.substr(std::min(e + 1, number.size()));
  if (power.starts_with('+')) power.remove_prefix(1);
  std::int64_t exponent = 0;
  if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec ==
      std::errc::result_out_of_range)
    return power.starts_with('-');
  return exponent < static_cast<std::int64_t>(first) - point;
}

}  // namespace

CsvReader::CsvReader(Source source, std::string where, std::optional<char> delimiter)
    : source_(std::move(source)),
      where_(std::move(where)),
      guesses_(!delimiter),
      delimiter_(delimiter.value_or(',')),
      buffer_(buffer_bytes) {
  check_delimiter(delimiter_);
}

CsvReader::CsvReader(const std::string& path, std::optional<char> delimiter)
    : CsvReader(
          [file = std::make_shared<FileReader>(path)](std::span<std::byte> room) { return file->read(room); },
          path, delimiter) {}

CsvReader CsvReader::from_text(std::string_view text, std::string where, std::optional<char> delimiter) {
  return CsvReader(
      [text](std::span<std::byte> room) mutable {
        const std::size_t count = std::min(room.size(), text.size());
        std::copy_n(std::as_bytes(std::span(text)).begin(), count, room.begin());
        text.remove_prefix(count);
        return count;
      },
      std::move(where), delimiter);
}

std::string CsvReader::at(std::int64_t line) const { return detail::concat(where_, ":", line); }

std::string_view CsvReader::operator[](std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : fields_[index - 1].end;
  return std::string_view(text_).substr(begin, fields_[index].end - begin);
}

std::string_view CsvReader::trimmed(std::size_t index) const {
  return fields_[index].quoted ? (*this)[index] : io::trimmed((*this)[index]);
}

bool CsvReader::refill() {
  filled_ = source_(std::as_writable_bytes(std::span(buffer_)));
  used_ = 0;
  return filled_ > 0;
}

int CsvReader::peek() {
  if (used_ == filled_ && !refill()) [[unlikely]]
    return -1;
  return static_cast<unsigned char>(buffer_[used_]);
}

// At the start of the text, whose first bytes the buffer holds.
void CsvReader::begin() {
  constexpr std::string_view mark = "\xEF\xBB\xBF", gzip = "\x1f\x8b";
  peek();
  const std::string_view start(buffer_.data(), filled_);
  RILL_CHECK(!start.starts_with(gzip), where_,
             ": this is compressed by gzip, expected text; unpack it first");
  if (start.starts_with(mark)) used_ = mark.size();
  if (guesses_) delimiter_ = guess_delimiter();
  for (const char c : {delimiter_, '\n', '\r', '"', '\0'}) ends_plain_[static_cast<unsigned char>(c)] = true;
}

char CsvReader::guess_delimiter() const {
  const std::string_view start(buffer_.data() + used_, filled_ - used_);
  for (const char delimiter : {',', ';', '\t', '|'}) {
    CsvReader reader = from_text(start, where_, delimiter);
    try {
      if (reader.next() && reader.size() > 1) return delimiter;
    } catch (const Error&) {
      // With another one it may be right; if not, who reads on says what is wrong.
    }
  }
  return ',';
}

bool CsvReader::skip_line_end() {
  if (peek() == '\r') {
    ++used_;
    RILL_CHECK(peek() == '\n', at(next_line_),
               ": there is a carriage return without a line feed, expected lines that end with LF or CRLF");
  }
  if (peek() != '\n') return false;
  ++used_;
  ++next_line_;
  return true;
}

// False at the end of the text.
bool CsvReader::skip_empty_lines() {
  const std::int64_t first = next_line_;
  while (skip_line_end()) {
  }
  if (peek() < 0) return false;
  RILL_CHECK(next_line_ == first, at(first),
             ": the line is empty, expected a record; only the end of a file may hold empty lines");
  return true;
}

void CsvReader::append(const char* text, std::size_t count) {
  // Each field before this one had a delimiter.
  RILL_CHECK(text_.size() + fields_.size() + count <= max_csv_record, at(line_),
             ": the record is longer than ", max_csv_record,
             " bytes, expected a shorter one; a quote may be left open");
  text_.append(text, count);
}

void CsvReader::read_plain() {
  while (peek() >= 0) {
    const char* const begin = buffer_.data() + used_;
    const char* const end = buffer_.data() + filled_;
    const char* const stop =
        std::find_if(begin, end, [this](char c) { return ends_plain_[static_cast<unsigned char>(c)]; });
    append(begin, static_cast<std::size_t>(stop - begin));
    used_ += static_cast<std::size_t>(stop - begin);
    if (stop == end) continue;
    RILL_CHECK(*stop != '"', at(next_line_),
               ": there is a quote inside of a field without quotes, expected the whole field in quotes and "
               "each quote in it twice");
    RILL_CHECK(*stop != '\0', at(next_line_), ": there is a zero byte, expected text in UTF-8");
    return;
  }
}

void CsvReader::read_quoted() {
  const std::int64_t opened = next_line_;
  ++used_;
  while (true) {
    const int c = peek();
    RILL_CHECK(c >= 0, at(opened), ": a quote is opened and never closed, expected another one");
    RILL_CHECK(c != 0, at(next_line_), ": there is a zero byte, expected text in UTF-8");
    const char symbol = buffer_[used_++];
    if (symbol == '"') {
      if (peek() != '"') return;
      ++used_;
    }
    next_line_ += symbol == '\n';
    append(&symbol, 1);
  }
}

bool CsvReader::next() {
  if (line_ == 0) begin();
  text_.clear();
  fields_.clear();
  line_ = next_line_;
  if (!skip_empty_lines()) return false;
  while (true) {
    const bool quoted = peek() == '"';
    quoted ? read_quoted() : read_plain();
    RILL_CHECK(fields_.size() < max_csv_fields, at(line_), ": the record has more than ", max_csv_fields,
               " fields, expected fewer");
    fields_.push_back({text_.size(), quoted});
    if (peek() == static_cast<unsigned char>(delimiter_)) {
      ++used_;
      continue;
    }
    if (skip_line_end() || peek() < 0) return true;
    const char symbol = buffer_[used_];
    detail::fail(detail::concat(at(next_line_), ": a closing quote is followed by ",
                                quote_csv_field(std::string_view(&symbol, 1)),
                                ", expected a delimiter or the end of the line"));
  }
}

CsvValue parse_csv_value(std::string_view field) {
  const std::string_view text = trimmed(field);
  // from_chars takes no plus, and after ours no second sign may follow.
  const bool plus = text.starts_with('+');
  const std::string_view digits = text.substr(plus ? 1 : 0);
  const char* const end = digits.data() + digits.size();
  float number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error == std::errc::invalid_argument || stop != end || (plus && digits.starts_with('-')))
    return {is_missing(text) ? CsvKind::missing : CsvKind::text};
  if (error == std::errc::result_out_of_range) {
    if (!is_tiny(digits)) return {CsvKind::not_finite};
    double wide = digits.starts_with('-') ? -0.0 : 0.0;  // which stays where f64 has none closer
    std::from_chars(digits.data(), end, wide);
    return {CsvKind::number, static_cast<float>(wide), wide};
  }
  if (std::isnan(number)) return {CsvKind::missing};
  if (!std::isfinite(number)) return {CsvKind::not_finite};
  double wide = number;
  constexpr std::size_t exact_digits = 7;  // of integers in f32
  if (digits.size() > exact_digits || digits.find_first_of(".eE") != std::string_view::npos)
    std::from_chars(digits.data(), end, wide);
  return {CsvKind::number, number, wide};
}

std::string csv_field(std::string_view text, char delimiter) {
  const bool plain = text.find_first_of("\"\r\n") == std::string_view::npos &&
                     text.find(delimiter) == std::string_view::npos && trimmed(text) == text;
  std::string field = plain ? "" : "\"";
  for (const char c : text) field.append(c == '"' ? 2 : 1, c);
  return plain ? field : field + '"';
}

std::string quote_csv_field(std::string_view field) {
  constexpr std::size_t most = 40;
  constexpr std::string_view digits = "0123456789abcdef";
  const std::string_view shown = rill::detail::beginning(field, most);
  const bool utf8 = rill::detail::is_utf8(shown);
  std::string out = "\"";
  for (const char c : shown) {
    const auto code = static_cast<unsigned char>(c);
    if (!rill::detail::is_control(c) && (utf8 || code < 0x80)) {
      out += c;
    } else {
      out += "\\x";
      out += digits[code >> 4];
      out += digits[code & 15];
    }
  }
  return out + (shown.size() < field.size() ? "...\"" : "\"");
}

}  // namespace rill::io
