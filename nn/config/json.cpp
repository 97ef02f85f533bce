#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include <rill/core/io/file.hpp>
#include <rill/core/text.hpp>
#include <rill/nn/config/json.hpp>

namespace rill::nn::config {
namespace {

std::string place_of(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t start = before.rfind('\n');
  const std::size_t column = start == std::string_view::npos ? before.size() : before.size() - start - 1;
  return std::to_string(line) + ":" + std::to_string(std::max<std::size_t>(column, 1));
}

// What nlohmann says behind "parse error at line 1, column 5: ", on one line and of bounded length.
std::string reason_of(std::string_view message) {
  const std::size_t start = message.find(": ");
  std::string reason;
  for (const char c : start == std::string_view::npos ? message : message.substr(start + 2)) {
    const auto byte = static_cast<unsigned char>(c);
    if (reason.size() == 160) return reason + "…";
    reason += byte >= 0x20 && byte < 0x7f ? c : '?';
  }
  return reason;
}

// Builds the document, and refuses while it is read what would not be seen afterwards or would take too much.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t& digits) override {
    if (!std::isfinite(value))
      refuse("number " + in_quotes(digits) + " is beyond f64, expected a magnitude up to 1.8e308");
    return put(value);
  }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool key(string_t& value) override {
    count(keys_, max_json_keys, " keys");
    Level& level = levels_.back();
    if (level.value->contains(value)) refuse("key " + in_quotes(value) + " stands twice, expected once");
    level.key = std::move(value);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& error) override {
    if (error.id == 406)
      rill::detail::fail(at(byte) + "a number is beyond f64, expected a magnitude up to 1.8e308");
    const std::string reason = reason_of(error.what());
    const bool complete = reason.find("; expected ") != std::string::npos;
    rill::detail::fail(at(byte) + reason + (complete ? "" : ", expected json"));
  }

 private:
  struct Level {
    Json* value;
    std::string key = {};
  };

  std::string at(std::size_t byte) const { return where_ + ":" + place_of(text_, byte) + ": "; }
  [[noreturn]] void refuse(const std::string& what) const {
    constexpr std::size_t longest = 500;
    std::string pointer;
    for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
      if (pointer.size() > longest) {
        pointer += "/…";
        break;
      }
      const Level& level = levels_[i];
      pointer += "/" + (level.value->is_array() ? std::to_string(level.value->size() - 1)
                                                : pointer_token(level.key));
    }
    rill::detail::fail(where_ + ": " + pointer + (pointer.empty() ? "" : ": ") + what);
  }

  void count(std::size_t& counted, std::size_t most, const char* what) const {
    if (++counted > most)
      refuse("the document has more than " + std::to_string(most) + what + ", expected no more than that");
  }

  Json* place(Json value) {
    count(values_, max_json_values, " values");
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.value->is_object()) return &((*level.value)[level.key] = std::move(value));
    level.value->push_back(std::move(value));
    return &level.value->back();
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (levels_.size() >= max_json_depth)
      refuse("nesting is deeper than " + std::to_string(max_json_depth) + ", expected no more than that");
    levels_.push_back({place(std::move(value))});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& where_;
  Json root_;
  std::vector<Level> levels_;  // a value's address holds while it is open: only its last child grows
  std::size_t values_ = 0, keys_ = 0;
};

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string token;
  for (const char c : rill::detail::beginning(key, 100)) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += rill::detail::is_control(c) ? '?' : c;
    }
  }
  return token;
}

Json parse_json(std::string_view text, const std::string& where) {
  RILL_CHECK(text.size() <= max_json_bytes, where, ": ", text.size(), " bytes, expected at most ",
             max_json_bytes, " of json");
  RILL_CHECK(text.find_first_not_of(" \t\r\n") != std::string_view::npos, where,
             ": the file is empty, expected json");
  RILL_CHECK(!text.starts_with("\xff\xfe") && !text.starts_with("\xfe\xff"), where,
             ": the text is in UTF-16, expected UTF-8");
  // The parser would take a zero byte for the end and ignore what follows.
  const std::size_t zero = text.find('\0');
  RILL_CHECK(zero == std::string_view::npos, where, ":", place_of(text, zero + 1),
             ": a zero byte, expected json");
  Builder builder(text, where);
  Json::sax_parse(text, &builder);
  return builder.take();
}

Json read_json(const std::string& path) {
  const std::vector<std::byte> bytes = io::read_file(path, max_json_bytes);
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

const std::string& utf8_text(const std::string& text) {
  if (rill::detail::is_utf8(text)) return text;
  std::string shown = text;
  std::ranges::replace_if(
      shown, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  rill::detail::fail("config: the text " + in_quotes(shown) +
                     " is not utf-8, expected utf-8; convert what it comes from, as with iconv -t utf-8");
}

std::string number_text(double value) {
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
  return {digits, end};
}

Node Node::at(const std::string& key) const {
  expect_object();
  const auto found = value_->find(key);
  if (found == value_->end()) fail("\"" + key + "\" is missing, expected it");
  return {*found, where_, pointer_ + "/" + pointer_token(key)};
}

Node Node::operator[](std::size_t index) const {
  return {(*value_)[index], where_, pointer_ + "/" + std::to_string(index)};
}

const std::string& Node::text() const {
  if (!value_->is_string()) fail("got " + shown() + ", expected a text");
  return value_->get_ref<const std::string&>();
}

bool Node::boolean() const {
  if (!value_->is_boolean()) fail("got " + shown() + ", expected true or false");
  return value_->get<bool>();
}

double Node::number(double low, double high, bool open) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::string range = "a number";
  if (low > -infinity && high < infinity) {
    range += (open ? " above " : " from ") + number_text(low) + (open ? " and up to " : " to ") +
             number_text(high);
  } else if (low > -infinity) {
    range += open ? " above " + number_text(low) : ", " + number_text(low) + " or more";
  }
  if (!value_->is_number()) fail("got " + shown() + ", expected " + range);
  const double value = value_->get<double>();
  const bool inside = (open ? value > low : value >= low) && value <= high;
  if (!inside) fail(shown() + " is out of range, expected " + range);
  return value;
}

std::int64_t Node::integer(std::int64_t low, std::int64_t high) const {
  const std::string range = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (!value_->is_number()) fail("got " + shown() + ", expected " + range);
  if (value_->is_number_float()) {
    const double value = value_->get<double>();
    if (value != std::floor(value)) fail(shown() + " is not whole, expected " + range);
    constexpr double whole = 9007199254740992.0;  // beyond it not every whole number is an f64
    if (value < static_cast<double>(low) || value > static_cast<double>(high) || std::abs(value) > whole)
      fail(shown() + " is out of range, expected " + range);
    return static_cast<std::int64_t>(value);
  }
  const bool large = value_->is_number_unsigned() && value_->get<std::uint64_t>() > INT64_MAX;
  const std::int64_t value = large ? 0 : value_->get<std::int64_t>();
  if (large || value < low || value > high) fail(shown() + " is out of range, expected " + range);
  return value;
}

const Node& Node::expect_object() const {
  if (!value_->is_object()) fail("got " + shown() + ", expected an object");
  return *this;
}

const Node& Node::expect_array() const {
  if (!value_->is_array()) fail("got " + shown() + ", expected an array");
  return *this;
}

std::string Node::shown() const {
  if (value_->is_string()) return in_quotes(value_->get_ref<const std::string&>());
  if (value_->is_array()) return "an array of " + std::to_string(value_->size());
  if (value_->is_object()) return "an object";
  if (value_->is_number_float()) return number_text(value_->get<double>());
  return value_->dump();
}

}  // namespace rill::nn::config
