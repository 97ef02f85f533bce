#include <algorithm>
#include <type_traits>

#include <rill/core/error.hpp>
#include <rill/nn/config/init_config.hpp>

namespace rill::nn::config {
namespace {

// Fills a config with the options that an Init tells of.
class OptionReader {
 public:
  explicit OptionReader(const Init& init) : init_(init) {}
  template <class T>
  void required(std::string_view key, T& value, std::string_view, const Check& check = {}) {
    const auto found = std::ranges::find(init_.options(), key, &Init::Option::key);
    if (found == init_.options().end()) return;
    if constexpr (std::is_same_v<T, std::string>) {
      value = check.choices.at(static_cast<std::size_t>(found->value));
    } else {
      value = found->value;
    }
  }
  template <class T>
  void optional(std::string_view key, T& value, std::string_view doc, const Check& check = {}) {
    required(key, value, doc, check);
  }

 private:
  const Init& init_;
};

template <class... Kinds>
void choose(const Init& init, std::variant<Kinds...>& value) {
  value = Custom();
  const auto consider = [&]<class Kind>(Kind kind) {
    if (Kind::type_name != init.name()) return;
    OptionReader reader(init);
    Kind::fields(kind, reader);
    value = std::move(kind);
  };
  (consider(Kinds()), ...);
}

}  // namespace

Init Custom::make() const {
  return Init("custom", {}, [](Tensor&, Generator&) {
    rill::detail::fail(
        "init: \"custom\" is an initialiser of the program that saved the model, expected its weights or one "
        "of "
        "nn::init's");
  });
}

Init InitConfig::make() const {
  return std::visit([](const auto& kind) { return kind.make(); }, value);
}

InitConfig InitConfig::of(const Init& init) {
  InitConfig config;
  choose(init, config.value);
  return config;
}

}  // namespace rill::nn::config
