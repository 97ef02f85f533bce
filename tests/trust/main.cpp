// rill_trust: `make trust`. Runs checks that are too long or too unlike a unit test for the suite, and prints what they
// measured beside the bounds; exit 1 where one is missed, 2 for wrong usage.
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "checks.hpp"

namespace {

using namespace rill::trust;

struct Wish {
  Scale scale;
  std::vector<std::string> only;
  bool list = false;
};

int run(const Wish& wish) {
  Report report(std::cout);
  for (const Check& check : all_checks()) {
    const bool wanted =
        wish.only.empty() || std::find(wish.only.begin(), wish.only.end(), check.name) != wish.only.end();
    if (wish.list) std::cout << check.name << ": " << check.about << '\n';
    if (wanted && !wish.list) check.run(wish.scale, report);
  }
  if (!wish.list) std::cout << "trust: " << report.kept() << " kept, " << report.missed() << " missed\n";
  return report.missed() > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Wish wish;
  std::vector<std::string> names;
  for (const Check& check : all_checks()) names.emplace_back(check.name);

  CLI::App app("Measures what rill promises about numbers, files and interrupted runs.", "rill_trust");
  app.add_flag("--full", wish.scale.full, "the sizes of make trust-long");
  app.add_flag("--list", wish.list, "name the checks and run none");
  app.add_option("--only", wish.only, "run these checks alone")->delimiter(',')->check(CLI::IsMember(names));
  app.add_option("--functions", wish.scale.functions,
                 "functions that ulp and ulp_plain try, such as elu,tanh")
      ->delimiter(',')
      ->check(CLI::IsMember(ulp_functions()));
  app.add_option("--seed", wish.scale.seed, "seed of all random cases")->capture_default_str();
  app.add_option("--rill", wish.scale.rill, "the rill command")->default_val("build/bin/rill");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return run(wish);
  } catch (const std::exception& error) {
    std::cerr << "rill_trust: " << error.what() << '\n';
    return 1;
  }
}
