#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <rill/nn/health/nan_trap.hpp>
#include <rill/nn/health/wiring.hpp>
#include <rill/optim/recycle.hpp>

namespace rill::optim {
namespace {

using Elements = std::vector<std::int64_t>;

void fill_elements(Tensor tensor, const Elements& elements, double value) {
  if (!tensor.defined() || elements.empty()) return;
  dispatch_floating(tensor.dtype(), "recycle", [&]<class T>(T) {
    const auto data = tensor.mutable_data<T>();
    for (const std::int64_t at : elements) data[static_cast<std::size_t>(at)] = static_cast<T>(value);
  });
}

void copy_elements(const Tensor& from, Tensor to, const Elements& elements) {
  dispatch_floating(to.dtype(), "recycle", [&]<class T>(T) {
    const auto source = from.data<T>();
    const auto data = to.mutable_data<T>();
    for (const std::int64_t at : elements)
      data[static_cast<std::size_t>(at)] = source[static_cast<std::size_t>(at)];
  });
}

// The places of units in a vector that holds all `units` of a layer, once or, flattened, several times.
Elements channel_elements(const Tensor& vector, const Elements& chosen, std::int64_t units) {
  Elements found;
  if (!vector.defined()) return found;
  for (const std::int64_t u : chosen) {
    for (std::int64_t at = u; at < vector.numel(); at += units) found.push_back(at);
  }
  return found;
}

bool finite_at(const Tensor& tensor, const Elements& elements) {
  bool finite = true;
  dispatch_floating(tensor.dtype(), "recycle", [&]<class T>(T) {
    const auto data = tensor.data<T>();
    finite = std::ranges::all_of(
        elements, [&](std::int64_t at) { return std::isfinite(data[static_cast<std::size_t>(at)]); });
  });
  return finite;
}

// The places of rows in a matrix.
Elements row_elements(const Tensor& weight, const Elements& rows) {
  const std::int64_t columns = weight.shape()[1];
  Elements found;
  for (const std::int64_t row : rows) {
    for (std::int64_t i = 0; i < columns; ++i) found.push_back(row * columns + i);
  }
  return found;
}

// With variance_gain of the activation; √2 for one that it does not know.
nn::Init usual_init(const nn::LayerWiring& layer) {
  const std::string name = layer.activation == "gelu_tanh" ? "gelu" : layer.activation;
  const bool takes_parameter = name == "leaky_relu" || name == "elu" || name == "celu";
  double gain = std::sqrt(2.0);
  try {
    gain = takes_parameter && layer.parameter ? nn::init::variance_gain(name, *layer.parameter)
                                              : nn::init::variance_gain(name);
  } catch (const Error&) {
    // an op of the user's own
  }
  return nn::init::kaiming_normal(gain);
}

// The first few samples, on which the model's wiring is found.
Tensor few_samples(const nn::data::Dataset& probe) {
  const std::int64_t count = std::min<std::int64_t>(probe.size(), 8);
  Elements indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  Tensor x = empty(probe.batch_shape(count)),
         y = empty(probe.target_batch_shape(count), probe.target_dtype());
  probe.gather(indices, x, y);
  return x;
}

void check_tau(double tau) { RILL_CHECK(tau >= 0 && tau <= 1, "recycle: tau is ", tau, ", expected 0 to 1"); }

// All that recycle() does: what can fail, and then what cannot.
class Recycling {
 public:
  Recycling(nn::Module& model, Optimizer& optimizer, const nn::data::Dataset& probe,
            const RecycleOptions& options)
      : optimizer_(optimizer), options_(options) {
    check_tau(options.tau);
    const bool by_gradient = options.by == RecycleBy::gradient;
    RILL_CHECK(by_gradient || !options.loss,
               "recycle: there is a loss, but units are chosen by activity, expected one for "
               "RecycleBy::gradient alone");
    RILL_CHECK(!by_gradient || options.loss,
               "recycle: there is no loss, expected one for RecycleBy::gradient");
    health_ = nn::audit(model, probe, {.samples = options.samples, .loss = options.loss});
    wiring_ = nn::wiring(model, few_samples(probe));
    choose_layers();
    for (Choice& choice : choices_) choose_units(choice);
  }
  void draw(Generator& generator);
  RecycleReport apply();

 private:
  struct Choice {
    const nn::LayerHealth* health;
    const nn::LayerWiring* wiring;
    std::string obstacle;
    Elements units = {};
    Tensor fresh = {};
    RecycledLayer report = {};
  };

  std::string obstacle_of(const nn::LayerWiring& layer) const;
  void choose_layers();
  void choose_units(Choice& choice) const;
  Elements columns_of(const Choice& choice, const nn::OutgoingWeight& reader) const;
  const Elements& recycled_rows(const nn::NamedTensor& weight) const;
  void note_changes(Choice& choice) const;
  void fold_constants(Choice& choice) const;
  void renew(const Choice& choice);
  void disconnect(const Choice& choice);
  void forget_later(const Tensor& tensor, const Elements& elements);

  Optimizer& optimizer_;
  const RecycleOptions& options_;
  nn::HealthReport health_;
  nn::Wiring wiring_;
  std::vector<Choice> choices_;
  std::map<const void*, std::pair<Tensor, Elements>> forgotten_;  // by the tensor's identity
};

std::string Recycling::obstacle_of(const nn::LayerWiring& layer) const {
  if (!layer.obstacle.empty()) return layer.obstacle;
  std::vector<const nn::NamedTensor*> needed{&layer.weight, &layer.bias};
  for (const nn::UnitChannels& norm : layer.norms) needed.insert(needed.end(), {&norm.weight, &norm.bias});
  for (const nn::OutgoingWeight& reader : layer.outgoing) needed.push_back(&reader.weight);
  for (const nn::NamedTensor* tensor : needed) {
    if (tensor->value.defined() && !optimizer_.trains(tensor->value))
      return tensor->name + " is not trained by the optimizer";
  }
  return {};
}

void Recycling::choose_layers() {
  std::string possible, refused;
  for (const nn::LayerHealth& health : health_.layers) {
    const nn::LayerWiring& wiring = wiring_.layer(health.name);
    choices_.push_back({.health = &health, .wiring = &wiring, .obstacle = obstacle_of(wiring)});
    const std::string& why = choices_.back().obstacle;
    if (why.empty()) {
      possible += (possible.empty() ? "" : ", ") + health.name;
    } else {
      refused += (refused.empty() ? "" : "; ") + health.name + ": " + why;
    }
  }
  RILL_CHECK(!possible.empty(), "recycle: no layer can be recycled (", refused,
             "), expected one between two Dense layers that are trained");
  if (options_.layers.empty()) return;
  std::vector<Choice> named;
  for (const Choice& choice : choices_) {
    const auto times = std::ranges::count(options_.layers, choice.health->name);
    RILL_CHECK(times <= 1, "recycle: layer ", choice.health->name, " is named ", times,
               " times, expected once");
    RILL_CHECK(times == 0 || choice.obstacle.empty(), "recycle: layer ", choice.health->name,
               " cannot be recycled, for ", choice.obstacle, ", expected one of ", possible);
    if (times) named.push_back(choice);
  }
  for (const std::string& name : options_.layers) {
    const bool known =
        std::ranges::any_of(choices_, [&](const Choice& choice) { return choice.health->name == name; });
    RILL_CHECK(known, "recycle: there is no layer \"", name, "\", expected one of ", possible);
  }
  choices_ = std::move(named);
}

void Recycling::choose_units(Choice& choice) const {
  const nn::LayerHealth& health = *choice.health;
  RecycledLayer& report = choice.report;
  report = {.name = health.name, .activation = health.activation, .size = health.size()};
  if (!choice.obstacle.empty()) {
    report.notes.push_back("cannot be recycled: " + choice.obstacle);
    return;
  }
  const bool by_gradient = options_.by == RecycleBy::gradient;
  if (by_gradient) health.gradient_dormant(options_.tau);  // throws where gradients were not measured
  const auto score = by_gradient ? &nn::UnitHealth::gradient_score : &nn::UnitHealth::activity_score;
  for (std::int64_t u = 0; u < health.size(); ++u) {
    const nn::UnitHealth& unit = health.units[static_cast<std::size_t>(u)];
    if (unit.finite && unit.*score <= options_.tau) choice.units.push_back(u);
  }
  report.units = choice.units;
  report.non_finite = health.non_finite();
  if (report.non_finite > 0) {
    report.notes.push_back(
        fmt::format("{} units are NaN or infinite and were left alone; look for the cause with nn::NanTrap",
                    report.non_finite));
  }
}

void Recycling::draw(Generator& generator) {
  for (Choice& choice : choices_) {
    if (choice.units.empty()) continue;
    const Tensor& weight = choice.wiring->weight.value;
    choice.fresh = empty(weight.shape(), weight.dtype());
    (options_.init ? options_.init : usual_init(*choice.wiring))(choice.fresh, generator);
    RILL_CHECK(choice.fresh.defined() && choice.fresh.shape() == weight.shape() &&
                   choice.fresh.dtype() == weight.dtype() && nn::all_finite(choice.fresh),
               "recycle: init does not give ", weight.dtype(), " ", weight.shape(),
               " of finite numbers, expected it to fill what it is given");
  }
}

RecycleReport Recycling::apply() {
  RecycleReport report{.samples = health_.samples, .tau = options_.tau};
  for (Choice& choice : choices_) {
    if (choice.units.empty()) continue;
    note_changes(choice);
    fold_constants(choice);
  }
  for (const Choice& choice : choices_) {
    if (!choice.units.empty()) renew(choice);
  }
  for (const Choice& choice : choices_) {
    if (!choice.units.empty()) disconnect(choice);
  }
  for (const auto& [identity, forgotten] : forgotten_) optimizer_.forget(forgotten.first, forgotten.second);
  for (Choice& choice : choices_) report.layers.push_back(std::move(choice.report));
  return report;
}

void Recycling::note_changes(Choice& choice) const {
  RecycledLayer& report = choice.report;
  const auto active = std::ranges::count_if(choice.units, [&](std::int64_t u) {
    return choice.health->units[static_cast<std::size_t>(u)].activity_score > 0;
  });
  if (active > 0) report.notes.push_back(fmt::format("{} of them gave more than 0, which is lost", active));
  if (!choice.wiring->mixing.empty()) report.notes.push_back(choice.wiring->mixing);
  const bool finite = std::ranges::all_of(choice.wiring->outgoing, [&](const nn::OutgoingWeight& reader) {
    return finite_at(reader.weight.value, columns_of(choice, reader));
  });
  if (!finite) report.notes.push_back("NaN or infinite weights that read them, and spread, became 0");
  report.function_kept = active == 0 && finite && choice.wiring->mixing.empty();
}

// A norm after the activation makes a constant of a 0, which readers no longer get.
void Recycling::fold_constants(Choice& choice) const {
  const nn::LayerWiring& wiring = *choice.wiring;
  if (std::ranges::any_of(wiring.norms, [](const auto& norm) { return norm.mixes && !norm.before; })) return;
  for (const nn::OutgoingWeight& reader : wiring.outgoing) {
    const std::int64_t out = reader.weight.value.shape()[0], columns = reader.weight.value.shape()[1];
    std::vector<double> lost(static_cast<std::size_t>(out));
    bool constant = false;
    dispatch_floating(reader.weight.value.dtype(), "recycle", [&]<class T>(T) {
      const auto weight = reader.weight.value.data<T>();
      for (const std::int64_t u : choice.units) {
        if (choice.health->units[static_cast<std::size_t>(u)].activity_score > 0) continue;
        for (std::int64_t column = u; column < columns; column += wiring.units) {
          const double value = reader.input[static_cast<std::size_t>(column)];
          if (value == 0) continue;
          constant = true;
          for (std::int64_t row = 0; row < out; ++row)
            lost[static_cast<std::size_t>(row)] +=
                value * double{weight[static_cast<std::size_t>(row * columns + column)]};
        }
      }
    });
    if (!constant) continue;
    if (!optimizer_.trains(reader.bias.value)) {
      choice.report.function_kept = false;
      const char* what = reader.bias.value.defined() ? "trained bias" : "bias";
      choice.report.notes.push_back(fmt::format(
          "what a norm made of 0 is lost, for {} has no {} that could take it", reader.weight.name, what));
      continue;
    }
    Tensor bias = reader.bias.value;
    dispatch_floating(bias.dtype(), "recycle", [&]<class T>(T) {
      const auto data = bias.mutable_data<T>();
      for (std::size_t row = 0; row < data.size(); ++row) data[row] = static_cast<T>(data[row] + lost[row]);
    });
    choice.report.notes.push_back("what a norm made of 0 was added to " + reader.bias.name);
  }
}

void Recycling::renew(const Choice& choice) {
  const nn::LayerWiring& wiring = *choice.wiring;
  const Elements rows = row_elements(wiring.weight.value, choice.units);
  copy_elements(choice.fresh, wiring.weight.value, rows);
  forget_later(wiring.weight.value, rows);
  fill_elements(wiring.bias.value, choice.units, 0);
  forget_later(wiring.bias.value, choice.units);
  for (const nn::UnitChannels& norm : wiring.norms) {
    for (const auto& [tensor, fresh] : {std::pair(norm.weight.value, 1), std::pair(norm.bias.value, 0)}) {
      const Elements elements = channel_elements(tensor, choice.units, wiring.units);
      fill_elements(tensor, elements, fresh);
      forget_later(tensor, elements);
    }
    for (const auto& [tensor, fresh] : {std::pair(norm.mean.value, 0), std::pair(norm.variance.value, 1)})
      fill_elements(tensor, channel_elements(tensor, choice.units, wiring.units), fresh);
  }
}

const Elements& Recycling::recycled_rows(const nn::NamedTensor& weight) const {
  static const Elements none;
  for (const Choice& choice : choices_) {
    if (!choice.units.empty() && choice.wiring->weight.name == weight.name) return choice.units;
  }
  return none;
}

// The places that read the units, but for the rows of other units that are new.
Elements Recycling::columns_of(const Choice& choice, const nn::OutgoingWeight& reader) const {
  const std::int64_t out = reader.weight.value.shape()[0], columns = reader.weight.value.shape()[1];
  const Elements& fresh = recycled_rows(reader.weight);
  Elements found;
  for (std::int64_t row = 0; row < out; ++row) {
    if (std::ranges::binary_search(fresh, row)) continue;
    for (const std::int64_t u : choice.units) {
      for (std::int64_t column = u; column < columns; column += choice.wiring->units)
        found.push_back(row * columns + column);
    }
  }
  return found;
}

void Recycling::disconnect(const Choice& choice) {
  for (const nn::OutgoingWeight& reader : choice.wiring->outgoing) {
    const Elements elements = columns_of(choice, reader);
    fill_elements(reader.weight.value, elements, 0);
    forget_later(reader.weight.value, elements);
  }
}

void Recycling::forget_later(const Tensor& tensor, const Elements& elements) {
  if (!options_.reset_state || !tensor.defined()) return;
  auto& [param, all] = forgotten_[rill::detail::Access::handle(tensor).get()];
  param = tensor;
  all.insert(all.end(), elements.begin(), elements.end());
}

}  // namespace

RecycleReport recycle(nn::Module& model, Optimizer& optimizer, const nn::data::Dataset& probe,
                      Generator& generator, const RecycleOptions& options) {
  Recycling recycling(model, optimizer, probe, options);
  Generator drawn = generator;
  recycling.draw(drawn);
  generator = drawn;
  return recycling.apply();
}

namespace callbacks {

Recycle::Recycle(const nn::data::Dataset& probe, RecycleEvery every)
    : probe_(probe), every_(std::move(every)) {
  RILL_CHECK(every_.steps >= 1, "Recycle: steps is ", every_.steps, ", expected 1 or more");
  RILL_CHECK(every_.last_step >= 0, "Recycle: last_step is ", every_.last_step, ", expected 0 or more");
  check_tau(every_.options.tau);
}

void Recycle::on_train_begin(Run& run) {
  Recycling(run.model, run.optimizer, probe_, every_.options);
  reports_.clear();
  steps_.clear();
}

bool Recycle::after_step(nn::Module& model, Optimizer& optimizer, std::int64_t step) {
  if (step % every_.steps != 0 || (every_.last_step > 0 && step > every_.last_step)) return false;
  const auto number = static_cast<std::uint64_t>(step);
  Stream stream(every_.seed, Purpose::recycle, static_cast<std::uint32_t>(number >> 32),
                static_cast<std::uint32_t>(number));
  const std::uint64_t high = stream.next();
  Generator generator(high << 32 | stream.next());
  reports_.push_back(optim::recycle(model, optimizer, probe_, generator, every_.options));
  steps_.push_back(step);
  return true;
}

std::int64_t Recycle::recycled() const {
  std::int64_t sum = 0;
  for (const RecycleReport& report : reports_) sum += report.recycled();
  return sum;
}

}  // namespace callbacks
}  // namespace rill::optim
