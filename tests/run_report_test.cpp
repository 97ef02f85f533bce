// Reports of runs as pages: what they tell, that they need nothing else, and that no text of the user's is more than text.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <regex>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include <rill/optim/report/charts.hpp>
#include <rill/optim/report/png.hpp>
#include <rill/optim/report/sections.hpp>
#include <rill/rill.hpp>

#include "run_reports.hpp"
#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

using namespace rill;
using optim::RunReport;
using test::full_report;

namespace {

bool contains(const std::string& page, const std::string& text) {
  return page.find(text) != std::string::npos;
}

int occurrences(const std::string& page, const std::string& text) {
  int count = 0;
  for (std::size_t at = 0; (at = page.find(text, at)) != std::string::npos; at += text.size()) ++count;
  return count;
}

std::string program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::stringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (std::filesystem::exists(folder + "/" + name)) return folder + "/" + name;
  }
  return "";
}

// Whether there is no gnuplot, which then is reported.
bool no_gnuplot() {
  if (!program("gnuplot").empty()) return false;
  test::skip("gnuplot is not installed (Debian's package gnuplot-nox)");
  return true;
}

// Empty if `page` is well-formed XML, else what the parser says. Undefined namespaces do not matter.
std::string xml_error(const std::string& page) {
  const test::TempDir folder;
  const auto outcome = test::run_program(
      program("python3"),
      {"-c", "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])", folder.write("page", page)});
  return outcome.status == 0 ? "" : outcome.output;
}

RunReport hostile_report() {
  RunReport report = full_report();
  const std::string bad =
      "</title></style><script>alert(1)</script>\"'&\x01\xff\xed\xa0\x80]]>{}%s\n$(touch x)";
  report.title = report.outcome = report.model_summary = report.config_json = bad;
  report.facts = {{bad, bad}};
  report.classes = {bad, bad};
  report.advice[0] = {.rule = bad, .layer = bad, .reason = bad, .remedy = bad};
  for (nn::HealthReport& health : report.health) {
    for (nn::LayerHealth& layer : health.layers) layer.name = layer.activation = bad;
    health.parameters = {{.name = bad}};
  }
  for (optim::Logs& logs : report.epochs) logs.set(bad, 1.5);
  return report;
}

}  // namespace

TEST_CASE("run report: every part is told") {
  const std::string page = render_report(full_report());
  for (const std::string text :
       {"<h1>digits</h1>", "Stopped early", "<dt>test accuracy</dt><dd>98.43 %</dd>",
        "<strong>learning rate too high in layer 1</strong> (step 200): dead units have risen", "→ lower it",
        "Dense [n, 10]", "{&quot;epochs&quot;: 5}", "<th scope=\"row\" class=\"w\">cat</th>",
        "sample\u00a031", "1.5, 2.5", "a sample of class cat, taken for dog", "leaky_relu", "3 (30.0\u00a0%)",
        ">2.3<", ">2.53<"})
    CHECK_MESSAGE(contains(page, text), text);
}

TEST_CASE("run report: precision and recall are of each class") {
  // Of 9 taken for cats 7 are; of 8 cats 7 were found.
  const std::string page = render_report(full_report());
  CHECK(contains(page, "<td>8</td><td>7</td><td>77.78\u00a0%</td><td>87.50\u00a0%</td>"));
  CHECK(contains(page, "<td>6</td><td>4</td><td>80.00\u00a0%</td><td>66.67\u00a0%</td>"));
  CHECK(contains(page, "11 of 14 samples are right: 78.57\u00a0%"));
}

TEST_CASE("run report: the most confident mistakes are the 48 that are shown") {
  RunReport report = full_report();
  report.mistakes.clear();
  for (int i = 0; i < 60; ++i) report.mistakes.push_back({.probability = 0.01 * i, .index = 1000 + i});
  const std::string page = render_report(report);
  CHECK(occurrences(page, "sample\u00a010") == 48);
  CHECK(page.find("sample\u00a01059") < page.find("sample\u00a01058"));
  CHECK_FALSE(contains(page, "sample\u00a01011"));
}

TEST_CASE("run report: an image is a PNG of its pixels") {
  RunReport report{.title = "x"};
  report.mistakes = {{.sample = tensor({{0, 1}, {0.5, NAN}})}};
  // Packed by Python, with the checksums of its zlib, from the bytes 0 255 / 128 0.
  CHECK(contains(render_report(report),
                 "data:image/png;base64,"
                 "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAAEUlEQVR4AQEGAPn/AAD/"
                 "AIAABQIBgCdcnd0AAAAASUVORK5CYII="));
}

TEST_CASE("run report: a PNG has sides of 1 to 250") {
  using optim::report::png_data_uri;
  const std::vector<float> pixels(251);
  for (const auto& [rows, cols] : {std::pair{0, 1}, std::pair{1, 0}, std::pair{251, 1}, std::pair{1, 251}})
    CHECK_THROWS_WITH_AS(png_data_uri(pixels, rows, cols),
                         ("png_data_uri: the image is " + std::to_string(rows) + " x " +
                          std::to_string(cols) + ", expected sides of 1 to 250")
                             .c_str(),
                         Error);
}

TEST_CASE("run report: large images and many features are cut to a size") {
  RunReport report{.title = "x"};
  report.mistakes = {{.sample = zeros({1, 1000, 300})}, {.sample = zeros({100000})}};
  const std::string page = render_report(report);
  CHECK(page.size() < 30000);
  CHECK(contains(page, "(100000 in all)"));
}

TEST_CASE("run report: the page refers to nothing outside and holds no script") {
  for (const RunReport& report : {full_report(), hostile_report()}) {
    const std::string page = render_report(report);
    CHECK_FALSE(contains(page, "http:"));
    CHECK_FALSE(contains(page, "https:"));
    CHECK_FALSE(contains(page, "<script"));
    CHECK_FALSE(contains(page, "url("));
    CHECK_FALSE(contains(page, "@import"));
    CHECK(contains(page, "default-src 'none'; img-src data:;"));
    CHECK(occurrences(page, "<img src=\"data:image/png;base64,") == 1);
    CHECK(occurrences(page, "href=") == 1);
    CHECK(contains(page, "href=\"data:,\""));
  }
}

TEST_CASE("run report: no text of the user's becomes markup") {
  const std::string page = render_report(hostile_report());
  CHECK_FALSE(contains(page, "alert(1)<"));
  CHECK(contains(page, "&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
  CHECK(contains(page, "\xEF\xBF\xBD\xEF\xBF\xBD"));
  CHECK_FALSE(contains(page, "\x01"));
  CHECK_FALSE(contains(page, "\xff"));
}

TEST_CASE("run report: every page is well-formed XML") {
  if (program("python3").empty()) return test::skip("python3 is not installed");
  RunReport bare{.title = "bare"};
  RunReport broken = full_report();
  for (optim::Logs& logs : broken.epochs) logs.set("loss", NAN);
  for (const RunReport& report : {full_report(), hostile_report(), bare, broken})
    CHECK(xml_error(render_report(report)) == "");
}

TEST_CASE("run report: ids are unique") {
  const std::string page = render_report(full_report());
  const std::regex id("[ <]id=[\"']([^\"']*)");
  std::set<std::string> seen;
  for (std::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at)
    CHECK_MESSAGE(seen.insert((*at)[1]).second, std::string((*at)[1]));
}

TEST_CASE("run report: curves are drawn into the page, with words for who cannot see them") {
  if (no_gnuplot()) return;
  const std::string page = render_report(full_report());
  CHECK(occurrences(page, "<svg ") == 4);
  CHECK(occurrences(page, "<desc id=") == 4);
  CHECK(contains(page, "Training: 2.214 in epoch 5, lowest 2.214 in epoch 5. Validation: 2.435 in epoch 5"));
  CHECK(contains(page, "stroke='var(--c1)'"));
  CHECK(contains(page, "fill=\"currentColor\""));
  CHECK_FALSE(contains(page, "rgb(  0"));
}

TEST_CASE("run report: one epoch is a point") {
  if (no_gnuplot()) return;
  RunReport report{.title = "x"};
  report.epochs = test::logs_of(1);
  const std::string page = render_report(report);
  CHECK(occurrences(page, "<svg ") == 3);
  CHECK(occurrences(page, "<circle ") == 5);
}

TEST_CASE("run report: what is no finite number is a gap in the curve, and is told") {
  if (no_gnuplot()) return;
  RunReport report{.title = "x"};
  report.epochs = test::logs_of(6);
  report.epochs[2].set("loss", NAN);
  report.epochs[4].set("loss", INFINITY);
  report.epochs[5].set("loss", -1e300);
  const std::string page = render_report(report);
  CHECK(occurrences(page, "<svg ") == 3);
  CHECK(contains(page,
                 "Training: 2.235 in epoch 4, lowest 2.235 in epoch 4; 3 epochs without a finite number."));
  CHECK(contains(page, "<td>NaN</td>"));
  CHECK(contains(page, "<td>inf</td>"));
}

TEST_CASE("run report: a curve without any number is left out") {
  RunReport report{.title = "x"};
  report.epochs = test::logs_of(3);
  for (optim::Logs& logs : report.epochs) {
    logs.set("loss", NAN);
    logs.set("val_loss", INFINITY);
  }
  const std::string page = render_report(report);
  CHECK_FALSE(contains(page, "<h3>Loss</h3>"));
  CHECK(contains(page, "<td>NaN</td>"));
}

TEST_CASE("run report: a run without validation has no curve of it") {
  RunReport report{.title = "x"};
  report.epochs.resize(3);
  for (optim::Logs& logs : report.epochs) logs.set("loss", 1);
  const std::string page = render_report(report);
  CHECK_FALSE(contains(page, "alidation"));
}

TEST_CASE("run report: a resumed run counts its epochs on") {
  RunReport report{.title = "x", .first_epoch = 7};
  report.epochs = test::logs_of(2);
  CHECK(contains(render_report(report), "<th scope=\"row\" class=\"w\">9</th>"));
}

TEST_CASE("run report: parts that are empty make no section") {
  const std::string page = optim::render_report({.title = "bare"});
  CHECK_FALSE(contains(page, "<section>"));
  CHECK(contains(page, "<h1>bare</h1>"));
}

TEST_CASE("run report: a thousand epochs of thirty layers stay below a megabyte") {
  RunReport report = full_report();
  report.epochs = test::logs_of(1000);
  report.health.clear();
  for (int i = 0; i < 1000; ++i) {
    auto& health = report.health.emplace_back(test::health_of(100 * i, i / 100));
    while (health.layers.size() < 30) health.layers.push_back(health.layers[health.layers.size() - 2]);
  }
  const std::string page = render_report(report);
  CHECK(page.size() < 1000000);
  CHECK(contains(page, "<th scope=\"row\" class=\"w\">1000</th>"));
}

TEST_CASE("run report: up to six layers are lines, more are rows of a map from 1 on") {
  if (no_gnuplot()) return;
  for (const std::size_t count : {6U, 7U}) {
    RunReport report{.title = "x"};
    for (int i = 0; i < 3; ++i) {
      auto& health = report.health.emplace_back(test::health_of(i, i));
      while (health.layers.size() < count) health.layers.push_back(health.layers.back());
    }
    CHECK(contains(render_report(report), "by its number in the table") == (count == 7));
  }
  const std::string script = optim::report::script_of(optim::report::HeatMap{
      .x_label = "step", .y_label = "layer", .x = {0, 10}, .rows = {{0, 25}, {NAN, 50}}});
  CHECK(contains(script, "\n0 1 0\n1 1 25\n1 2 50\nend_of_data\n"));
}

TEST_CASE("run report: of 200 classes the largest confusions are listed") {
  RunReport report{.title = "x"};
  report.confusion = full({200, 200}, 1, DType::i64);
  report.confusion.mutable_data<std::int64_t>()[17 * 200 + 99] = 5;
  const std::string page = render_report(report);
  CHECK(contains(page, "The 50 largest of 39800 confusions"));
  CHECK(occurrences(page, "<th scope=\"row\" class=\"w\">") == 200 + 50);
  CHECK(contains(page, "@media print"));
  CHECK(contains(page,
                 "<tbody>\n<tr><th scope=\"row\" class=\"w\">17</th><td "
                 "class=\"w\">99</td><td>5</td><td>2.5\u00a0%</td>"));
  CHECK_FALSE(contains(page, "<table class=\"matrix\">"));
  CHECK(page.size() < 100000);
}

TEST_CASE("run report: without gnuplot tables take the place of curves") {
  const auto outcome = test::run_case("run report child: a page", {{"PATH", "/nowhere"}});
  CHECK(outcome.status == 0);
  CHECK(outcome.says("Debian's package is gnuplot-nox"));
  CHECK(outcome.says("<details open=\"open\">\n<summary>The numbers of every epoch</summary>"));
  CHECK_FALSE(outcome.says("<svg"));
  CHECK(outcome.says("pictures: 0"));
}

TEST_CASE("run report child: a page" * doctest::skip()) {
  const test::TempDir folder;
  std::cout << render_report(full_report())
            << "pictures: " << write_pictures(folder.path(), full_report()).size() << "\n";
}

TEST_CASE("run report: pictures of the run are files of their own") {
  if (no_gnuplot()) return;
  const test::TempDir folder;
  RunReport report = full_report();
  report.health.back().layers[0].units[0].saturated = true;
  const std::vector<std::string> names = {"loss.svg", "accuracy.svg", "lr.svg", "health.svg",
                                          "saturation.svg"};
  CHECK(write_pictures(folder.path(), report) == names);
  CHECK(folder.names().size() == 5);
  CHECK(contains(folder.read("loss.svg"), "<title>Loss</title>"));
  CHECK(contains(folder.read("health.svg"), "layer 3"));
}

TEST_CASE("run report: names of layers reach gnuplot only if they are plain") {
  if (no_gnuplot()) return;
  const test::TempDir folder;
  RunReport report{.title = "x"};
  report.health = {test::health_of(0, 0), test::health_of(1, 1)};
  for (nn::HealthReport& health : report.health) health.layers[1].name = "'; system('touch pwned'); '";
  write_pictures(folder.path(), report);
  CHECK(contains(folder.read("health.svg"), "layer 1"));
  CHECK(contains(folder.read("health.svg"), "layer no. 2"));
  CHECK_FALSE(contains(folder.read("health.svg"), "touch"));
}

TEST_CASE("run report: a written page is the rendered one") {
  const test::TempDir folder;
  write_report(folder.file("report.html"), full_report());
  CHECK(folder.read("report.html") == render_report(full_report()));
  CHECK(folder.names().size() == 1);
}

TEST_CASE("run report: of a curve the best is told as its name says which that is, or not at all") {
  RunReport report{.title = "x"};
  for (const double value : {0.5, 0.75, 0.25}) {
    optim::Logs logs;
    logs.set("f1", value);
    logs.set("temperature", value);
    report.epochs.push_back(logs);
  }
  const std::vector<optim::report::Picture> pictures = optim::report::curve_pictures(report);
  REQUIRE(pictures.size() == 2);
  CHECK(pictures[0].description == "Training: 0.25 in epoch 3, highest 0.75 in epoch 2.");
  CHECK(pictures[1].description == "Training: 0.25 in epoch 3.");
}

TEST_CASE("run report: samples whose outputs are NaN count as wrong") {
  RunReport report = full_report();
  report.confusion = tensor({{90, 0}, {0, 0}}, DType::i64);
  report.classes = {"a", "b"};
  report.unjudged = 10;
  const std::string page = render_report(report);
  CHECK(contains(page, "<p>90 of 100 samples are right: 90.00"));
  CHECK(contains(page, "<p>The outputs of 10 samples are NaN; they stand in no class below.</p>"));
}

TEST_CASE("run report: what does not fit is refused") {
  RunReport report = full_report();
  report.title = "";
  CHECK_THROWS_WITH_AS(render_report(report), "run report: the title is empty, expected a name of the run",
                       Error);
  report = full_report();
  report.confusion = zeros({2, 3}, DType::i64);
  CHECK_THROWS_WITH_AS(render_report(report),
                       "run report: confusion is i64 [2, 3], expected i64 [classes, classes]", Error);
  report.confusion = tensor({{1, -4}, {0, 0}}, DType::i64);
  CHECK_THROWS_WITH_AS(render_report(report), "run report: confusion holds -4, expected counts of 0 or more",
                       Error);
  report.confusion = zeros({3, 3}, DType::i64);
  CHECK_THROWS_WITH_AS(render_report(report),
                       "run report: there are 2 class names, expected 3 as in confusion, or none", Error);
  report = full_report();
  report.mistakes[0].sample = zeros({2}, DType::f64);
  CHECK_THROWS_WITH_AS(write_pictures("/nowhere", report),
                       "run report: a misclassified sample is f64, expected f32", Error);
}
