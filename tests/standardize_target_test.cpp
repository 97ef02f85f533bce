// Regressions on targets of any unit: losses::standardized, "standardize_target" of CSV data, and what runs leave of it.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include <rill/core/io/safetensors.hpp>
#include <rill/rill.hpp>

#include "rill_command.hpp"
#include "temp_dir.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using optim::parse_run;
using optim::run_training;
using optim::RunConfig;
using test::Outcome;
using test::TempDir;

// Prices of houses, by size and age.
std::string houses(double unit = 1) {
  std::ostringstream out;
  out.precision(17);
  Stream random(6, Purpose::user);
  out << "size,age,price\n";
  for (int i = 0; i < 240; ++i) {
    const double size = random.uniform(40, 200), age = random.uniform(0, 80);
    out << size << ',' << age << ',' << unit * std::round(20000 + 3000 * size - 1500 * age) << '\n';
  }
  return out.str();
}

RunConfig run_on(const std::string& table, const std::string& out, std::vector<std::string> overrides = {}) {
  overrides.push_back("out=" + out);
  return parse_run(R"({ "rill": 1, "seed": 5,
      "model": { "rill": 1, "input_shape": [2],
        "layers": [ { "type": "dense", "units": 16, "activation": "elu" }, { "type": "dense", "units": 1 } ] },
      "data": { "format": "csv", "path": ")" +
                       table + R"(", "target": "price", "regression": true, "standardize_target": true },
      "loss": "mse", "optimizer": { "type": "adam", "lr": 0.01 },
      "training": { "epochs": 12, "batch_size": 16 } })",
                   "run.json", overrides);
}

std::vector<std::string> types_of(nn::Model& model) {
  std::vector<std::string> types;
  for (std::size_t i = 0; i < model.network.size(); ++i) types.emplace_back(model.network[i].type());
  return types;
}

}  // namespace

TEST_CASE("losses: standardized is the loss in standard units, and its gradient") {
  const Tensor target = tensor({{3}, {7}, {15}});
  Tensor x = tensor({{5}, {7}, {7}}).requires_grad_();
  const optim::Loss mse = optim::losses::standardized(optim::losses::mse(), 3, 4);
  const Tensor loss = mse(x, target);
  CHECK(loss.item() == doctest::Approx((0.5 * 0.5 + 0 + 2 * 2) / 3));
  loss.backward();
  const auto dx = x.grad().to_vector<float>();  // 2 (x - t) / std² / n
  CHECK(dx[0] == doctest::Approx(2 * 2 / 16.0 / 3));
  CHECK(dx[2] == doctest::Approx(2 * -8 / 16.0 / 3));
  // |x - t| / std is 0.5, 0 and 2: with delta 1 a parabola, 0, and a line.
  CHECK(optim::losses::standardized(optim::losses::huber(), 3, 4)(x, target).item() ==
        doctest::Approx((0.125 + 0 + 1.5) / 3));
  const optim::Loss weighed([](const Tensor& a, const Tensor&) { return a.sum(); },
                            [](const Tensor&) { return 2.5; });
  CHECK(optim::losses::standardized(weighed, 0, 1).weight(target) == 2.5);
  CHECK(mse.weight(target) == 3);
  CHECK(test::message_of([&] { optim::losses::standardized({}, 0, 1); }) ==
        "standardized: the loss is empty, expected one");
  CHECK(test::message_of([&] { optim::losses::standardized(optim::losses::l1(), 0, 0); }) ==
        "standardized: mean is 0 and std is 0, expected numbers in the range of f32, and a std above 0");
  CHECK(test::message_of([&] { optim::losses::standardized(optim::losses::l1(), NAN, 1); }) ==
        "standardized: mean is nan and std is 1, expected numbers in the range of f32, and a std above 0");
}

TEST_CASE("run: with standardize_target the model answers in the target's unit, the loss is in deviations") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses());
  const RunConfig config = run_on(table, folder.file("run"));
  auto result = run_training(config, {.report = false});
  nn::Model saved = nn::load_model(folder.file("run/last.safetensors"));
  CHECK(types_of(saved) == std::vector<std::string>{"dense", "dense", "rescaling"});

  const optim::RunData data = load_data(config.data, static_cast<std::uint64_t>(config.seed));
  const std::vector<double> prices = test::values_of(data.train->all().y);
  double mean = 0, square = 0;
  for (const double price : prices) mean += price / static_cast<double>(prices.size());
  for (const double price : prices)
    square += (price - mean) * (price - mean) / static_cast<double>(prices.size());
  const auto& rescaling = dynamic_cast<const nn::Rescaling&>(saved.network[2]);
  CHECK(rescaling.offset() == doctest::Approx(mean));
  CHECK(rescaling.scale() == doctest::Approx(std::sqrt(square)));

  const nn::data::Samples kept = data.validation->all();
  const nn::EvalMode evaluation(saved.network);
  const Tensor y = saved(kept.x);
  CHECK(nn::r2_score(y, kept.y) > 0.95);
  CHECK(*result.last("val_loss") == doctest::Approx(nn::mean_squared_error(y, kept.y) / square));
  CHECK(*result.last("val_mae") == doctest::Approx(nn::mean_absolute_error(y, kept.y)));
  CHECK(*result.last("val_mae") > 100);

  // The config that the run leaves does the same run again.
  const std::string again = folder.file("again");
  run_training(optim::load_run(folder.file("run/config.json"), {"out=" + again}), {.report = false});
  for (const char* name : {"log.csv", "best.safetensors"})
    CHECK(folder.read("again/" + std::string(name)) == folder.read("run/" + std::string(name)));
}

TEST_CASE("run: with standardize_target the unit of the target changes nothing of what is learnt") {
  const TempDir folder;
  const auto losses = [&](double unit) {
    const std::string name = "in " + std::to_string(unit);
    const std::string table = folder.write(name + ".csv", houses(unit));
    auto result = run_training(run_on(table, folder.file(name), {"optimizer.type=sgd", "optimizer.lr=0.1"}),
                               {.report = false});
    std::vector<double> all;
    for (const auto& epoch : result.history.epochs) all.push_back(epoch.at("val_loss"));
    return all;
  };
  const std::vector<double> in_units = losses(1);
  CHECK(in_units.back() < 0.05);
  CHECK(losses(0x1p-20) == in_units);  // a power of 2 rounds nowhere
}

TEST_CASE("run: with standardize_target a run that is resumed leaves the same files") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses());
  run_training(run_on(table, folder.file("whole")), {.report = false});
  run_training(run_on(table, folder.file("parts"), {"training.epochs=5"}), {.report = false});
  run_training(run_on(table, folder.file("parts")),
               {.resume = folder.file("parts/last.safetensors"), .report = false});
  for (const char* name : {"log.csv", "best.safetensors"})
    CHECK(folder.read("parts/" + std::string(name)) == folder.read("whole/" + std::string(name)));
}

TEST_CASE("run: a checkpoint that was written before a key was known is resumed with its default") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses()), path = folder.file("run/last.safetensors");
  const auto config = [&](const char* epochs) {
    return run_on(table, folder.file("run"),
                  {"data.standardize_target=false", "training.epochs=" + std::string(epochs)});
  };
  run_training(config("1"), {.report = false});
  io::Safetensors file = io::load_safetensors(path);
  auto before = nlohmann::ordered_json::parse(file.metadata.at("rill.run"));
  CHECK(before.at("data").erase("standardize_target") == 1);
  file.metadata["rill.run"] = before.dump();
  io::save_safetensors(path, file);
  CHECK(run_training(config("2"), {.resume = path, .report = false}).history.epochs.size() == 2);
}

TEST_CASE("run: with standardize_target a model that rescales, or that is trained, gets no layer more") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses());
  // A rescaling of other targets gives way, wherever the last layer stands.
  const auto rescaled = [&](const std::string& layers) {
    auto own =
        run_training(run_on(table, folder.file("own"), {"model.layers=" + layers, "training.epochs=2"}),
                     {.overwrite = true, .report = false});
    CHECK(own.history.epochs[0].at("loss") < 10);
    return std::move(own.model);
  };
  nn::Model flat = rescaled(R"([{"type": "dense", "units": 1}, {"type": "rescaling", "scale": 1e9}])");
  CHECK(types_of(flat) == std::vector<std::string>{"dense", "rescaling"});
  CHECK(dynamic_cast<const nn::Rescaling&>(flat.network[1]).scale() == flat.target_scale->std);
  nn::Model nested = rescaled(
      R"([{"type": "sequential", "layers": [{"type": "dense", "units": 1}, {"type": "rescaling", "scale": 1e9}]}])");
  CHECK(types_of(nested) == std::vector<std::string>{"sequential"});
  auto& inner = dynamic_cast<nn::Sequential&>(nested.network[0]);
  CHECK(dynamic_cast<const nn::Rescaling&>(inner[1]).scale() == nested.target_scale->std);

  auto first = run_training(run_on(table, folder.file("first")), {.report = false});
  auto more =
      run_training(run_on(table, folder.file("more"), {"model=" + folder.file("first/last.safetensors")}),
                   {.report = false});
  CHECK(types_of(more.model) == types_of(first.model));
  CHECK(more.history.epochs[0].at("val_loss") < first.history.epochs[0].at("val_loss") / 2);

  // Without a rescaling a trained model answers in the unit, too.
  const std::string plain = folder.file("plain");
  run_training(run_on(table, plain, {"data.standardize_target=false", "training.epochs=1"}),
               {.report = false});
  auto other = run_training(
      run_on(table, folder.file("other"), {"model=" + plain + "/last.safetensors", "training.epochs=1"}),
      {.report = false});
  CHECK(types_of(other.model) == std::vector<std::string>{"dense", "dense"});
}

TEST_CASE("run: with standardize_target targets that are all the same are deviations of 0") {
  const TempDir folder;
  const std::string table =
      folder.write("same.csv", "size,age,price\n1,2,7\n2,5,7\n3,1,7\n4,4,7\n5,9,7\n6,3,7\n");
  const auto result = run_training(run_on(table, folder.file("run")), {.report = false});
  CHECK(result.model.target_scale->mean == 7);
  CHECK(result.model.target_scale->std == 1);
  CHECK_FALSE(result.history.diverged);
}

TEST_CASE("rill eval, rill doctor: the loss of a model that learnt standardized targets is that of its run") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses()), model = folder.file("run/last.safetensors");
  const auto of = [](const std::string& loss, double off) {
    if (loss == "mse") return off * off;
    return loss == "huber" && off <= 1 ? off * off / 2 : off - (loss == "huber" ? 0.5 : 0);
  };
  for (const std::string loss : {"mse", "l1", "huber"}) {
    CAPTURE(loss);
    const auto result = run_training(run_on(table, folder.file("run"), {"loss=" + loss, "data.validation=0"}),
                                     {.overwrite = true, .report = false});
    nn::Model saved = nn::load_model(model);
    REQUIRE(saved.target_scale);
    CHECK(saved.target_scale->mean == result.model.target_scale->mean);
    CHECK(saved.target_scale->std == result.model.target_scale->std);
    const auto raw = nn::data::load_csv(table, {.target = "price", .regression = true}).dataset;
    const std::vector<double> y = test::values_of(saved.predict(raw->x())), t = test::values_of(raw->y());
    double expected = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      expected += of(loss, std::abs(y[i] - t[i]) / saved.target_scale->std) / static_cast<double>(y.size());
    const auto judged = test::rill_json({"eval", model, "--csv", table, "--target", "price"});
    CHECK(judged.at("loss").at("name") == loss);
    CHECK(judged.at("loss").at("standardized") == true);
    CHECK(judged.at("loss").at("value").get<double>() == doctest::Approx(expected).epsilon(1e-4));
    CHECK(test::rill({"eval", model, "--csv", table, "--target", "price"})
              .says("(" + loss + " of standardized targets)"));
    CHECK_FALSE(test::rill({"doctor", model, "--csv", table, "--target", "price"}).says("exploding"));
  }
}

TEST_CASE("run: standardize_target is refused for classes, and beside a loss of shares") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses());
  const std::string classes =
      "run: /data/standardize_target: got true for classes, expected \"regression\": true beside it";
  const RunConfig of_classes =
      run_on(table, folder.file("run"), {"data.regression=false", "loss=cross_entropy"});
  CHECK(test::message_of([&] { optim::check_run(of_classes); }) == classes);
  CHECK(test::message_of([&] { load_data(of_classes.data, 1); }) == classes);
  const RunConfig of_shares = run_on(table, folder.file("run"), {"loss=bce_with_logits"});
  CHECK(
      test::message_of([&] { optim::check_run(of_shares); }) ==
      "run: /data/standardize_target: got true with bce_with_logits, whose targets are 0 to 1, expected mse, "
      "l1 or huber; or set it to false");
}

TEST_CASE("rill new: a regression's starter learns targets of any size") {
  const TempDir folder;
  const std::string table = folder.write("houses.csv", houses()), config = folder.file("run.json");
  const Outcome made = test::rill({"new", config, "--data", table, "--regression"});
  CHECK_MESSAGE(made.status == 0, made.output);
  CHECK(test::rill({"check", config}).status == 0);
  const Outcome trained = test::rill({"train", config, "--out", folder.file("out"), "--no-report"});
  CHECK_MESSAGE(trained.status == 0, trained.output);
  const auto numbers =
      test::rill_json({"eval", folder.file("out/best.safetensors"), "--csv", table, "--target", "price"});
  CHECK(numbers.at("r2") > 0.98);
  CHECK(numbers.at("mean_absolute_error") > 10);
}
