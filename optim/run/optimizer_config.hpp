// Optimizers as configs hold them: {"type": "adamw", "lr": 0.004, "weight_decay": 0.01}, or by name.
#pragma once

#include <memory>
#include <string_view>
#include <variant>

#include <rill/optim/adagrad.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/rmsprop.hpp>
#include <rill/optim/run/checks.hpp>
#include <rill/optim/sgd.hpp>

namespace rill::optim {
namespace config {

template <class Self, class Archive>
void shared_optimizer_fields(Self& self, Archive& archive) {
  archive.optional("lr", self.lr, "learning rate", at_least(0));
  archive.optional("weight_decay", self.weight_decay, "of weights; vectors such as biases are not decayed",
                   at_least(0));
}

template <class Self, class Archive>
void adam_fields(Self& self, Archive& archive) {
  shared_optimizer_fields(self, archive);
  archive.optional("beta1", self.beta1, "share of the mean gradient that is kept", below_one());
  archive.optional("beta2", self.beta2, "share of the mean square that is kept", below_one());
  archive.optional("eps", self.eps, "added to the root of the mean square", at_least(0));
  archive.optional("amsgrad", self.amsgrad, "with the largest mean square so far");
}

struct AdamConfig : AdamOptions {
  static constexpr std::string_view type_name = "adam";
  using Optimizer = Adam;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    adam_fields(self, archive);
  }
};

struct AdamWConfig : AdamWOptions {
  static constexpr std::string_view type_name = "adamw";
  using Optimizer = AdamW;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    adam_fields(self, archive);
  }
};

struct SgdConfig : SGDOptions {
  static constexpr std::string_view type_name = "sgd";
  using Optimizer = SGD;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("lr", self.lr, "learning rate", at_least(0));
    archive.optional("weight_decay", self.weight_decay, "of weights; vectors such as biases are not decayed",
                     at_least(0));
    archive.optional("momentum", self.momentum, "share of the last step that is kept", at_least(0));
    archive.optional("dampening", self.dampening, "share of the gradient that is left out", at_least(0));
    archive.optional("nesterov", self.nesterov, "look ahead; with momentum and without dampening");
  }
};

struct RmspropConfig : RMSpropOptions {
  static constexpr std::string_view type_name = "rmsprop";
  using Optimizer = RMSprop;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    shared_optimizer_fields(self, archive);
    archive.optional("alpha", self.alpha, "share of the mean square that is kept", below_one());
    archive.optional("eps", self.eps, "added to the root of the mean square", at_least(0));
    archive.optional("momentum", self.momentum, "share of the last step that is kept", at_least(0));
    archive.optional("centered", self.centered,
                     "divide by the deviation, not by the root of the mean square");
  }
};

struct AdagradConfig : AdagradOptions {
  static constexpr std::string_view type_name = "adagrad";
  using Optimizer = Adagrad;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    shared_optimizer_fields(self, archive);
    archive.optional("lr_decay", self.lr_decay, "the rate is lr / (1 + steps * lr_decay)", at_least(0));
    archive.optional("initial_accumulator_value", self.initial_accumulator_value, "of the sum of squares",
                     at_least(0));
    archive.optional("eps", self.eps, "added to the root of the sum of squares", at_least(0));
  }
};

}  // namespace config

struct OptimizerConfig {
  static constexpr std::string_view noun = "optimizer";
  static constexpr bool by_name = true;
  std::variant<config::AdamConfig, config::AdamWConfig, config::SgdConfig, config::RmspropConfig,
               config::AdagradConfig>
      value;

  /// Throws Error as the optimizer does. The model must outlive it.
  std::unique_ptr<Optimizer> make(nn::Module& model) const;
};

}  // namespace rill::optim
