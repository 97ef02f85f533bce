// Regularizers and constraints of Keras. They act in training alone, and rill has neither.
#include <charconv>

#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {
namespace {

struct Penalty {
  std::string kind;
  double l1 = 0, l2 = 0;
  bool only_norms = false;  // l1 and l2 say all of it
};

// 0.0002, not 2e-04.
std::string decimals(double value) {
  char digits[400];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value, std::chars_format::fixed).ptr;
  return value < 1e-9 || value > 1e9 ? config::number_text(value) : std::string(digits, end);
}

double factor_in(const Node& value, const char* key) {
  if (!value.has("config") || !value.at("config").has(key)) return 0;
  const Node factor = value.at("config").at(key);
  return factor.is_null() ? 0 : factor.number(0, config::most);
}

Penalty penalty_of(const Node& value) {
  Penalty penalty;
  penalty.kind = value.is_string() ? value.text() : value.at("class_name").text();
  const bool named = value.is_string();
  const std::string& kind = penalty.kind;
  penalty.only_norms =
      kind == "L1" || kind == "L2" || kind == "L1L2" || kind == "l1" || kind == "l2" || kind == "l1_l2";
  if (!penalty.only_norms) return penalty;
  penalty.l1 = named ? (kind == "l2" || kind == "L2" ? 0 : 0.01) : factor_in(value, "l1");
  penalty.l2 = named ? (kind == "l1" || kind == "L1" ? 0 : 0.01) : factor_in(value, "l2");
  return penalty;
}

}  // namespace

void check_penalty(Layer& layer, std::string_view key) {
  const std::optional<Node> value = layer.fields.given(key);
  if (!value || layer.import.options.drop_regularizers) return;
  if (!value->is_string() && !value->is_object())
    layer.fields.refuse(key, *value, "null, a name or an object");
  const std::string has = std::string(key) + " of " + layer.fields.owner() + " is ";
  const Penalty penalty = penalty_of(*value);
  if (key.ends_with("_constraint"))
    value->fail(
        has + config::in_quotes(penalty.kind) +
        ", expected null, as rill constrains no weights; load with drop_regularizers to train without it");
  if (penalty.only_norms && penalty.l1 == 0 && penalty.l2 == 0) return;
  std::string factors;
  if (penalty.l1 != 0) factors += " with l1 " + decimals(penalty.l1);
  if (penalty.l2 != 0) factors += (factors.empty() ? " with l2 " : " and l2 ") + decimals(penalty.l2);
  const bool weight_decay = penalty.only_norms && penalty.l1 == 0 && key == "kernel_regularizer";
  value->fail(has + config::in_quotes(penalty.kind) + factors +
              ", expected null, as rill's losses have no such term; " +
              (weight_decay ? "train with weight_decay " + decimals(2 * penalty.l2) +
                                  ", which is the same for SGD and Adam and acts on every weight, or load "
                                  "with drop_regularizers"
                            : std::string("load with drop_regularizers to train without it")));
}

}  // namespace rill::nn::keras
