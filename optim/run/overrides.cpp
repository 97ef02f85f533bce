#include <charconv>

#include <rill/optim/run/overrides.hpp>

namespace rill::optim::config {
namespace {

using nn::config::in_quotes;
using nn::config::Json;
using nn::config::Node;

std::vector<std::string> keys_of(const std::string& path) {
  std::vector<std::string> keys(1);
  for (const char c : path) {
    if (c == '.') {
      keys.emplace_back();
    } else {
      keys.back() += c;
    }
  }
  return keys;
}

class Override {
 public:
  Override(const std::string& text, const std::string& where)
      : where_(where + ": override " + in_quotes(text)) {
    const std::size_t sign = text.find('=');
    RILL_CHECK(sign != std::string::npos, where_,
               ": there is no \"=\", expected a path and a value such as optimizer.lr=0.01");
    keys_ = keys_of(text.substr(0, sign));
    for (const std::string& key : keys_)
      RILL_CHECK(!key.empty(), where_, ": a key is empty, expected names with dots between them");
    text_ = text.substr(sign + 1);
  }

  void apply(Json& document) {
    Json* at = &document;
    for (const std::string& key : keys_) {
      at = &part(*at, key);
      pointer_ += "/" + nn::config::pointer_token(key);
    }
    *at = value();
  }

 private:
  Json& part(Json& of, const std::string& key) {
    if (of.is_array()) return of[index(of, key)];
    if (of.is_string()) of = object_named(of);
    if (of.is_null()) of = Json::object();
    if (!of.is_object())
      fail("got " + Node(of, where_).shown() + ", expected an object to set " + in_quotes(key) + " in");
    return of[key];
  }

  // {"type": "adam"} for "adam".
  Json object_named(const Json& name) const {
    if (pointer_ == "/model")
      fail("the model is the file " + in_quotes(name.get<std::string>()) +
           ", expected a model in the run; change that file");
    return {{pointer_ == "/data" ? "format" : "type", name}};
  }

  std::size_t index(const Json& list, const std::string& key) const {
    std::size_t place = 0;
    const char* end = key.data() + key.size();
    const auto [stop, error] = std::from_chars(key.data(), end, place);
    if (error != std::errc() || stop != end || place >= list.size())
      fail("there is no item " + in_quotes(key) + ", expected a number under " + std::to_string(list.size()));
    return place;
  }

  Json value() const {
    try {
      return nn::config::parse_json(text_, "");
    } catch (const Error&) {
      return text_;
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    rill::detail::fail(where_ + (pointer_.empty() ? "" : ": " + pointer_) + ": " + what);
  }

  std::string where_, text_, pointer_;
  std::vector<std::string> keys_;
};

}  // namespace

void apply_overrides(Json& document, const std::vector<std::string>& overrides, const std::string& where) {
  for (const std::string& text : overrides) Override(text, where).apply(document);
}

}  // namespace rill::optim::config
