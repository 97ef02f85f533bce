// examples/born_dead as a user runs it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "skip.hpp"
#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

using rill::test::Outcome;
using rill::test::TempDir;

Outcome run_born_dead(const std::string& out, std::vector<std::string> arguments) {
  const char* build = std::getenv("RILL_BUILD_DIR");
  arguments.insert(arguments.end(), {"--quick", "--out", out});
  return rill::test::run_program(
      std::filesystem::absolute(std::string(build ? build : "build") + "/examples/born_dead"),
      std::move(arguments));
}

struct Row {
  double networks, born_dead, lower, upper;
};
using Cell = std::pair<int, int>;  // width and weight layers
using Table = std::map<Cell, Row>;

Table read_table(const TempDir& out) {
  std::istringstream lines(out.read("born_dead.csv"));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "width,layers,networks,born_dead,lower,upper");
  Table table;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    int width = 0, layers = 0;
    Row row{};
    char comma = 0;
    fields >> width >> comma >> layers >> comma >> row.networks >> comma >> row.born_dead >> comma >>
        row.lower >> comma >> row.upper;
    CHECK_MESSAGE((fields && fields.eof()), line);
    table[{width, layers}] = row;
  }
  return table;
}

double tolerance(double p, double networks) { return 4 * std::sqrt(p * (1 - p) / networks) + 0.0015; }

}  // namespace

TEST_CASE("born_dead: there is a cell for each width and depth, and two weight layers are never born dead") {
  const TempDir out;
  const Outcome run = run_born_dead(out.path(), {"--experiment", "table"});
  CHECK_MESSAGE(run.status == 0, run.output);
  CHECK(run.says("76 of 76 cells agree with the theory"));
  const Table table = read_table(out);
  CHECK(table.size() == 76);
  for (int width = 2; width <= 5; ++width) {
    for (int layers = 2; layers <= 20; ++layers) REQUIRE(table.contains({width, layers}));
    CHECK(table.at({width, 2}).born_dead == 0);
  }
  for (const auto& [cell, row] : table) {
    CHECK(row.networks == 2000);
    CHECK(row.born_dead >= row.lower - tolerance(row.lower, row.networks));
    CHECK(row.born_dead <= row.upper + tolerance(row.upper, row.networks));
  }
  CHECK(out.names() == std::vector<std::string>{"born_dead.csv"});
}

TEST_CASE(
    "born_dead: shares are those of the theory where it is exact, and of a count of a million networks") {
  const TempDir out;
  run_born_dead(out.path(), {"--experiment", "table", "--networks", "4000"});
  const Table table = read_table(out);
  const std::map<Cell, double> known{{{2, 3}, 0.15625},   {{3, 3}, 0.0429688}, {{4, 3}, 0.0112305},
                                     {{5, 3}, 0.0028687}, {{2, 10}, 0.8799},   {{3, 10}, 0.5787},
                                     {{5, 10}, 0.1286}};
  for (const auto& [cell, share] : known) {
    const Row& row = table.at(cell);
    CHECK(std::abs(row.born_dead - share) <= tolerance(share, row.networks));
    if (cell.second == 3) CHECK(row.lower == doctest::Approx(share).epsilon(1e-3));
  }
  // One ray lives through a layer of width N with probability 1 - 2^-N.
  CHECK(table.at({5, 20}).upper == doctest::Approx(1 - std::pow(31.0 / 32, 19)).epsilon(1e-5));
  CHECK(table.at({2, 2}).upper == 0.25);
}

TEST_CASE("born_dead: one seed gives the same files for any number of threads, another seed others") {
  const TempDir one, two, other;
  const std::vector<std::string> small{"--networks", "250", "--trainings", "60"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), small.begin(), small.end());
    return more;
  };
  run_born_dead(one.path(), with({"--threads", "1"}));
  run_born_dead(two.path(), with({"--threads", "2"}));
  run_born_dead(other.path(), with({"--seed", "43"}));
  CHECK(one.names() == std::vector<std::string>{"abs_x.csv", "born_dead.csv"});
  for (const std::string& name : one.names()) {
    CHECK_MESSAGE(one.read(name) == two.read(name), name);
    CHECK_MESSAGE(one.read(name) != other.read(name), name);
  }
}

TEST_CASE("born_dead: networks that are constant stay so, and RAI leaves far fewer of them") {
  const TempDir out;
  const Outcome run = run_born_dead(out.path(), {"--experiment", "abs_x"});
  CHECK(run.status == 0);
  CHECK(out.names() == std::vector<std::string>{"abs_x.csv"});
  std::istringstream lines(out.read("abs_x.csv"));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "init,networks,constant_at_init,constant_after,fitted,half_wrong");
  std::map<std::string, std::vector<double>> rows;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string name, field;
    std::getline(fields, name, ',');
    while (std::getline(fields, field, ',')) rows[name].push_back(std::stod(field));
  }
  REQUIRE(rows.size() == 2);
  for (const auto& [name, row] : rows) {
    REQUIRE(row.size() == 5);
    CHECK(row[0] == 100);
    CHECK(row[2] >= row[1]);
    CHECK(row[2] + row[3] <= 1);
    CHECK(row[2] + row[4] <= 1);
  }
  CHECK(std::abs(rows.at("he_normal")[1] - 0.8799) <= tolerance(0.8799, 100));
  CHECK(rows.at("rai")[1] < 0.5);
  CHECK(rows.at("rai")[2] < rows.at("he_normal")[2]);
}

TEST_CASE("born_dead: a share that the theory does not allow is marked, and the run exits 1") {
  // The one network of width 4 is dead after two hidden layers, of which 1.1 % are.
  const TempDir out;
  const Outcome run = run_born_dead(out.path(), {"--experiment", "table", "--networks", "1", "--seed", "7"});
  CHECK(run.status == 1);
  CHECK(run.says("  1.0000!(0.0112-0.1211)"));
  CHECK(run.says("75 of 76 cells agree with the theory"));
  CHECK(
      run.says("error: born_dead: cells that disagree with the theory: 1 (marked with ! above), "
               "expected none"));
  CHECK(read_table(out).at({4, 3}).born_dead == 1);
}

TEST_CASE("born_dead: a negative bias kills networks, a positive one keeps them alive, RAI too") {
  const auto share = [](std::vector<std::string> options) {
    const TempDir out;
    options.insert(options.end(), {"--experiment", "table", "--networks", "200"});
    const Outcome run = run_born_dead(out.path(), options);
    CHECK_MESSAGE(run.status == 0, run.output);
    CHECK(run.says("not compared with"));
    return read_table(out).at({3, 10}).born_dead;
  };
  const double none = 0.5787;
  CHECK(share({"--bias", "-0.5"}) > none + tolerance(none, 200));
  CHECK(share({"--bias", "0.5"}) < none - tolerance(none, 200));
  CHECK(share({"--init", "rai"}) < none - tolerance(none, 200));
}

TEST_CASE("born_dead: uniform weights are symmetric too") {
  const TempDir out;
  const Outcome run =
      run_born_dead(out.path(), {"--experiment", "table", "--init", "uniform", "--networks", "500"});
  CHECK_MESSAGE(run.status == 0, run.output);
  CHECK(run.says("76 of 76 cells agree with the theory"));
}

TEST_CASE("born_dead: wrong usage exits 2, a folder that cannot be written 1") {
  const TempDir out;
  const std::vector<std::vector<std::string>> wrong{
      {"--init", "orthogonal"}, {"--experiment", "none"}, {"--networks", "0"},
      {"--bias", "nan"},        {"--trainings", "-1"},    {"--init", "rai", "--bias", "0.1"}};
  for (const auto& arguments : wrong) {
    const Outcome run = run_born_dead(out.path(), arguments);
    CHECK_MESSAGE(run.status == 2, arguments[0], ' ', arguments[1], ' ', run.output);
  }
  CHECK(out.names().empty());
  CHECK(run_born_dead(out.write("file", ""), {}).status == 1);
}

TEST_CASE("born_dead: gnuplot draws what was written") {
  const auto shell = [](const std::string& command) {
    return rill::test::run_program("/bin/sh", {"-c", command});
  };
  if (shell("command -v gnuplot").status != 0) return rill::test::skip("gnuplot is not installed");
  const TempDir out;
  run_born_dead(out.path(), {"--networks", "100", "--trainings", "10"});
  const Outcome drawn = shell("gnuplot -c examples/born_dead.gp " + out.path());
  CHECK(drawn.status == 0);
  CHECK_MESSAGE(drawn.output.empty(), drawn.output);
  CHECK(out.names() == std::vector<std::string>{"abs_x.csv", "abs_x.png", "abs_x.svg", "born_dead.csv",
                                                "born_dead.png", "born_dead.svg"});
}
