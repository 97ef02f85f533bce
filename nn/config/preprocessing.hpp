// What is done to samples before a model sees them, as configs hold it: {"type": "standardize", "mean": […], "std": […]}.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include <rill/nn/config/check.hpp>
#include <rill/nn/data/transform.hpp>

namespace rill::nn::config {

struct ScaleConfig {
  static constexpr std::string_view type_name = "scale";
  double factor = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("factor", self.factor, "x * factor", finite());
  }
};

struct NormalizeConfig {
  static constexpr std::string_view type_name = "normalize";
  double scale = 1.0 / 255, mean = 0, std = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("scale", self.scale, "(x * scale - mean) / std", finite());
    archive.optional("mean", self.mean, "(x * scale - mean) / std", finite());
    archive.optional("std", self.std, "(x * scale - mean) / std", above(0));
  }
};

struct StandardizeConfig {
  static constexpr std::string_view type_name = "standardize";
  std::vector<double> mean = {}, std = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    Check each = finite(), positive = above(0);
    each.min_items = positive.min_items = 1;
    archive.required("mean", self.mean, "of each element, or one for all", each);
    archive.required("std", self.std, "as many", positive);
  }
};

struct ImputeConfig {
  static constexpr std::string_view type_name = "impute";
  std::vector<double> values = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    Check each = finite();
    each.min_items = 1;
    archive.required("values", self.values,
                     "what a missing one (NaN) of each element becomes, or one for all", each);
  }
};

struct TransformConfig {
  static constexpr std::string_view noun = "preprocessing";
  static constexpr bool by_name = false;
  std::variant<ScaleConfig, NormalizeConfig, StandardizeConfig, ImputeConfig> value;

  /// Throws Error as the transform does.
  std::shared_ptr<const data::Transform> make() const;
  /// Throws Error for a transform that is random, or of the program's own.
  static TransformConfig of(const data::Transform& transform);
};

}  // namespace rill::nn::config
