// nn::init's initialisers as configs hold them: {"type": "kaiming_normal", "gain": 1.41, "mode": "fan_in"}, or by name.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <rill/nn/config/check.hpp>
#include <rill/nn/init.hpp>

namespace rill::nn::config {

namespace detail {

// The keys are those of Init::options().

struct Kaiming {
  double gain = 1.4142135623730951;
  std::string mode = "fan_in";
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("gain", self.gain, "factor for the activation that follows: sqrt(2) for relu",
                     at_least(0));
    archive.optional("mode", self.mode, "whether the inputs or the outputs of a unit count",
                     one_of({"fan_in", "fan_out"}));
  }
  init::Fan fan() const { return mode == "fan_out" ? init::Fan::out : init::Fan::in; }
};

struct WithGain {
  double gain = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("gain", self.gain, "factor for the activation that follows", at_least(0));
  }
};

struct Plain {
  template <class Self, class Archive>
  static void fields(Self&, Archive&) {}
};

}  // namespace detail

struct KaimingNormal : detail::Kaiming {
  static constexpr std::string_view type_name = "kaiming_normal";
  Init make() const { return init::kaiming_normal(gain, fan()); }
};
struct KaimingUniform : detail::Kaiming {
  static constexpr std::string_view type_name = "kaiming_uniform";
  Init make() const { return init::kaiming_uniform(gain, fan()); }
};
struct XavierNormal : detail::WithGain {
  static constexpr std::string_view type_name = "xavier_normal";
  Init make() const { return init::xavier_normal(gain); }
};
struct XavierUniform : detail::WithGain {
  static constexpr std::string_view type_name = "xavier_uniform";
  Init make() const { return init::xavier_uniform(gain); }
};
struct Orthogonal : detail::WithGain {
  static constexpr std::string_view type_name = "orthogonal";
  Init make() const { return init::orthogonal(gain); }
};
struct LecunNormal : detail::Plain {
  static constexpr std::string_view type_name = "lecun_normal";
  Init make() const { return init::lecun_normal(); }
};
struct LecunUniform : detail::Plain {
  static constexpr std::string_view type_name = "lecun_uniform";
  Init make() const { return init::lecun_uniform(); }
};
struct Zeros : detail::Plain {
  static constexpr std::string_view type_name = "zeros";
  Init make() const { return init::zeros(); }
};
struct Ones : detail::Plain {
  static constexpr std::string_view type_name = "ones";
  Init make() const { return init::ones(); }
};
/// What a program has given and no file can say: only for models whose weights come from a file. It refuses to draw.
struct Custom : detail::Plain {
  static constexpr std::string_view type_name = "custom";
  Init make() const;
};

struct Constant {
  static constexpr std::string_view type_name = "constant";
  double value = 0;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("value", self.value, "every element", finite());
  }
  Init make() const { return init::constant(value); }
};

struct Normal {
  static constexpr std::string_view type_name = "normal";
  double mean = 0, std = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("mean", self.mean, "mean", finite());
    archive.optional("std", self.std, "standard deviation", at_least(0));
  }
  Init make() const { return init::normal(mean, std); }
};

struct TruncatedNormal {
  static constexpr std::string_view type_name = "truncated_normal";
  double mean = 0, std = 1, low = -2, high = 2;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("mean", self.mean, "mean", finite());
    archive.optional("std", self.std, "standard deviation", above(0));
    archive.optional("low", self.low, "the least value, below high", finite());
    archive.optional("high", self.high, "the largest value", finite());
  }
  Init make() const { return init::truncated_normal(mean, std, low, high); }
};

struct Uniform {
  static constexpr std::string_view type_name = "uniform";
  double low = 0, high = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("low", self.low, "the least value", finite());
    archive.optional("high", self.high, "the largest value, no less than low", finite());
  }
  Init make() const { return init::uniform(low, high); }
};

struct InitConfig {
  static constexpr std::string_view noun = "initialiser";
  static constexpr bool by_name = true;
  std::variant<KaimingNormal, KaimingUniform, XavierNormal, XavierUniform, LecunNormal, LecunUniform,
               Orthogonal, TruncatedNormal, Normal, Uniform, Constant, Zeros, Ones, Custom>
      value;

  /// Throws Error as the function of nn::init does.
  Init make() const;
  /// What makes an initialiser like `init`; Custom for one that is none of nn::init's.
  static InitConfig of(const Init& init);
};

}  // namespace rill::nn::config
