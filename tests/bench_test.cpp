// The benchmark program: its table, its JSON, what it makes of two versions, and its command line.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include <rill/core/error.hpp>
#include <rill/tools/bench/command.hpp>
#include <rill/tools/bench/compare.hpp>
#include <rill/tools/bench/gemm_step.hpp>
#include <rill/tools/bench/results.hpp>
#include <rill/tools/bench/rows.hpp>

#include "subprocess.hpp"
#include "temp_dir.hpp"

namespace {

using rill::bench::Change;
using rill::bench::Result;
using rill::test::Outcome;
using rill::test::run_case;
using rill::test::TempDir;

Result line(const std::string& row, double rill, double gemm) {
  Result result;
  result.row = row;
  result.activation = "relu";
  result.data = "dense";
  result.rill = rill;
  result.gemm = gemm;
  result.bound = "sgemm";
  result.rill_gemm = {rill / gemm, rill / gemm, rill / gemm};
  return result;
}

Result full_line() {
  Result result = line("D", 19500, 20000);
  result.activation = "prelu";
  result.libtorch = 15000;
  result.gflops = 64.5;
  result.rill_gemm = {0.975, 0.95, 1.01};
  result.rill_libtorch = {1.3, 1.25, 1.35};
  result.beside = "C";
  result.rill_beside = {0.97, 0.96, 0.98};
  result.floor = 0.95;
  result.floor_of = "beside";
  result.rounds = 17;
  return result;
}

struct Answer {
  int status;
  std::string out, err;
};

Answer bench(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const auto no_ops = [](const std::string&, int, bool) { return 0; };
  const int status = rill::bench::run_command(arguments, no_ops, out, err);
  return {status, out.str(), err.str()};
}

std::vector<Change> changes_of(const std::vector<std::vector<double>>& rounds) {
  std::vector<rill::bench::Round> planted;
  for (const auto& r : rounds) planted.push_back({{line("A", r[0], r[1])}, {line("A", r[2], r[3])}});
  return rill::bench::compare(planted);
}

std::string message_of(const std::string& json) {
  try {
    rill::bench::from_json(json, "bench.json");
  } catch (const rill::Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("bench: quantiles interpolate between the sorted values") {
  CHECK(rill::bench::quantile({3, 1, 2}, 0.5) == 2);
  CHECK(rill::bench::quantile({0, 10}, 0.1) == doctest::Approx(1));
  CHECK(rill::bench::quantile({7}, 0.9) == 7);
}

TEST_CASE("bench: a line of the table holds speeds, ratios and the floor") {
  CHECK(rill::bench::table_head() ==
        "row                   data   th  bound 1/s          rill 1/s  ratio     10-90 % torch 1/s  ratio  "
        "floor");
  CHECK(rill::bench::table_line(full_line()) ==
        "D prelu               dense   1      20000 sgemm       19500   0.97   0.95-1.01     15000   1.30  "
        "0.95 of C: 0.97 ok");
}

TEST_CASE("bench: a floor that is missed is said to be above the line") {
  Result missed = line("A", 79, 100);
  missed.floor = 0.8;
  missed.floor_of = "gemm";
  CHECK(rill::bench::table_line(missed).ends_with("-      -  0.80 below"));
  missed.rill_gemm.median = 0.8;
  CHECK(rill::bench::table_line(missed).ends_with("-      -  0.80 ok"));
}

TEST_CASE("bench: JSON has the keys of the contract, and null where nothing was measured") {
  const std::string text = rill::bench::to_json(std::vector{line("A", 50, 100)});
  CHECK(text ==
        "[\n {\"row\": \"A\", \"activation\": \"relu\", \"data\": \"dense\", \"threads\": 1, \"rill\": 50, "
        "\"gemm\": 100, \"libtorch\": null, \"bound\": \"sgemm\", \"gflops\": 0, "
        "\"rill_gemm\": 0.5, \"rill_gemm_low\": 0.5, \"rill_gemm_high\": 0.5, "
        "\"rill_libtorch\": null, \"rill_libtorch_low\": null, \"rill_libtorch_high\": null, "
        "\"beside\": null, \"rill_beside\": null, \"rill_beside_low\": null, \"rill_beside_high\": null, "
        "\"floor\": null, \"floor_of\": null, \"met\": null, \"rounds\": 0}\n]\n");
}

TEST_CASE("bench: what is read from JSON is what was written") {
  const std::vector<Result> written{full_line(), line("G", 3, 2)};
  const std::string text = rill::bench::to_json(written);
  const std::vector<Result> read = rill::bench::from_json(text, "bench.json");
  CHECK(rill::bench::to_json(read) == text);
  CHECK(rill::bench::table_line(read[0]) == rill::bench::table_line(written[0]));
}

TEST_CASE("bench: JSON of a version with fewer keys is read") {
  const auto read = rill::bench::from_json(
      R"([{"row": "D", "activation": "elu", "data": "mnist", "threads": 2, "rill": 3.0, "gemm": 4.0, "libtorch": null}])",
      "old.json");
  REQUIRE(read.size() == 1);
  CHECK(read[0].title() == "D elu");
  CHECK(read[0].threads == 2);
  CHECK(read[0].rill_gemm.median == 0.75);
  CHECK(read[0].bound == "sgemm");
}

TEST_CASE("bench: JSON that is no list of results is refused with its place") {
  CHECK(message_of("{}").starts_with("bench.json: "));
  CHECK(message_of(R"([{"row": "A"}])").starts_with("bench.json: /0"));
  CHECK(message_of(R"([{"row": "A", "data": "dense", "threads": 1, "rill": 0, "gemm": 1}])")
            .starts_with("bench.json: /0/rill: "));
}

TEST_CASE("bench: rows that compare with another row name one that is there") {
  for (const rill::bench::Row& row : rill::bench::all_rows()) {
    CHECK((rill::bench::row_beside(row) != nullptr) == !row.beside.empty());
  }
  CHECK(rill::bench::row_beside(rill::bench::rows_named("D")[2])->name == "C");
  CHECK(rill::bench::row_beside(rill::bench::rows_named("activation")[2])->activation == "leaky_relu");
}

TEST_CASE("bench: the products of a row with a batch of one are right") {
  using rill::bench::Product;
  const std::vector<float> x{2, 3}, w{1, 2, 3, 4, 5, 6}, g{1, 10, 100};  // w [3, 2]
  std::vector<float> y(3, 9), dx(2, 9), dw(6, 1), expected(6);
  const auto check = [](const Product& p, const auto& a, const auto& b, auto& c, auto wanted) {
    rill::bench::multiply_vector(p, a.data(), b.data(), c.data());
    CHECK(c == wanted);
  };
  check(Product{"forward", false, true, 1, 3, 2}, x, w, y, std::vector<float>{8, 18, 28});
  check(Product{"input", false, false, 1, 2, 3}, g, w, dx, std::vector<float>{531, 642});
  check(Product{"weight", true, false, 3, 2, 1}, g, x, dw, std::vector<float>{2, 3, 20, 30, 200, 300});
}

TEST_CASE("bench: the bound of a training has three products a layer but one, of inference one") {
  CHECK(rill::bench::GemmStep(rill::bench::rows_named("C")[0]).products().size() == 8);
  CHECK(rill::bench::GemmStep(rill::bench::rows_named("inference-512")[0]).products().size() == 3);
}

TEST_CASE("bench: of two versions, what slows a whole round cancels out") {
  // The second round runs at half the speed, rill and bound alike.
  const auto changes = changes_of({{100, 200, 150, 200}, {50, 100, 75, 100}, {100, 200, 75, 100}});
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].ratio.median == doctest::Approx(1.5));
  CHECK(changes[0].ratio.low == doctest::Approx(1.5));
  CHECK(changes[0].rounds == 3);
  CHECK(changes[0].beyond_noise());
}

TEST_CASE("bench: a change is beyond the noise where most of 3 rounds agree and it is 2 %") {
  CHECK_FALSE(
      changes_of({{100, 100, 110, 100}, {100, 100, 90, 100}, {100, 100, 108, 100}})[0].beyond_noise());
  CHECK_FALSE(changes_of({{100, 100, 101, 100}, {100, 100, 101, 100}})[0].beyond_noise());
  CHECK_FALSE(changes_of({{100, 100, 50, 100}, {100, 100, 50, 100}})[0].beyond_noise());
  CHECK(changes_of({{100, 100, 96, 100}, {100, 100, 95, 100}, {100, 100, 97, 100}})[0].beyond_noise());
}

TEST_CASE("bench: versions with different bounds are compared by their speeds alone") {
  Result before = line("G", 100, 50), after = line("G", 110, 100);
  after.bound = "sgemv";
  const auto changes = rill::bench::compare({{{before}, {after}}});
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].rates);
  CHECK(changes[0].ratio.median == doctest::Approx(1.1));
}

TEST_CASE("bench: lines that one of the versions lacks are not compared") {
  CHECK(rill::bench::compare({{{line("A", 1, 1)}, {line("B", 1, 1), line("A", 1, 1)}}}).size() == 1);
}

TEST_CASE("bench: --compare reads the rounds of a folder and says what changed") {
  const TempDir folder;
  for (int i = 1; i <= 3; ++i) {
    const std::string end = "-" + std::to_string(i) + ".json";
    folder.write("old" + end, rill::bench::to_json(std::vector{line("A", 100, 200), line("C", 10, 20)}));
    folder.write("new" + end, rill::bench::to_json(std::vector{line("A", 120, 200), line("C", 10, 20)}));
  }
  const Answer answer = bench({"--compare", folder.path()});
  CHECK(answer.status == 0);
  CHECK(answer.out ==
        "row                   data   th  new/old       10-90 %  \n"
        "A                     dense   1    1.200   1.200-1.200  faster\n"
        "C                     dense   1    1.000   1.000-1.000  \n"
        "1 of 2 lines changed beyond the noise of 3 rounds\n");
}

TEST_CASE("bench: --compare without rounds says what it expected") {
  const TempDir folder;
  const Answer answer = bench({"--compare", folder.path()});
  CHECK(answer.status == 1);
  CHECK(answer.err ==
        "rill_bench: " + folder.path() + ": no old-1.json with new-1.json, expected runs of both versions\n");
}

TEST_CASE("bench: --markdown prints the table of a file") {
  const TempDir folder;
  const Answer answer =
      bench({"--markdown", folder.write("bench.json", rill::bench::to_json(std::vector{full_line()}))});
  CHECK(answer.status == 0);
  CHECK(
      answer.out.ends_with("| D prelu | dense | 1 | sgemm 20000 | 19500 | 0.97 | 0.95-1.01 | 15000 | 1.30 | "
                           "0.95 of C: 0.97 ok |\n"));
  CHECK(std::ranges::count(answer.out, '\n') == 3);
}

TEST_CASE("bench: --markdown prints what the recipes reached, where that lies beside the file") {
  const TempDir folder;
  folder.write("recipes.csv", "recipe,seed,to_98\nR2,42,\n");
  const Answer answer =
      bench({"--markdown", folder.write("bench.json", rill::bench::to_json(std::vector{full_line()}))});
  CHECK(answer.out.ends_with("|\n\n| recipe | seed | to_98 |\n| --- | --- | --- |\n| R2 | 42 |  |\n"));
}

TEST_CASE("bench: an unknown row is refused with the rows that there are") {
  const Answer answer = bench({"--rows", "A,H"});
  CHECK(answer.status == 2);
  CHECK(
      answer.err.find("unknown row \"H\", expected some of A, B, C, D, E, F, G, inference-1, inference-512, "
                      "activation") != std::string::npos);
}

TEST_CASE("bench: unknown data and processor time of two threads are refused") {
  CHECK(bench({"--data", "cifar"}).err.find("unknown data \"cifar\", expected dense or mnist") !=
        std::string::npos);
  const Answer two = bench({"--cpu-time", "--threads", "1,2"});
  CHECK(two.status == 2);
  CHECK(two.err == "rill_bench: --cpu-time: with --threads other than 1, expected --threads 1\n");
}

TEST_CASE("bench: a filter that matches nothing is refused") {
  const Answer answer = bench({"--filter", "nothing"});
  CHECK(answer.status == 2);
  CHECK(answer.err == "rill_bench: --filter: no benchmark matches \"nothing\"; without it --ops runs all\n");
}

TEST_CASE("bench: --list names the rows") {
  CHECK(bench({"--list"}).out == "A, B, C, D, E, F, G, inference-1, inference-512, activation\n");
}

TEST_CASE("bench child: a quick table" * doctest::skip()) {
  const Answer answer = bench({"--quick", "--rows", "A,G,inference-1,activation", "--threads", "1,2",
                               "--data", "dense", "--no-libtorch"});
  MESSAGE(answer.out << answer.err);
  CHECK(answer.status == 0);
}

TEST_CASE("bench: a quick run prints a line for each row and writes them to bench.json") {
  const TempDir folder;
  const Outcome run = run_case("bench child: a quick table", {{"RILL_BUILD_DIR", folder.path()}});
  CHECK_MESSAGE(run.status == 0, run.output);
  CHECK(run.says("wrote " + folder.file("bench.json")));
  const auto results = rill::bench::from_json(folder.read("bench.json"), "bench.json");
  REQUIRE(results.size() == 12);
  for (const Result& result : results) {
    CHECK_MESSAGE(run.says(rill::bench::table_line(result).substr(0, 30)), result.title());
    CHECK(result.rill > 0);
    CHECK(result.rill_gemm.low <= result.rill_gemm.high);
    CHECK(result.beside == (result.threads == 2 ? "1 thread"
                            : result.activation == "relu" || result.activation == "leaky_relu"
                                ? ""
                                : "leaky_relu"));
  }
  CHECK(results[0].floor == 0.8);
  CHECK(results[2].bound == "sgemv");
  CHECK(results[8].title() == "activation elu");
  CHECK(results[8].floor == doctest::Approx(1 / 1.5).epsilon(1e-5));
}

TEST_CASE("bench: without a folder for bench.json nothing is measured") {
  const TempDir folder;
  const Outcome run = run_case("bench child: a quick table", {{"RILL_BUILD_DIR", folder.file("no")}});
  CHECK(run.says("rill_bench: " + folder.file("no/bench.json") + ": there is no folder \"" +
                 folder.file("no") + "\", expected one; create it or set RILL_BUILD_DIR"));
  CHECK_FALSE(run.says("wrote"));
}

TEST_CASE("bench-compare: what cannot be compared is refused") {
  const auto check = [](const std::string& base, const std::string& rounds) {
    return rill::test::run_program("/bin/sh", {"tools/bench/compare.sh", "check", base, rounds});
  };
  CHECK(check("", "7").output ==
        "bench-compare: BASE is empty, expected a revision; make bench-compare BASE=HEAD~1\n");
  CHECK(check("HEAD", "x").output == "bench-compare: ROUNDS is \"x\", expected a whole number above 0\n");
  CHECK(check("", "7").status == 2);
}
