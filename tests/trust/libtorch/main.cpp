// rill_trust_libtorch: `make trust-libtorch`. N4: the same functions of the same random numbers in rill and in libtorch, values and
// gradients. Exit 1 where they differ without a reason that is listed here, 2 for wrong usage.
#include <CLI/CLI.hpp>
#include <cmath>
#include <exception>
#include <fmt/format.h>
#include <iostream>
#include <map>
#include <string>

#include "../check.hpp"
#include "both.hpp"

namespace {

using namespace rill;
using namespace rill::trust;

// Why PyTorch and rill may differ in an element. Everything else is a finding.
struct Reason {
  std::string_view function, about;
  bool (*holds)(double x, double ours, double theirs, bool gradient);
};

constexpr double infinity = std::numeric_limits<double>::infinity();

bool theirs_is_nan_at_minus_infinity(double x, double ours, double theirs, bool) {
  return x == -infinity && ours == 0 && std::isnan(theirs);
}

// Far away the slope is 0 or 1, which PyTorch loses in infinity times 0.
bool theirs_is_nan_far_away(double x, double ours, double theirs, bool gradient) {
  return gradient && std::abs(x) > 1e12 && std::isfinite(ours) && std::isnan(theirs);
}

const Reason reasons[] = {
    {"", "the gradient at a NaN is not specified",
     [](double x, double, double, bool gradient) { return gradient && std::isnan(x); }},
    {"gelu", "at -infinity rill has the limit 0, PyTorch NaN", theirs_is_nan_at_minus_infinity},
    {"gelu tanh", "at -infinity rill has the limit 0, PyTorch NaN", theirs_is_nan_at_minus_infinity},
    {"silu", "at -infinity rill has the limit 0, PyTorch NaN", theirs_is_nan_at_minus_infinity},
    {"gelu", "far away rill's gradient is that of 0 or x, PyTorch's NaN", theirs_is_nan_far_away},
    {"gelu tanh", "far away rill's gradient is that of 0 or x, PyTorch's NaN", theirs_is_nan_far_away},
    {"silu", "far away rill's gradient is that of 0 or x, PyTorch's NaN", theirs_is_nan_far_away},
    {"celu", "PyTorch's gradient in f64 has the precision of f32",
     [](double, double ours, double theirs, bool gradient) {
       return gradient && std::abs(ours - theirs) <= 2e-6 * std::abs(ours);
     }}};

std::vector<double> numbers(const Tensor& x) {
  const Tensor wide = x.detach().to(DType::f64);
  return {wide.data<double>().begin(), wide.data<double>().end()};
}

std::vector<double> numbers(const torch::Tensor& x) {
  const torch::Tensor wide = x.detach().to(torch::kFloat64).contiguous();
  return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
}

std::string sizes(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

class Comparison {
 public:
  Comparison(Report& report, std::uint64_t seed) : report_(report), seed_(seed) {}

  void run(const Compared& function, std::uint64_t number) {
    where_ = fmt::format("{}, case {}, seed {}", function.name, number, seed_);
    name_ = function.name;
    Case c(Stream(seed_, Purpose::user, static_cast<std::uint32_t>(number)),
           number % 2 ? DType::f32 : DType::f64);
    const Both y = function.run(c);
    const std::vector<std::int64_t> shape(y.ours.shape().begin(), y.ours.shape().end());
    ++cases;
    if (shape != y.theirs.sizes().vec()) {
      return found(fmt::format("{}: the result is {}, libtorch's {}", where_, sizes(shape),
                               sizes(y.theirs.sizes().vec())));
    }
    const bool elementwise = c.leaves().size() == 1 && c.leaves()[0].ours.shape() == y.ours.shape();
    const std::vector<double> input = elementwise ? numbers(c.leaves()[0].ours) : std::vector<double>();
    compare("value", y, input, c.dtype(), false);
    const Both g = c.constant(y.ours.shape());
    y.ours.backward(g.ours);
    y.theirs.backward(g.theirs);
    for (std::size_t i = 0; i < c.leaves().size(); ++i) {
      const Both& leaf = c.leaves()[i];
      const Tensor ours = leaf.ours.grad();
      const torch::Tensor theirs = leaf.theirs.grad();
      compare(fmt::format("gradient of input {}", i),
              {ours.defined() ? ours : zeros(leaf.ours.shape(), c.dtype()),
               theirs.defined() ? theirs : torch::zeros_like(leaf.theirs)},
              numbers(leaf.ours), c.dtype(), true);
    }
  }

  std::uint64_t cases = 0, compared = 0, differences = 0;
  std::map<std::string, std::uint64_t> explained;

 private:
  void compare(const std::string& what, const Both& both, const std::vector<double>& input, DType dtype,
               bool gradient) {
    const std::vector<double> ours = numbers(both.ours), theirs = numbers(both.theirs);
    double largest = 1;
    for (const double each : theirs) {
      if (std::isfinite(each) && std::abs(each) < 1e6) largest = std::max(largest, std::abs(each));
    }
    for (std::size_t i = 0; i < ours.size(); ++i, ++compared) {
      const double bound = (dtype == DType::f64 ? 1e-12 : 3e-6) * std::max(largest, std::abs(theirs[i]));
      const bool same = ours[i] == theirs[i] || (std::isnan(ours[i]) && std::isnan(theirs[i])) ||
                        std::abs(ours[i] - theirs[i]) <= bound;
      if (same) continue;
      const double x = i < input.size() ? input[i] : 0;
      const auto reason = std::ranges::find_if(reasons, [&](const Reason& each) {
        return (each.function.empty() || each.function == name_) && !input.empty() &&
               each.holds(x, ours[i], theirs[i], gradient);
      });
      if (reason != std::end(reasons)) {
        ++explained[fmt::format("{}{}{}", reason->function, reason->function.empty() ? "" : ": ",
                                reason->about)];
      } else {
        found(fmt::format("{}: {}, element {}: {:.17g}, libtorch's {:.17g}{}", where_, what, i, ours[i],
                          theirs[i], input.empty() ? "" : fmt::format(", at {:.9g}", x)));
      }
    }
  }

  void found(const std::string& text) {
    if (differences++ < 20) report_.detail(text);
  }

  Report& report_;
  std::uint64_t seed_;
  std::string where_;
  std::string_view name_;
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 200000, seed = 1;
  CLI::App app("Compares rill's functions and their gradients with libtorch's.", "rill_trust_libtorch");
  app.add_option("--cases", count, "random cases, of all functions together")->capture_default_str();
  app.add_option("--seed", seed, "seed of all random cases")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    Report report(std::cout);
    report.begin("N4");
    Comparison comparison(report, seed);
    const std::vector<Compared>& all = all_compared();
    for (std::uint64_t i = 0; i < count; ++i) comparison.run(all[i / 2 % all.size()], i);
    report.count("functions, each in f32 and f64", all.size());
    report.at_least("random cases", comparison.cases, count);
    report.count("numbers compared", comparison.compared);
    for (const auto& [about, times] : comparison.explained) report.count(about, times);
    report.exactly("differences without a reason", comparison.differences, 0);
    return report.missed() > 0;
  } catch (const std::exception& error) {
    std::cerr << "rill_trust_libtorch: " << error.what() << '\n';
    return 1;
  }
}
