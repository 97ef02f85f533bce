// diagnose: every rule on a run that was made to set it off, and silence on healthy runs.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <rill/rill.hpp>

using namespace rill;

namespace {

using AddActivation = std::function<void(nn::Sequential&)>;

template <class Activation, class... Arguments>
AddActivation make(Arguments... arguments) {
  return [=](nn::Sequential& model) { model.add(Activation(arguments...)); };
}

// A net for digits and how it is trained; as it stands, all is well.
struct Case {
  AddActivation activation = make<nn::ReLU>();
  nn::Init init = nn::init::kaiming_normal();
  std::vector<std::int64_t> widths = {100, 100, 100, 100};
  double bias = 0;
  nn::data::ImageOptions input = {.mean = 0.1307, .std = 0.3081};
  double adam = 0, sgd = 0;
  int steps = 100;
  bool batch_norm = false;
};

nn::Sequential build(const Case& with) {
  Generator generator(0);
  nn::Sequential model{nn::Flatten()};
  std::int64_t in = 784;
  for (const std::int64_t width : with.widths) {
    nn::Dense dense(in, width, generator, {.init = with.init});
    dense.bias = full({width}, with.bias).requires_grad_();
    model.add(std::move(dense));
    if (with.batch_norm) model.add(nn::BatchNorm1d(width));
    with.activation(model);
    in = width;
  }
  model.add(nn::Dense(in, 10, generator, {.init = nn::init::lecun_normal()}));
  return model;
}

nn::HealthReport measure(nn::Module& model, const nn::data::Dataset& digits, std::int64_t step) {
  nn::HealthReport report =
      nn::audit(model, digits,
                {.samples = 500,
                 .loss = [](const Tensor& p, const Tensor& y) { return cross_entropy(p, y); },
                 .statistics = nn::Statistics::batch});
  report.step = step;
  return report;
}

std::vector<Tensor> values_of(nn::Module& model) {
  const NoGrad no_grad;
  std::vector<Tensor> values;
  for (const Tensor& parameter : model.parameters()) values.push_back(parameter.clone());
  return values;
}

void set_update_ratios(nn::HealthReport& report, nn::Module& model, const std::vector<Tensor>& before) {
  const NoGrad no_grad;
  const auto norm = [](const Tensor& x) { return std::sqrt(x.square().sum().item()); };
  const std::vector<Tensor> after = model.parameters();
  for (std::size_t i = 0; i < after.size(); ++i)
    report.parameters[i].update_ratio = norm(after[i] - before[i]) / norm(before[i]);
}

// The reports of step 0 and of every 50th one.
std::vector<nn::HealthReport> train(const Case& with) {
  const SerialLoops serial;
  const auto digits = nn::data::draw_digits(1000, 1, true, with.input);
  nn::Sequential model = build(with);
  std::unique_ptr<optim::Optimizer> optimizer;
  if (with.sgd > 0)
    optimizer = std::make_unique<optim::SGD>(model, optim::SGDOptions{.lr = with.sgd});
  else
    optimizer =
        std::make_unique<optim::Adam>(model, optim::AdamOptions{.lr = with.adam > 0 ? with.adam : 1e-3});
  std::vector<nn::HealthReport> history{measure(model, *digits, 0)};
  const nn::data::Loader loader(digits, {.batch_size = 50, .shuffle = true, .seed = 1});
  for (int step = 1, epoch = 0; step <= with.steps; ++epoch) {
    for (const nn::data::Batch& batch : loader.epoch(epoch)) {
      if (step > with.steps) break;
      cross_entropy(model(batch.x), batch.y).backward();
      const std::vector<Tensor> before = step % 50 == 0 ? values_of(model) : std::vector<Tensor>();
      optimizer->step();
      optimizer->zero_grad();
      if (step % 50 == 0) {
        history.push_back(measure(model, *digits, step));
        set_update_ratios(history.back(), model, before);
      }
      ++step;
    }
  }
  return history;
}

nn::HealthReport untrained(const Case& with) {
  const SerialLoops serial;
  nn::Sequential model = build(with);
  return measure(model, *nn::data::draw_digits(500, 1, true, with.input), 0);
}

std::string rules_of(const std::vector<nn::Advice>& findings) {
  std::string rules;
  for (const nn::Advice& advice : findings) rules += (rules.empty() ? "" : " ") + advice.rule;
  return rules;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string text_of(const std::vector<nn::Advice>& findings) {
  std::ostringstream out;
  out << findings;
  return out.str();
}

constexpr nn::data::ImageOptions unit_range{}, raw_pixels{.scale = 1};
const nn::Init xavier = nn::init::xavier_normal();

void check_silent(const std::vector<std::pair<const char*, Case>>& healthy) {
  for (const auto& entry : healthy) {
    CAPTURE(entry.first);
    CHECK(text_of(nn::diagnose(train(entry.second))) == "no finding\n");
  }
}

}  // namespace

TEST_CASE("diagnose: a healthy run gives no advice, before, within and after") {
  const auto history = train({});
  REQUIRE(history.back().loss < 0.5);
  CHECK(text_of(nn::diagnose(history)) == "no finding\n");
  for (const nn::HealthReport& report : history) CHECK(rules_of(nn::diagnose(report)) == "");
}

TEST_CASE("diagnose: healthy runs of rectifiers and kin give no advice") {
  check_silent({
      {"SGD", {.sgd = 0.05}},
      {"LeakyReLU 0.01", {.activation = make<nn::LeakyReLU>(0.01)}},
      {"LeakyReLU 0.3", {.activation = make<nn::LeakyReLU>(0.3)}},
      {"PReLU", {.activation = make<nn::PReLU>()}},
      {"GELU", {.activation = make<nn::GELU>()}},
  });
}

TEST_CASE("diagnose: healthy runs of smooth activations give no advice") {
  check_silent({
      {"ELU", {.activation = make<nn::ELU>(), .init = nn::init::kaiming_normal(nn::init::gain("elu"))}},
      {"SELU", {.activation = make<nn::SELU>(), .init = nn::init::lecun_normal()}},
      {"tanh", {.activation = make<nn::Tanh>(), .init = xavier}},
      {"sigmoid", {.activation = make<nn::Sigmoid>(), .init = xavier, .widths = {100, 100}}},
  });
}

TEST_CASE("diagnose: pixels from 0 to 1 are well, and with BatchNorm all pixels and biases") {
  check_silent({
      {"pixels from 0 to 1", {.input = unit_range}},
      {"the same with SGD", {.input = unit_range, .sgd = 0.1}},
      {"BatchNorm", {.batch_norm = true}},
      {"BatchNorm, negative bias", {.bias = -0.5, .batch_norm = true}},
      {"BatchNorm, pixels from 0 to 255", {.input = raw_pixels, .batch_norm = true}},
  });
}

TEST_CASE("diagnose: a confident sigmoid at the output is healthy") {
  Generator generator(3);
  nn::Sequential model{nn::Dense(2, 16, generator), nn::ReLU(), nn::Dense(16, 1, generator), nn::Sigmoid()};
  const Tensor x = randn({200, 2}, generator);
  const Tensor y = (x.slice(1, 0, 1) > 0).to(DType::f32).detach();
  optim::Adam optimizer(model, {.lr = 0.05});
  std::vector<nn::HealthReport> history{nn::audit(model, x)};
  for (int step = 0; step < 400; ++step) {
    optimizer.zero_grad();
    (model(x) - y).square().mean().backward();
    optimizer.step();
  }
  history.push_back(nn::audit(model, x));
  history.back().step = 400;
  const double saturation = history.back().layer("3").units.at(0).saturation;
  REQUIRE(saturation > 0.7);
  CHECK(text_of(nn::diagnose(history)) == "no finding\n");
  CHECK(text_of(nn::diagnose(history.back())) == "no finding\n");
}

TEST_CASE("diagnose: units that die by steps tell of a high learning rate, with the shares") {
  const auto history = train({.adam = 0.05});
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "learning_rate_too_high");
  const nn::Advice& advice = findings[0];
  CHECK(advice.value == doctest::Approx(history.back().never_on_share() - history[0].never_on_share()));
  CHECK(advice.value > 0.3);
  CHECK(advice.limit == 0.15);
  CHECK(advice.step == 100);
  CHECK(has(advice.reason, "the share of dead units has risen from "));
  CHECK(has(advice.remedy, "recycle the dead units, which a lower rate alone does not bring back"));
  CHECK(has(text_of(findings), "learning rate too high (step 100): the share of dead units has risen from "));
}

TEST_CASE("diagnose: units that leave the range by steps tell of it too, where none can die") {
  const auto elu = nn::diagnose(train({.activation = make<nn::ELU>(), .adam = 0.05}));
  REQUIRE(rules_of(elu) == "learning_rate_too_high");
  CHECK(has(elu[0].reason, "the share of units that are never positive has risen from 0 % to "));
  CHECK_FALSE(has(elu[0].remedy, "recycle"));
  const auto tanh = nn::diagnose(train({.activation = make<nn::Tanh>(), .init = xavier, .adam = 0.05}));
  REQUIRE(rules_of(tanh) == "learning_rate_too_high");
  CHECK(has(tanh[0].reason, "the share of saturated activations has risen from "));
}

TEST_CASE("diagnose: a loss above twice that of step 0 tells of a high learning rate") {
  const auto history = train({.activation = make<nn::LeakyReLU>(0.3), .adam = 0.05, .steps = 50});
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "learning_rate_too_high");
  CHECK(has(findings[0].reason, "the loss has risen from "));
  CHECK(findings[0].value == doctest::Approx(history.back().loss / history[0].loss));
}

TEST_CASE("diagnose: one step that changes a weight by a tenth tells of a high learning rate") {
  auto history = train({.steps = 50});
  nn::ParameterHealth &bias = history[1].parameters.at(1), &weight = history[1].parameters.at(2);
  REQUIRE(weight.name == "3.weight");
  bias.update_ratio = 3;  // a bias starts at 0
  weight.update_ratio = 0.099;
  CHECK(rules_of(nn::diagnose(history)) == "");
  weight.update_ratio = 0.11;
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "learning_rate_too_high");
  CHECK(findings[0].reason == "one step changes 3.weight by 11 % of its norm, where about 0.1 % is healthy");
  CHECK(findings[0].step == 50);
}

TEST_CASE("diagnose: a narrow layer that dies as a whole tells of a high learning rate") {
  auto history = train({.widths = {100, 8, 100}, .steps = 50});
  for (nn::UnitHealth& unit : history[1].layers.at(1).units) unit.never_on = true;
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "learning_rate_too_high");
  CHECK(findings[0].layer == "4");
  CHECK(has(findings[0].reason, "every unit of the layer has died, from 0 % dead at step 0"));
}

TEST_CASE("diagnose: a negative bias is named as what units are born dead by") {
  const Case negative{.widths = {100, 100, 100}, .bias = -0.5, .input = unit_range, .sgd = 0.1};
  const auto findings = nn::diagnose(train(negative));
  REQUIRE(rules_of(findings) == "born_dead");
  CHECK(findings[0].layer == "6");
  CHECK(findings[0].value == 1);
  CHECK(has(findings[0].reason,
            "100 of 100 units (100 %) are dead before the first step over 500 samples, so that "
            "the network gives a constant"));
  CHECK(has(findings[0].reason, "and 5.bias has mean -0.5: without it they would be on"));
  CHECK(has(findings[0].remedy, "start the biases at 0 or a little above"));
}

TEST_CASE("diagnose: of nested modules the bias nearest before a layer is its own") {
  const auto reason = [](const char* layer, std::initializer_list<std::pair<const char*, double>> biases) {
    nn::HealthReport report{.step = 0, .samples = 500};
    report.layers.push_back({.name = layer, .activation = "relu", .blocks_gradient = true, .samples = 500});
    report.layers[0].units.assign(10, {.never_on = true});
    for (const auto& [name, mean] : biases)
      report.parameters.push_back({.name = name, .mean = mean, .shape = {10}});
    return nn::diagnose(std::vector{report}).at(0).reason;
  };
  CHECK(has(reason("0.1.1", {{"0.0.0.bias", -2}, {"0.1.0.bias", -1}}), "0.1.0.bias has mean -1"));
  CHECK(has(reason("0.1.1", {{"0.1.0.bias", -1}, {"0.0.0.bias", -2}}), "0.1.0.bias has mean -1"));
  // What stands behind the layer is another layer's.
  CHECK(has(reason("0.1.1", {{"0.1.0.bias", -1}, {"0.1.2.bias", -2}}), "0.1.0.bias has mean -1"));
}

TEST_CASE("diagnose: units that are born dead without a bias are so by the weights") {
  const auto findings = nn::diagnose({untrained({.widths = std::vector<std::int64_t>(8, 3)}),
                                      untrained({.widths = std::vector<std::int64_t>(8, 3)})});
  REQUIRE(rules_of(findings) == "born_dead");
  CHECK(has(findings[0].reason, ".bias has mean 0, so it is the weights"));
  CHECK(has(findings[0].remedy, "widen narrow layers"));
}

TEST_CASE("diagnose: dead units in one report may be of before or after training") {
  const Case negative{.widths = {100, 100, 100}, .bias = -0.5, .input = unit_range};
  const nn::HealthReport report = untrained(negative);
  const auto findings = nn::diagnose(report);
  REQUIRE(rules_of(findings) == "dead_units");
  CHECK(findings[0].remedy.starts_with("not trained yet: start the biases at 0"));
  CHECK(findings[0].remedy.ends_with("Trained: recycle the units and lower the learning rate"));
  CHECK(rules_of(nn::diagnose(std::vector{report})) == "dead_units");
  nn::Sequential model = build(negative);
  CHECK(rules_of(nn::diagnose(nn::born_dead(model, *nn::data::draw_digits(500, 1, true)))) == "born_dead");
}

TEST_CASE("diagnose: pixels from 0 to 255, and inputs near 0, are unscaled, and what follows is not told") {
  const auto findings = nn::diagnose(train({.input = raw_pixels}));
  REQUIRE(rules_of(findings) == "unscaled_input");
  CHECK(findings[0].value == doctest::Approx(80).epsilon(0.1));
  CHECK(findings[0].limit == 4);
  CHECK(has(findings[0].reason, "the inputs have a root mean square of 8"));
  CHECK(has(findings[0].reason, "largest 255"));
  const auto small = nn::diagnose(untrained({.input = {.scale = 1e-4}}));
  REQUIRE(rules_of(small) == "unscaled_input");
  CHECK(small[0].value == doctest::Approx(0.0255));
}

TEST_CASE("diagnose: weights that are too large make gradients explode") {
  const SerialLoops serial;
  const Case large{.init = nn::init::normal(0, 1)};
  const nn::HealthReport report = untrained(large);
  const auto findings = nn::diagnose(report);
  REQUIRE(rules_of(findings) == "exploding_gradients");
  CHECK(has(findings[0].reason, "the gradient of the loss has norm "));
  CHECK(findings[0].value > 1000);
  nn::Sequential model = build(large);
  const auto without_loss =
      nn::diagnose(nn::audit(model, nn::data::draw_digits(500, 1, true, large.input)->all().x));
  REQUIRE(rules_of(without_loss) == "exploding_gradients");
  CHECK(without_loss[0].layer == "8");
  CHECK(has(without_loss[0].reason, "pre-activations grow "));
}

TEST_CASE("diagnose: gradients that grow 30 times along the run explode") {
  auto history = train({.steps = 50});
  double start = 0;
  for (nn::ParameterHealth& parameter : history[0].parameters) start += std::pow(parameter.gradient_norm, 2);
  for (nn::ParameterHealth& parameter : history[0].parameters) parameter.gradient_norm /= std::sqrt(start);
  for (nn::ParameterHealth& parameter : history[1].parameters) parameter.gradient_norm = 0.01;
  double& norm = history[1].parameters.at(0).gradient_norm;
  norm = 29;
  CHECK(rules_of(nn::diagnose(history)) == "");
  norm = 31;
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "exploding_gradients");
  CHECK(has(findings[0].reason, "the gradient of the loss has norm 31, at step 0 1"));
}

TEST_CASE("diagnose: slopes are too small where layers of them are off, with their product") {
  Case negative{.activation = make<nn::LeakyReLU>(0.01),
                .widths = {100, 100, 100},
                .bias = -0.5,
                .input = unit_range,
                .sgd = 0.1};
  const auto findings = nn::diagnose(train(negative));
  REQUIRE(rules_of(findings) == "slope_too_small");
  CHECK(findings[0].value == doctest::Approx(1e-4));
  CHECK(has(findings[0].reason,
            "2 LeakyReLU layers are mostly off (0 % on in 6), so that the gradient reaches the "
            "first layer scaled by about 0.0001"));
  negative.activation = make<nn::LeakyReLU>(0.3);
  CHECK(rules_of(nn::diagnose(train(negative))) == "");
}

TEST_CASE("diagnose: large weights saturate tanh") {
  const auto findings =
      nn::diagnose(untrained({.activation = make<nn::Tanh>(), .init = nn::init::normal(0, 0.4)}));
  REQUIRE(rules_of(findings) == "saturation");
  CHECK(findings[0].layer == "2");
  CHECK(has(findings[0].reason,
            " of all activations are in the flat part of tanh, where hardly any gradient passes"));
}

TEST_CASE("diagnose: a far too negative bias saturates ELU") {
  const auto findings = nn::diagnose(untrained({.activation = make<nn::ELU>(), .bias = -12}));
  REQUIRE(rules_of(findings) == "saturation");
  CHECK(has(findings[0].reason, " of all units are in the flat part of elu for every sample"));
}

TEST_CASE("diagnose: a deep net of sigmoids lets gradients vanish") {
  const auto findings = nn::diagnose(untrained(
      {.activation = make<nn::Sigmoid>(), .init = xavier, .widths = std::vector<std::int64_t>(8, 64)}));
  REQUIRE(rules_of(findings) == "vanishing_gradients");
  CHECK(has(findings[0].reason, "the gradient of 1.weight has norm "));
  CHECK(findings[0].value < 1e-3);
}

TEST_CASE("diagnose: small weights let the signal vanish, with a loss and without") {
  const Case small{.init = nn::init::normal(0, 0.01)};
  const auto findings = nn::diagnose(untrained(small));
  REQUIRE(rules_of(findings) == "vanishing_gradients");
  CHECK(has(findings[0].reason, "pre-activations shrink from 0.26"));
}

TEST_CASE("diagnose: a learning rate is too low where no step changes any weight") {
  const auto findings = nn::diagnose(train({.sgd = 1e-6}));
  REQUIRE(rules_of(findings) == "learning_rate_too_low");
  CHECK(findings[0].value < 1e-5);
  CHECK(has(findings[0].reason, "no step changes a weight by more than "));
}

TEST_CASE("diagnose: NaN stands first, with the first layer, and nothing else is said of it") {
  const auto history = train({.activation = make<nn::LeakyReLU>(0.3), .sgd = 0.5, .steps = 50});
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "non_finite");
  CHECK(findings[0].layer == "2");
  CHECK(findings[0].step == 50);
  CHECK(findings[0].value == 100);
  CHECK(has(findings[0].reason,
            "100 of 100 units are NaN or infinite, first of all layers; at step 0 all was finite"));
  CHECK(has(findings[0].remedy, "With plain SGD LeakyReLU and PReLU end in NaN at rates that ReLU bears"));
}

TEST_CASE("diagnose: NaN comes before the cause that is seen as well") {
  const auto findings = nn::diagnose(train({.input = raw_pixels, .sgd = 0.05, .steps = 50}));
  CHECK(rules_of(findings) == "non_finite unscaled_input");
}

TEST_CASE(
    "diagnose: layers before the first NaN are not blamed, nor layers with NaN for what they were before") {
  const Case negative{.widths = {100, 100, 100}, .bias = -0.5, .input = unit_range};
  std::vector<nn::HealthReport> history(2, untrained(negative));
  REQUIRE(rules_of(nn::diagnose(history)) == "born_dead");
  history[1].layers.at(2).units.at(7).finite = false;
  const auto findings = nn::diagnose(history);
  REQUIRE(rules_of(findings) == "non_finite");
  CHECK(findings[0].layer == "6");
  CHECK(has(findings[0].reason, "1 of 100 units are NaN or infinite"));
}

TEST_CASE("diagnose: a gradient that is not finite is found where every unit is") {
  nn::HealthReport report = untrained({});
  report.parameters.at(2).finite = false;
  const auto findings = nn::diagnose(report);
  REQUIRE(rules_of(findings) == "non_finite");
  CHECK(findings[0].reason == "parameter 3.weight or its gradient is NaN or infinite");
  report = untrained({});
  report.loss = INFINITY;
  CHECK(nn::diagnose(report).at(0).reason == "the loss is inf");
}

TEST_CASE("diagnose: an empty history and reports of two models are refused") {
  CHECK_THROWS_WITH_AS(nn::diagnose(std::vector<nn::HealthReport>()),
                       "diagnose: the history is empty, expected at least one report", Error);
  std::vector<nn::HealthReport> history{untrained({}), untrained({.widths = {100, 100}})};
  history[1].step = 7;
  CHECK_THROWS_WITH_AS(
      nn::diagnose(history),
      "diagnose: the report of step 7 has other layers than that of step 0, expected reports of one "
      "model",
      Error);
}

TEST_CASE("audit: layers tell their slope, parameters their mean and shape") {
  const nn::HealthReport report = untrained({.activation = make<nn::LeakyReLU>(0.2), .bias = -0.25});
  CHECK(report.layers.at(0).parameter == 0.2);
  CHECK(report.parameters.at(1).mean == -0.25);
  CHECK(report.parameters.at(2).shape == Shape{100, 100});
  CHECK_FALSE(untrained({}).layers.at(0).parameter.has_value());
}
