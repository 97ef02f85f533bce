#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <rill/nn/health/nan_trap.hpp>
#include <rill/nn/initialise.hpp>
#include <rill/optim/recycling.hpp>

namespace rill::optim {
namespace detail {
namespace {

// Of the activation; √2 for an op of the user's own.
double usual_gain(const nn::LayerWiring& layer) {
  try {
    return nn::init::activation_gain(layer.activation, layer.parameter);
  } catch (const Error&) {
    return std::sqrt(2.0);
  }
}

nn::Init usual_init(const nn::LayerWiring& layer) { return nn::init::kaiming_normal(usual_gain(layer)); }

// Samples on which the model's wiring is found.
constexpr std::int64_t few = 8;

}  // namespace

void check_recycle_tau(double tau) {
  RILL_CHECK(tau >= 0 && tau <= 1, "recycle: tau is ", tau, ", expected 0 to 1");
}

Recycling::Recycling(nn::Module& model, Optimizer& optimizer, const nn::data::Dataset& probe,
                     const RecycleOptions& options)
    : optimizer_(optimizer), options_(options) {
  check_recycle_tau(options.tau);
  const bool by_gradient = options.by == RecycleBy::gradient;
  RILL_CHECK(by_gradient || !options.loss,
             "recycle: there is a loss, but units are chosen by activity, expected one for "
             "RecycleBy::gradient alone");
  RILL_CHECK(!by_gradient || options.loss, "recycle: there is no loss, expected one for RecycleBy::gradient");
  health_ = nn::audit(model, probe, {.samples = options.samples, .loss = options.loss.function()});
  wiring_ = nn::wiring(model, probe.range(0, std::min(few, probe.size())).x);
  choose_layers();
  for (Choice& choice : choices_) choose_units(choice);
}

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

}  // namespace detail

RecycleReport recycle(nn::Module& model, Optimizer& optimizer, const nn::data::Dataset& probe,
                      Generator& generator, const RecycleOptions& options) {
  detail::Recycling recycling(model, optimizer, probe, options);
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
  detail::check_recycle_tau(every_.options.tau);
}

void Recycle::on_train_begin(Run& run) {
  const detail::Recycling refuses_now(run.model, run.optimizer, probe_, every_.options);
  if (run.resumed) return;
  reports_.clear();
  steps_.clear();
}

bool Recycle::after_step(nn::Module& model, Optimizer& optimizer, std::int64_t step) {
  if (step < 1 || step % every_.steps != 0) return false;
  if (every_.last_step > 0 && step > every_.last_step) return false;
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
