// HealthReport: shares, tables, turnover and the CSV file.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>
#include <string>

#include <rill/rill.hpp>

#include "temp_dir.hpp"

using namespace rill;

namespace {

// A report of one layer with units on or off for `samples` samples.
nn::HealthReport report_of(std::vector<bool> off, bool blocks_gradient = true) {
  nn::LayerHealth layer{.name = "1", .activation = blocks_gradient ? "relu" : "elu", .samples = 300};
  layer.blocks_gradient = blocks_gradient;
  for (const bool never : off) {
    nn::UnitHealth unit;
    unit.never_on = never;
    unit.frequency = never ? 0 : 0.5;
    unit.mean = -1;
    unit.variance = 4;
    unit.output_mean = 0.25;
    unit.activity_score = never ? 0 : 1;
    layer.units.push_back(unit);
  }
  return {.samples = 300, .layers = {layer}};
}

std::string text(const nn::HealthReport& report) {
  std::ostringstream out;
  out << report;
  return out.str();
}

}  // namespace

TEST_CASE("report: what is dead and what is only never positive have two names") {
  const auto relu = report_of({true, true, false}), elu = report_of({true, true, false}, false);
  CHECK(relu.dead() == 2);
  CHECK(relu.layers[0].never_positive() == 0);
  CHECK(elu.dead() == 0);
  CHECK(elu.layers[0].never_positive() == 2);
  CHECK(relu.dead_share() == doctest::Approx(2.0 / 3));
  CHECK(elu.dead_share() == 0);
  CHECK(elu.never_on() == 2);
  CHECK(elu.never_on_share() == doctest::Approx(2.0 / 3));
}

TEST_CASE("report: the table shows the probe-set size, and what it says of units that never fired") {
  CHECK(
      text(report_of({true, false})) ==
      "300 samples; with 95 % confidence a unit that is never on fires for less than 1 % of all data\n"
      "  layer  activation  units  not finite        dead  never positive     dormant  saturated  no gradient"
      "  active  z mean  z std  gradient\n"
      "  1      relu            2           0  1 (50.0 %)               -  1 (50.0 %)          0            0"
      "  25.0 %      -1      2         -\n");
}

TEST_CASE("report: a network with a constant output is called dead, and NaN is no number") {
  auto report = report_of({true, true});
  report.constant_output = true;
  for (auto& unit : report.layers[0].units) unit = {.finite = false};
  const std::string table = text(report);
  CHECK(table.find("the output is the same for every sample: the network is dead\n") != std::string::npos);
  CHECK(table.find("  1      relu            2           2     -               -        -          -"
                   "            -       -       -      -         -\n") != std::string::npos);
}

TEST_CASE("report: samples that switch nothing on are told") {
  auto report = report_of({true, true});
  CHECK(text(report).find("no unit is on") == std::string::npos);
  report.layers[0].blind_samples = 7;
  CHECK(text(report).find("\n  layer 1: no unit is on for 7 of 300 samples\n") != std::string::npos);
}

TEST_CASE("report: tau lies between 0 and 1") {
  const auto report = report_of({true});
  for (const double tau : {-0.1, 1.1, double{NAN}}) CHECK_THROWS_AS(report.layers[0].dormant(tau), Error);
  CHECK_THROWS_WITH_AS(report.layers[0].dormant(2), "dormant: tau is 2, expected 0 to 1", Error);
  CHECK(report.layers[0].dormant(1) == 1);
}

TEST_CASE("report: a layer is found by its name") {
  const auto report = report_of({true});
  CHECK(report.layer("1").activation == "relu");
  CHECK_THROWS_WITH_AS(report.layer("2"), "report: there is no layer \"2\", expected one of 1", Error);
}

TEST_CASE("turnover: units that fell silent, came back, and the overlap of the two sets") {
  const auto found =
      nn::turnover(report_of({true, true, false, false}), report_of({true, false, true, true}));
  CHECK(found.before == 2);
  CHECK(found.after == 3);
  CHECK(found.newly_off == 2);
  CHECK(found.revived == 1);
  CHECK(found.overlap == 0.5);
  CHECK(std::isnan(nn::turnover(report_of({false}), report_of({true})).overlap));
  CHECK_THROWS_WITH_AS(nn::turnover(report_of({true}), report_of({true, true})),
                       "turnover: layer 0 is 1 with 1 units and 1 with 2, expected the same", Error);
  CHECK_THROWS_WITH_AS(nn::turnover({}, report_of({true})),
                       "turnover: the reports have 0 and 1 layers, expected the same ones", Error);
}

TEST_CASE("write_health_csv: a row a layer and report") {
  const test::TempDir folder;
  auto later = report_of({false, false}, false);
  later.step = 20;
  nn::write_health_csv({report_of({true, false}), later}, folder.file("health.csv"));
  CHECK(folder.read("health.csv") ==
        "step,samples,layer,activation,units,non_finite,dead,never_positive,dormant,saturated,zero_gradient,"
        "frequency,mean,variance,output_mean,gradient_rms\n"
        "0,300,1,relu,2,0,1,0,1,0,0,0.25,-1,4,0.25,nan\n"
        "20,300,1,elu,2,0,0,0,0,0,0,0.5,-1,4,0.25,nan\n");
  CHECK_THROWS_WITH_AS(nn::write_health_csv({}, folder.file("no/health.csv")),
                       (folder.file("no/health.csv") + ": directory \"" + folder.file("no") +
                        "\" does not exist, expected one; create it first")
                           .c_str(),
                       Error);
}

TEST_CASE("write_health_csv: a layer without finite units has no counts") {
  const test::TempDir folder;
  auto report = report_of({true, true});
  for (auto& unit : report.layers[0].units) unit = {.finite = false};
  nn::write_health_csv({report}, folder.file("health.csv"));
  CHECK(folder.read("health.csv").ends_with("\n0,300,1,relu,2,2,nan,nan,nan,nan,nan,nan,nan,nan,nan,nan\n"));
}
