#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/core/io/safetensors_header.hpp>
#include <rill/core/shape.hpp>
#include <rill/core/text.hpp>

namespace rill::io::safetensors {
namespace {

using Json = nlohmann::json;

constexpr std::array fields{std::string_view("dtype"), std::string_view("shape"),
                            std::string_view("data_offsets")};

/// Takes the parser's events one by one, so that duplicates, unknown fields and nesting are seen and nothing is kept
/// of a header that breaks a rule.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}

  Header header;

  bool null() override { refuse("null"); }
  bool boolean(bool value) override { refuse(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { refuse(value == 0 ? "-0" : std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { refuse(text.substr(0, 40)); }
  bool binary(binary_t&) override { refuse("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ != State::list) refuse(std::to_string(value));
    RILL_CHECK(list().size() < most(), subject(), " holds more than ", most(), " numbers, expected ",
               field_ == "shape" ? "at most 8" : "begin and end");
    list().push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::metadata) {
      header.metadata[field_] = std::move(value);
      return true;
    }
    if (state_ != State::tensor || field_ != "dtype") refuse(in_quotes(value));
    const auto known = std::ranges::find(stored_types, value, &Stored::name);
    RILL_CHECK(known != stored_types.end(), subject(), " ", in_quotes(value),
               " is not supported, expected F32, F64, I64, F16 or BF16");
    header.entries.back().stored = *known;
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ != State::start && state_ != State::root) refuse("an object");
    if (state_ == State::start) {
      state_ = State::root;
    } else if (field_ == metadata_key) {
      state_ = State::metadata;
    } else {
      header.entries.emplace_back().name = field_;
      state_ = State::tensor;
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::tensor) {
      for (std::size_t i = 0; i < fields.size(); ++i)
        RILL_CHECK(header.entries.back().seen & 1U << i, about(where_, header.entries.back().name), ": ",
                   fields[i], " is missing, expected dtype, shape and data_offsets");
    }
    state_ = state_ == State::root ? State::end : State::root;
    return true;
  }

  bool key(string_t& name) override {
    if (state_ != State::tensor && name != metadata_key)
      RILL_CHECK(++named_ <= max_safetensors_names, where_, ": header names more than ",
                 max_safetensors_names, " tensors and texts, expected no more");
    if (state_ == State::root) {
      RILL_CHECK(names_.insert(name).second, about(where_, name), " appears twice, expected once");
    } else if (state_ == State::metadata) {
      RILL_CHECK(!header.metadata.contains(name), where_, ": __metadata__: ", in_quotes(name),
                 " appears twice, expected once");
    } else {
      Entry& entry = header.entries.back();
      const auto field = std::ranges::find(fields, name);
      RILL_CHECK(field != fields.end(), about(where_, entry.name), ": unknown field ", in_quotes(name),
                 ", expected dtype, shape and data_offsets");
      const unsigned bit = 1U << (field - fields.begin());
      RILL_CHECK(!(entry.seen & bit), about(where_, entry.name), ": ", name, " appears twice, expected once");
      entry.seen |= bit;
    }
    field_ = std::move(name);
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::tensor || field_ == "dtype") refuse("a list");
    state_ = State::list;
    return true;
  }

  bool end_array() override {
    RILL_CHECK(field_ == "shape" || list().size() == most(), subject(), " holds ", list().size(),
               " numbers, expected begin and end");
    state_ = State::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception&) override {
    const std::string_view tail =
        std::string_view(token).substr(token.size() - std::min<std::size_t>(token.size(), 24));
    rill::detail::fail(rill::detail::concat(where_, ": header cannot be read at byte ", position, ", near ",
                                            in_quotes(tail, false), ", expected a json object"));
  }

 private:
  enum class State { start, root, metadata, tensor, list, end };

  std::string subject() const { return about(where_, header.entries.back().name) + ": " + field_; }
  std::vector<std::uint64_t>& list() {
    return field_ == "shape" ? header.entries.back().shape : header.entries.back().offsets;
  }
  std::size_t most() const { return field_ == "shape" ? Shape::max_rank : 2; }

  /// Throws for a value of a kind that does not belong where the parser stands.
  [[noreturn]] void refuse(const std::string& value) const {
    if (state_ == State::root)
      rill::detail::fail(about(where_, field_) + " is " + value + ", expected an object");
    if (state_ == State::metadata)
      rill::detail::fail(where_ + ": __metadata__: " + in_quotes(field_) + " is " + value +
                         ", expected a string");
    if (state_ == State::list)
      rill::detail::fail(subject() + " holds " + value + ", expected integers from 0 to 2^64 - 1");
    rill::detail::fail(subject() + " is " + value + ", expected " +
                       (field_ == "dtype" ? "a string" : "a list of integers"));
  }

  const std::string& where_;
  State state_ = State::start;
  std::string field_;            // the key that the parser saw last
  std::size_t named_ = 0;        // tensors and texts
  std::set<std::string> names_;  // of the outermost object; a file could make the hashes of its names collide
};

}  // namespace

std::string format_name(DType dtype) {
  std::string name(name_of(dtype));
  name[0] = name[0] == 'f' ? 'F' : 'I';
  return name;
}

std::string in_quotes(std::string_view text, bool utf8) {
  constexpr std::size_t longest = 80;
  constexpr std::string_view digits = "0123456789abcdef";
  const std::string_view shown = utf8 ? rill::detail::beginning(text, longest) : text.substr(0, longest);
  std::string out = "\"";
  for (const char c : shown) {
    const unsigned byte = static_cast<unsigned char>(c);
    if (rill::detail::is_control(c) || (byte > 0x7f && !utf8)) {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + (shown.size() < text.size() ? "...\"" : "\"");
}

std::string about(const std::string& where, const std::string& name) {
  return where + (name == metadata_key ? ": " : ": tensor ") + in_quotes(name);
}

Header parse_header(std::string_view text, const std::string& where) {
  HeaderReader reader(where);
  Json::sax_parse(text, &reader);
  return std::move(reader.header);
}

}  // namespace rill::io::safetensors
