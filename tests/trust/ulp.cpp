// N5: every unary function in f32 and its derivative, as a graph computes them, against a wider type: the worst error in
// units in the last place, and whether NaN, infinity and the sign of what is not zero are the exact result's. Under --full
// all 2^32 floats go through every function with its default attributes. Then the same without AVX2.
//
// A derivative at NaN is not specified, nor is the sign of a zero (CONTRACT.md). Derivatives of in-place forms are read
// from the output: their error is absolute.
#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <rill/core/parallel.hpp>

#include "../subprocess.hpp"
#include "checks.hpp"
#include "ulp_error.hpp"
#include "ulp_references.hpp"

namespace rill::trust {
namespace {

// --- the functions -----------------------------------------------------------------------------------------------------------

using Compare = std::function<void(std::span<const float> x, std::span<const float> y, WorstUlp& worst)>;

struct Measure {
  std::string what;  // of one name, the worst counts
  double bound = 0;
  Compare compare;
};

struct SweptFunction {
  std::string family;  // what --functions calls it; those of one family stand side by side
  std::function<Tensor(const Tensor&)> run;
  Measure value, slope;     // one of them may be empty
  bool exhaustive = false;  // under --full
  float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();
};

template <class F>
constexpr Bounds other_bounds() {
  if constexpr (requires { Reference<F>::others; }) {
    return Reference<F>::others;
  } else {
    return Reference<F>::bounds;
  }
}

// With the attributes that go through all floats under --full, or with others.
template <class F, class Run>
void add_formula(std::vector<SweptFunction>& all, const F& f, bool exhaustive, Run run) {
  using Exact = Reference<F>;
  const Bounds bounds = exhaustive ? Exact::bounds : other_bounds<F>();
  const std::string name = std::string(F::name) + (exhaustive ? "" : " of other attributes");
  const auto value = [f](auto x) { return Exact::value(f, x); };
  const auto slope = [f](auto x) { return Exact::slope(f, x); };
  all.push_back({std::string(F::name),
                 run,
                 {name, bounds.value,
                  [=](auto x, auto y, WorstUlp& worst) { compare<true, InUlp>(x, y, value, worst); }},
                 {name + ", derivative", bounds.slope,
                  [=](auto x, auto y, WorstUlp& worst) { compare<false, InUlp>(x, y, slope, worst); }},
                 exhaustive});
  if constexpr (detail::ReadsOutput<F>) {
    if constexpr (detail::ReadsInput<F>) {
      all.push_back({std::string(F::name),
                     [f](const Tensor& x) {
                       Tensor y = x * 1.0;
                       return elementwise_(f, y);
                     },
                     {},
                     {name + ", derivative in place, absolute error", 1e-6,
                      [=](auto x, auto y, WorstUlp& worst) { compare<false, Absolute>(x, y, slope, worst); }},
                     exhaustive});
    }
  }
}

template <class Op>
void add_op(std::vector<SweptFunction>&) {}  // of several inputs, or not element by element
template <class Op>
requires requires { typename Op::Read; }
void add_op(std::vector<SweptFunction>& all) {
  bool first = true;
  for (const auto& f : std::remove_cvref_t<decltype(Op::f)>::samples())
    add_formula(all, f, std::exchange(first, false), [f](const Tensor& x) { return elementwise(f, x); });
}

// A function of lanewise.hpp that is no op, compiled here.
template <class Body, class Exact>
SweptFunction lanewise_function(std::string family, std::string name, double bound, Body body, Exact exact) {
  const auto run = [body](const Tensor& x) {
    Tensor y = empty(x.shape());
    const float* in = x.data<float>().data();
    float* out = y.mutable_data<float>().data();
    detail::independent_loop(0, x.numel(), [=](std::int64_t i) { out[i] = body(in[i]); });
    return y;
  };
  return {
      std::move(family),
      run,
      {std::move(name), bound, [=](auto x, auto y, WorstUlp& w) { compare<true, InUlp>(x, y, exact, w); }},
      {},
      true};
}

template <class... Ops>
std::vector<SweptFunction> functions_of(std::type_identity<std::tuple<Ops...>>) {
  std::vector<SweptFunction> all;
  (add_op<Ops>(all), ...);
  const Tensor w = full({1}, 0.25);
  add_formula(all, ops::LeakyRelu{0.25}, true, [w](const Tensor& x) { return prelu(x, w); });
  all.back().family = ops::Prelu::name;
  for (Measure* measure : {&all.back().value, &all.back().slope})
    measure->what.replace(0, ops::LeakyRelu::name.size(), ops::Prelu::name);
  all.push_back(lanewise_function(
      "expm1", "expm1 of lanewise", 1,
      [](float x) { return static_cast<float>(lanewise::expm1_as<float>(double{x})); },
      [](auto x) { return std::expm1(x); }));
  all.push_back(lanewise_function(
      "log1p", "log1p of lanewise, for 0 to 1", 1.5,
      [](float x) { return static_cast<float>(lanewise::log1p_as<float>(double{x})); },
      [](auto x) { return std::log1p(x); }));
  all.back().low = 0;
  all.back().high = 1;
  return all;
}

// --- sweeps ------------------------------------------------------------------------------------------------------------------

constexpr std::size_t chunk = 16384;
constexpr std::uint64_t floats = std::uint64_t{1} << 32;

// Runs a function on the floats that are put in, a chunk at a time, and measures its results.
class Sweep {
 public:
  explicit Sweep(const SweptFunction& function) : function_(function) { held_.reserve(chunk); }

  void put(float x) {
    if (x < function_.low || x > function_.high) return;
    held_.push_back(x);
    if (held_.size() == chunk) flush();
  }

  void flush() {
    if (held_.empty()) return;
    Tensor x = tensor(std::span<const float>(held_), {std::ssize(held_)});
    if (function_.slope.compare) x.requires_grad_();
    const Tensor y = function_.run(x);
    if (function_.value.compare) function_.value.compare(held_, y.data<float>(), values);
    if (function_.slope.compare) {
      y.backward(ones(y.shape()));
      function_.slope.compare(held_, x.grad().to_vector<float>(), slopes);
    }
    held_.clear();
  }

  WorstUlp values, slopes;

 private:
  const SweptFunction& function_;
  std::vector<float> held_;
};

// Zeros, infinities, NaN, and every power of two, with their neighbours.
void put_special(Sweep& sweep) {
  for (std::uint32_t exponent = 0; exponent < 512; ++exponent) {
    for (std::uint32_t offset = 0; offset < 17; ++offset)
      sweep.put(std::bit_cast<float>((exponent << 23) + offset - 8));
  }
}

void put_range(Sweep& sweep, std::uint64_t begin, std::uint64_t end, std::uint64_t stride) {
  for (std::uint64_t bits = begin; bits < end; bits += stride)
    sweep.put(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
}

/// The worst of value and derivative over every `stride`-th float from `start` on, on several threads.
std::pair<WorstUlp, WorstUlp> swept(const SweptFunction& function, std::uint64_t start,
                                    std::uint64_t stride) {
  const int threads = num_threads();
  std::vector<std::pair<WorstUlp, WorstUlp>> parts(static_cast<std::size_t>(threads));
  const auto work = [&](std::size_t part) {
    const SerialLoops serial;
    Sweep sweep(function);
    // Thread k takes the patterns start + stride (k + i · threads): each range costs the same.
    put_range(sweep, start + stride * part, floats, stride * static_cast<std::uint64_t>(threads));
    if (part == 0) put_special(sweep);
    sweep.flush();
    parts[part] = {sweep.values, sweep.slopes};
  };
  std::vector<std::thread> team;
  for (int k = 1; k < threads; ++k) team.emplace_back(work, static_cast<std::size_t>(k));
  work(0);
  for (std::thread& each : team) each.join();
  for (const auto& [values, slopes] : parts) {
    parts[0].first.join(values);
    parts[0].second.join(slopes);
  }
  return parts[0];
}

// The figures of one family, of which one name may be measured several times.
class Findings {
 public:
  void add(const Measure& measure, const WorstUlp& found) {
    if (!measure.compare) return;
    const auto same = [&](const auto& each) { return each.first->what == measure.what; };
    const auto at = std::find_if(found_.begin(), found_.end(), same);
    if (at == found_.end()) {
      found_.emplace_back(&measure, found);
    } else {
      at->second.join(found);
    }
  }

  /// Returns how many results were of another class.
  std::uint64_t print(Report& report) const {
    std::uint64_t mismatches = 0;
    for (const auto& [measure, found] : found_) {
      const bool absolute = measure->what.ends_with("absolute error");
      report.at_most(measure->what + (absolute ? "" : ", ulp"), found.error, measure->bound);
      if (!(found.error <= measure->bound))
        report.detail(
            fmt::format("{}: the worst is at x = {:.9g} ({:a})", measure->what, found.at, found.at));
      if (found.mismatches > 0)
        report.detail(fmt::format("{}: {} results of another class, such as at x = {:.9g} ({:a})",
                                  measure->what, found.mismatches, found.mismatch_at, found.mismatch_at));
      mismatches += found.mismatches;
    }
    return mismatches;
  }

 private:
  std::vector<std::pair<const Measure*, WorstUlp>> found_;
};

bool wanted(const Scale& scale, const std::string& family) {
  return scale.functions.empty() || std::ranges::find(scale.functions, family) != scale.functions.end();
}

}  // namespace

std::vector<std::string> ulp_functions() {
  std::vector<std::string> names;
  for (const SweptFunction& function : functions_of(std::type_identity<ops::OpList>{})) {
    if (names.empty() || names.back() != function.family) names.push_back(function.family);
  }
  return names;
}

void check_ulp(const Scale& scale, Report& report) {
  report.begin("N5");
  const std::vector<SweptFunction> functions = functions_of(std::type_identity<ops::OpList>{});
  std::uint64_t tried = 0, exhaustive = 0, mismatches = 0;
  for (auto each = functions.begin(); each != functions.end();) {
    const std::string& family = each->family;
    Findings findings;  // printed as soon as a family is done: one takes minutes under --full
    for (; each != functions.end() && each->family == family; ++each) {
      if (!wanted(scale, family)) continue;
      const bool whole = scale.full && each->exhaustive;
      const std::uint64_t stride = whole ? 1 : scale.of(3001, 101);
      const auto [values, slopes] = swept(*each, whole ? 0 : scale.seed % stride, stride);
      ++tried;
      exhaustive += whole;
      findings.add(each->value, values);
      findings.add(each->slope, slopes);
    }
    mismatches += findings.print(report);
  }
  report.count("functions and attributes that were tried", tried);
  report.count("of these, with all 2^32 floats", exhaustive);
  report.exactly("results of another class: NaN, infinity, zero, sign", mismatches, 0);
}

void check_ulp_plain(const Scale& scale, Report& report) {
  report.begin("N5");
  if (isa() == Isa::plain) return;  // then check_ulp() has done it
  std::vector<std::string> arguments{"--only", "ulp", "--seed", std::to_string(scale.seed)};
  if (scale.full) arguments.emplace_back("--full");
  if (!scale.functions.empty())
    arguments.insert(arguments.end(), {"--functions", fmt::format("{}", fmt::join(scale.functions, ","))});
  const test::Outcome plain = test::run_program("/proc/self/exe", arguments, {{"RILL_ISA", "plain"}});
  const bool good = plain.status == 0 && plain.says(", 0 missed");
  if (!good) report.detail("RILL_ISA=plain: " + plain.output);
  report.exactly("instruction sets that miss a bound: plain code", !good, 0);
}

}  // namespace rill::trust
