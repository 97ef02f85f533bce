// N1 and N2: the full Jacobian of every op against five-point differences, first and second order, for random arguments of
// every op; and whether a factor of 1 + 1e-6, planted into one gradient of one op at a time, would be seen.
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/parallel.hpp>

#include "checks.hpp"
#include "gradient_cases.hpp"

namespace rill::trust {
namespace {

// --- N1 ----------------------------------------------------------------------------------------------------------------------

struct Coverage {
  std::uint64_t cases = 0, broadcast = 0, scalar = 0, single = 0, empty = 0, views = 0, twice = 0,
                inplace = 0;
};

void cover(Coverage& coverage, const GradientCase& drawn) {
  const auto& [sources, leaves, function, inplace] = drawn;
  bool scalar = false, single = false, empty = false, view = false, differ = false;
  for (const InputSource& source : sources) {
    if (!leaves[source.leaf].defined() || !leaves[source.leaf].requires_grad()) continue;
    scalar |= source.shape.rank() == 0;
    single |= source.shape.numel() == 1;
    empty |= source.shape.numel() == 0;
    view |= source.view != InputView::none;
    differ |= source.shape != sources[0].shape;
  }
  ++coverage.cases;
  coverage.broadcast += differ;
  coverage.scalar += scalar;
  coverage.single += single;
  coverage.empty += empty;
  coverage.views += view;
  coverage.twice += leaves.size() < sources.size();
  coverage.inplace += inplace;
}

struct JacobianTotals {
  std::uint64_t ops = 0, least = ~std::uint64_t{0}, failures = 0;
  double first = 0, second = 0;
  Coverage coverage;
};

void add(const GradcheckResult& result, double& worst, JacobianTotals& totals, Report& report) {
  if (!(result.worst <= worst)) worst = result.worst;
  if (!result.passed() && ++totals.failures <= 10) report.detail(result.failure);
}

void check_op(const ListedOp& op, const Scale& scale, JacobianTotals& totals, Report& report) {
  const std::uint32_t cases = scale.of(400u, 10000u);
  for (std::uint32_t i = 0; i < cases; ++i) {
    const GradientCase drawn = op.random_case(Stream(scale.seed, Purpose::user, 1, i), false, {});
    const GradcheckOptions options{.seed = i,
                                   .label = fmt::format("{}, case {}, seed {}", op.name, i, scale.seed)};
    add(gradcheck(drawn.function, drawn.leaves, options), totals.first, totals, report);
    add(gradgradcheck(drawn.function, drawn.leaves, options), totals.second, totals, report);
    cover(totals.coverage, drawn);
  }
  ++totals.ops;
  totals.least = std::min<std::uint64_t>(totals.least, cases);
}

// --- N2 ----------------------------------------------------------------------------------------------------------------------

struct Plantings {
  std::uint64_t ops_caught = 0, places = 0, caught = 0, passed_by = 0;
};

// Whether a planting is seen in every one of some cases whose gradients are large enough to tell; and in one at least.
bool seen(const ListedOp& op, const Scale& scale, const Planting& planting, Plantings& all, Report& report) {
  int found = 0, missed = 0;
  for (std::uint32_t i = 0; i < 200 && found + missed < scale.of(5, 50); ++i) {
    GradientCase drawn = op.random_case(Stream(scale.seed, Purpose::user, 2, i), true, planting);
    if (planting.input >= drawn.leaves.size()) continue;
    const Tensor& wrong = drawn.leaves[planting.input];
    if (!wrong.defined() || !wrong.requires_grad()) continue;
    for (std::size_t k = 0; k < drawn.leaves.size(); ++k) {
      if (k != planting.input && drawn.leaves[k].defined()) drawn.leaves[k] = drawn.leaves[k].detach();
    }
    const GradcheckResult result = planting.second ? gradgradcheck(drawn.function, drawn.leaves)
                                                   : gradcheck(drawn.function, drawn.leaves);
    if (result.largest < 0.1) continue;
    ++(result.passed() ? missed : found);
    if (result.passed())
      report.detail(
          fmt::format("{}, input {}, case {}, seed {}: an error planted in the {} order was not seen",
                      op.name, planting.input, i, scale.seed, planting.second ? "second" : "first"));
  }
  all.passed_by += static_cast<std::uint64_t>(missed);
  return found > 0 && missed == 0;
}

void plant_in(const ListedOp& op, const Scale& scale, Plantings& all, Report& report) {
  std::vector<bool> inputs;  // those that have a gradient in some case
  for (std::uint32_t i = 0; i < 50; ++i) {
    const test::Tensors leaves = op.random_case(Stream(scale.seed, Purpose::user, 2, i), true, {}).leaves;
    inputs.resize(std::max(inputs.size(), leaves.size()));
    for (std::size_t k = 0; k < leaves.size(); ++k)
      inputs[k] = inputs[k] || (leaves[k].defined() && leaves[k].requires_grad());
  }
  const std::uint64_t places = all.places, caught = all.caught;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    for (const bool second : {false, true}) {
      if (!inputs[k]) continue;
      ++all.places;
      all.caught += seen(op, scale, {k, second}, all, report);
    }
  }
  all.ops_caught += all.places > places && all.places - places == all.caught - caught;
}

void check_jacobians(const std::vector<ListedOp>& all, const Scale& scale, Report& report) {
  report.begin("N1");
  JacobianTotals totals;
  for (const ListedOp& op : all) check_op(op, scale, totals, report);
  const Coverage& coverage = totals.coverage;
  report.exactly("ops of the list whose Jacobians were checked", totals.ops, all.size());
  report.at_least("random cases an op, each in first and second order", totals.least, 200);
  report.at_least("cases with inputs of several shapes", coverage.broadcast, 1000);
  report.at_least("cases with a scalar", coverage.scalar, 1000);
  report.at_least("cases with a tensor of one element", coverage.single, 1000);
  report.at_least("cases with an empty tensor", coverage.empty, 1000);
  report.at_least("cases of slices, rows, reshapes and transposes", coverage.views, 1000);
  report.at_least("cases with the same tensor twice", coverage.twice, 200);
  report.at_least("cases in place", coverage.inplace, 200);
  report.at_most("first order: worst difference / max(1, |gradient|)", totals.first, 1e-8);
  report.at_most("second order: worst difference / max(1, |gradient|)", totals.second, 1e-8);
  report.exactly("cases failed, by a difference or by two walks of unlike bits", totals.failures, 0);
}

void check_plantings(const std::vector<ListedOp>& all, const Scale& scale, Report& report) {
  report.begin("N2");
  Plantings plantings;
  for (const ListedOp& op : all) plant_in(op, scale, plantings, report);
  report.exactly("ops in which a factor of 1 + 1e-6 is caught wherever planted", plantings.ops_caught,
                 all.size());
  report.exactly("gradients (op, input, order) in which it is caught", plantings.caught, plantings.places);
  report.exactly("cases that let a planted error pass", plantings.passed_by, 0);
}

}  // namespace

void check_gradients(const Scale& scale, Report& report) {
  const SerialLoops serial;
  const std::vector<ListedOp> all = listed_ops();
  check_jacobians(all, scale, report);
  check_plantings(all, scale, report);
}

}  // namespace rill::trust
