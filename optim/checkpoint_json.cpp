#include <bit>
#include <cmath>

#include <rill/core/io/safetensors_header.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/optim/checkpoint_history.hpp>
#include <rill/optim/checkpoint_json.hpp>

namespace rill::optim::detail {
namespace {

using nn::config::Json;
using rill::detail::concat;

// --- writing ---------------------------------------------------------------------------------------------------------

void add_members(Json&) {}

template <class Value, class... Rest>
void add_members(Json& json, const char* key, Value&& value, Rest&&... rest) {
  json[key] = std::forward<Value>(value);
  add_members(json, std::forward<Rest>(rest)...);
}

// An object of keys and values, one after the other. Where memory ends within nlohmann's constructor from a list, it leaks.
template <class... Members>
Json object(Members&&... members) {
  Json json = Json::object();
  add_members(json, std::forward<Members>(members)...);
  return json;
}

Json json_of(double value) {
  if (std::isfinite(value)) return value;
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  constexpr std::string_view hex = "0123456789abcdef";
  const auto bits = std::bit_cast<std::uint64_t>(value);
  std::string text = "nan ";
  for (int shift = 60; shift >= 0; shift -= 4) text += hex[bits >> shift & 15];
  return text;
}

Json json_of(const std::map<std::string, double>& numbers) {
  Json json = Json::object();
  for (const auto& [name, value] : numbers) json[name] = json_of(value);
  return json;
}

Json json_of(const Logs& logs) {
  Json names = Json::array(), numbers = Json::array();
  for (const auto& [name, value] : logs) {
    names.push_back(name);
    numbers.push_back(json_of(value));
  }
  return object("names", std::move(names), "numbers", std::move(numbers));
}

Json json_of(const SavedOptimizer& optimizer) {
  Json groups = Json::array(), steps = Json::object();
  for (const SavedGroup& group : optimizer.groups)
    groups.push_back(object("lr", json_of(group.lr), "initial_lr", json_of(group.initial_lr), "params",
                            Json(group.params)));
  for (const auto& [name, state] : optimizer.params) steps[name] = state.steps;
  Json json = object("name", optimizer.name, "groups", std::move(groups), "steps", std::move(steps));
  if (optimizer.momentum) json["momentum"] = json_of(*optimizer.momentum);
  return json;
}

Json json_of(const std::vector<SavedPart>& parts) {
  Json json = Json::array();
  for (const SavedPart& part : parts)
    json.push_back(
        object("name", part.name, "numbers", json_of(part.state.numbers), "texts", Json(part.state.texts)));
  return json;
}

Json json_of(const SavedLoader& loader) {
  return object("samples", loader.samples, "batch_size", loader.batch_size, "batches", loader.batches,
                "shuffle", loader.shuffle, "drop_last", loader.drop_last, "seed", loader.seed, "transforms",
                Json(loader.transforms));
}

// --- reading ---------------------------------------------------------------------------------------------------------

// A value and where it stands, for messages.
class JsonPlace {
 public:
  JsonPlace(const Json& json, const std::string& where, std::string pointer)
      : json_(json), where_(where), pointer_(std::move(pointer)) {}

  JsonPlace operator[](const char* key) const {
    need(json_.is_object(), "an object");
    const auto found = json_.find(key);
    RILL_CHECK(found != json_.end(), where_, ": rill.training: ", pointer_, "/", key,
               " is missing, expected what fit() writes");
    return {*found, where_, concat(pointer_, "/", key)};
  }
  bool has(const char* key) const { return json_.is_object() && json_.contains(key); }

  /// Calls `take` with each element's key, or in a list its place, and the element.
  template <class Take>
  void each(Take take) const {
    need(json_.is_structured(), "a list or an object");
    for (const auto& [key, value] : json_.items()) take(key, JsonPlace(value, where_, pointer_ + "/" + key));
  }

  std::uint64_t bits() const {
    need(json_.is_number_unsigned(), "a whole number, 0 or more");
    return json_.get<std::uint64_t>();
  }
  std::int64_t count() const {
    need(json_.is_number_unsigned() && json_.get<std::uint64_t>() < std::uint64_t{1} << 62,
         "a whole number from 0 to 2^62 - 1");
    return json_.get<std::int64_t>();
  }
  bool flag() const {
    need(json_.is_boolean(), "true or false");
    return json_.get<bool>();
  }
  const std::string& text() const {
    need(json_.is_string(), "a text");
    return json_.get_ref<const std::string&>();
  }
  double number() const {
    if (json_.is_number()) return json_.get<double>();
    const std::string value = json_.is_string() ? json_.get<std::string>() : "";
    if (value == "inf") return HUGE_VAL;
    if (value == "-inf") return -HUGE_VAL;
    need(value.size() == 20 && value.starts_with("nan ") &&
             value.find_first_not_of("0123456789abcdef", 4) == std::string::npos,
         "a number");
    const double nan = std::bit_cast<double>(std::uint64_t{std::stoull(value.substr(4), nullptr, 16)});
    need(std::isnan(nan), "a number");
    return nan;
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> list;
    each([&](const std::string&, const JsonPlace& item) { list.push_back(item.text()); });
    return list;
  }
  std::map<std::string, double> numbers() const {
    std::map<std::string, double> map;
    each([&](const std::string& key, const JsonPlace& item) { map[key] = item.number(); });
    return map;
  }

 private:
  void need(bool right, const char* what) const {
    if (!right)
      rill::detail::fail(concat(where_, ": rill.training", pointer_.empty() ? "" : ": ", pointer_, " is ",
                                shown(), ", expected ", what));
  }
  std::string shown() const {
    if (json_.is_structured()) return json_.is_array() ? "a list" : "an object";
    return json_.is_string() ? io::safetensors::in_quotes(json_.get_ref<const std::string&>()) : json_.dump();
  }

  const Json& json_;
  const std::string& where_;
  std::string pointer_;
};

Logs logs_of(const JsonPlace& json, const std::string& where) {
  const std::vector<std::string> names = json["names"].texts();
  RILL_CHECK(names.size() <= max_history_names, where, ": rill.training: an epoch has ", names.size(),
             " names, expected at most ", max_history_names);
  Logs logs;
  std::size_t at = 0;
  json["numbers"].each([&](const std::string&, const JsonPlace& value) {
    RILL_CHECK(at < names.size(), where, ": rill.training: an epoch has more numbers than the ", names.size(),
               " names, expected one for each");
    logs.set(names[at++], value.number());
  });
  RILL_CHECK(at == names.size(), where, ": rill.training: an epoch has ", at, " numbers, expected ",
             names.size());
  return logs;
}

SavedOptimizer optimizer_of(const JsonPlace& json) {
  SavedOptimizer optimizer;
  optimizer.name = json["name"].text();
  if (json.has("momentum")) optimizer.momentum = json["momentum"].number();
  json["groups"].each([&](const std::string&, const JsonPlace& group) {
    optimizer.groups.push_back({group["lr"].number(), group["initial_lr"].number(), group["params"].texts()});
  });
  json["steps"].each(
      [&](const std::string& name, const JsonPlace& steps) { optimizer.params[name].steps = steps.count(); });
  return optimizer;
}

std::vector<SavedPart> parts_of(const JsonPlace& json) {
  std::vector<SavedPart> parts;
  json.each([&](const std::string&, const JsonPlace& item) {
    SavedPart part{item["name"].text(), {}};
    part.state.numbers = item["numbers"].numbers();
    item["texts"].each(
        [&](const std::string& key, const JsonPlace& text) { part.state.texts[key] = text.text(); });
    parts.push_back(std::move(part));
  });
  return parts;
}

SavedLoader loader_of(const JsonPlace& json) {
  return {json["samples"].count(),   json["batch_size"].count(), json["batches"].count(),
          json["shuffle"].flag(),    json["drop_last"].flag(),   json["seed"].bits(),
          json["transforms"].texts()};
}

void read_training(const JsonPlace& root, const std::string& where, Checkpoint& checkpoint) {
  const JsonPlace position = root["position"], so_far = root["epoch"];
  checkpoint.position = {position["epoch"].count(), position["epoch_step"].count(), position["step"].count(),
                         position["first_step"].count(), position["stopped"].text()};
  checkpoint.so_far = {so_far["lr"].number(), so_far["loss_sum"].number(), so_far["loss_weight"].number(),
                       logs_of(so_far["logs"], where)};
  root["counters"].each(
      [&](const std::string& name, const JsonPlace& value) { checkpoint.counters[name] = value.bits(); });
  checkpoint.optimizer = optimizer_of(root["optimizer"]);
  root["schedules"].each([&](const std::string&, const JsonPlace& schedule) {
    checkpoint.schedules.push_back({schedule["name"].text(), schedule["state"].numbers()});
  });
  checkpoint.callbacks = parts_of(root["callbacks"]);
  checkpoint.metrics = parts_of(root["metrics"]);
  checkpoint.loader = loader_of(root["loader"]);
}

}  // namespace

std::string training_text(const Checkpoint& checkpoint, const std::vector<std::string>& history,
                          const std::string& where) {
  const Position& position = checkpoint.position;
  const EpochSoFar& so_far = checkpoint.so_far;
  Json schedules = Json::array();
  for (const SavedSchedule& schedule : checkpoint.schedules)
    schedules.push_back(object("name", schedule.name, "state", json_of(schedule.state)));
  const Json json =
      object("position",
             object("epoch", position.epoch, "epoch_step", position.epoch_step, "step", position.step,
                    "first_step", position.first_step, "stopped", position.stopped),
             "epoch",
             object("lr", json_of(so_far.lr), "loss_sum", json_of(so_far.loss_sum), "loss_weight",
                    json_of(so_far.loss_weight), "logs", json_of(so_far.logs)),
             "counters", Json(checkpoint.counters), "optimizer", json_of(checkpoint.optimizer), "schedules",
             std::move(schedules), "callbacks", json_of(checkpoint.callbacks), "metrics",
             json_of(checkpoint.metrics), "loader", json_of(checkpoint.loader), "history", Json(history));
  RILL_CHECK(so_far.logs.size() <= max_history_names, "fit: the logs have ", so_far.logs.size(),
             " names, expected at most ", max_history_names, " to write a checkpoint");
  try {
    std::string text = json.dump();
    nn::config::parse_json(text, where + ": rill.training");  // throws for more than is read again
    return text;
  } catch (const Json::exception&) {
    rill::detail::fail(where + ": a name or a text of the training is not utf-8, expected utf-8");
  }
}

std::vector<std::string> read_training_text(const std::string& text, const std::string& where,
                                            Checkpoint& checkpoint) {
  const Json json = nn::config::parse_json(text, where + ": rill.training");
  const JsonPlace root(json, where, "");
  read_training(root, where, checkpoint);
  return root["history"].texts();
}

}  // namespace rill::optim::detail
