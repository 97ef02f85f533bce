// N6: the cross-entropy of rows of 1 to 10,000 logits, as large as f32 allows, with ties and with -inf among them: losses and
// gradients against long double, and the sums of the gradients' rows.
//
// An error is measured in units in the last place of the exact result, or of what its exponentials are uncertain by, if that
// is larger: exp(x - top) moves by |x - top| units with the rounding of x - top.
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include <rill/core/create.hpp>
#include <rill/core/ops/cross_entropy.hpp>

#include "checks.hpp"
#include "draw.hpp"

namespace rill::trust {
namespace {

struct WorstRow {
  double loss = 0, slope = 0, row_sum = 0;
  std::uint64_t rows = 0, wrong_class = 0;
};

// The size of the logits of a row.
double size_of_row(Draw& draw) {
  return draw.any_of<double>({1e-3, 1, 1, 20, 100, 1e4, 1e10, 1e20, 1e30, 1.7e38, 3e38});
}

// One row: numbers of one size, at times shifted, tied, or -inf; never -inf alone.
template <class T>
void draw_row(Draw& draw, T* row, std::int64_t classes) {
  const double size = size_of_row(draw), shift = draw.one_in(3) ? size_of_row(draw) : 0;
  const bool ties = draw.one_in(4), gaps = draw.one_in(4);
  for (std::int64_t c = 0; c < classes; ++c) {
    const double random = static_cast<double>(draw.between(-1000000, 1000000)) / 1e6;
    const double tied = static_cast<double>(draw.between(0, 2));
    const double value = (ties ? tied / 2 : random) * size + shift;
    row[c] = static_cast<T>(std::clamp(value, -3e38, 3e38));
    if (gaps && c > 0 && draw.one_in(3)) row[c] = -std::numeric_limits<T>::infinity();
  }
}

template <class T>
double error_in_units(T got, long double exact, long double uncertain) {
  if (std::isinf(exact) || std::isnan(exact)) return static_cast<long double>(got) == exact ? 0 : INFINITY;
  const long double unit = std::numeric_limits<T>::epsilon() * std::max(std::abs(exact), uncertain);
  if (std::abs(exact) > std::numeric_limits<T>::max()) return std::isinf(got) ? 0 : INFINITY;
  return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / unit);
}

template <class T>
class LogitRows {
 public:
  LogitRows(Draw& draw, std::int64_t rows, std::int64_t classes)
      : rows_(rows),
        classes_(classes),
        x_(empty({rows, classes}, dtype_of<T>())),
        labels_(empty({rows}, DType::i64)) {
    T* out = x_.template mutable_data<T>().data();
    for (std::int64_t row = 0; row < rows; ++row) draw_row(draw, out + row * classes, classes);
    for (std::int64_t& label : labels_.mutable_data<std::int64_t>()) label = draw.below(classes);
  }

  void check(const std::string& name, WorstRow& worst, Report& report) {
    const Tensor x = x_.detach().requires_grad_();
    const Tensor losses = cross_entropy(x, labels_, {Reduction::none});
    losses.backward(ones({rows_}, x.dtype()));
    const Tensor slopes = x.grad();
    for (std::int64_t row = 0; row < rows_; ++row) {
      const double before = std::max({worst.loss, worst.slope, worst.row_sum});
      const std::uint64_t wrong = worst.wrong_class;
      check_row(row, losses.data<T>()[static_cast<std::size_t>(row)],
                slopes.data<T>().data() + row * classes_, worst);
      if (worst.wrong_class > wrong ||
          std::max({worst.loss, worst.slope, worst.row_sum}) > std::max(before, 4.0))
        report.detail(fmt::format("{}, row {} of {} classes, label {}", name, row, classes_,
                                  labels_.data<std::int64_t>()[static_cast<std::size_t>(row)]));
    }
    worst.rows += static_cast<std::uint64_t>(rows_);
  }

 private:
  void check_row(std::int64_t row, T loss, const T* dx, WorstRow& worst) const {
    const T* x = x_.template data<T>().data() + row * classes_;
    const std::int64_t label = labels_.data<std::int64_t>()[static_cast<std::size_t>(row)];
    const long double top = *std::max_element(x, x + classes_);
    std::vector<long double> e(static_cast<std::size_t>(classes_)), uncertain = e;
    long double sum = 0, others = 0, all_uncertain = 0;
    for (std::size_t c = 0; c < e.size(); ++c) {
      const long double below = top - x[c];
      sum += e[c] = std::exp(-below);
      if (static_cast<std::int64_t>(c) != label) others += e[c];
      uncertain[c] = std::isinf(below) ? 0 : std::max(below, 1.0L) * e[c];
      all_uncertain += below == 0 ? 0 : uncertain[c];
    }
    // Sums are in f64, in 8 lanes: each addition rounds.
    const long double of_f64 =
        std::numeric_limits<double>::epsilon() / static_cast<double>(std::numeric_limits<T>::epsilon());
    all_uncertain += of_f64 * sum * (1 + static_cast<long double>(classes_) / 16);
    note(error_in_units(loss, top - x[label] + std::log(sum), all_uncertain / sum), worst.loss, worst);
    long double total = 0;
    for (std::size_t c = 0; c < e.size(); ++c) {
      const bool own = static_cast<std::int64_t>(c) == label;
      const long double p = own ? -others / sum : e[c] / sum;
      const long double of_p = own ? all_uncertain : uncertain[c] + p * all_uncertain;
      note(error_in_units(dx[c], p, std::max(of_p / sum, tiny)), worst.slope, worst);
      total += dx[c];
    }
    const long double bound = std::numeric_limits<T>::epsilon() * static_cast<long double>(classes_);
    note(static_cast<double>(std::abs(total) / bound), worst.row_sum, worst);
  }

  static constexpr long double tiny = std::numeric_limits<T>::min();

  static void note(double error, double& most, WorstRow& worst) {
    if (!std::isfinite(error)) {
      ++worst.wrong_class;
    } else {
      most = std::max(most, error);
    }
  }

  std::int64_t rows_, classes_;
  Tensor x_, labels_;
};

template <class T>
void check_dtype(const Scale& scale, Report& report) {
  const std::string name(name_of(dtype_of<T>()));
  WorstRow worst;
  const std::int64_t times = scale.of(1, 20);
  for (std::uint32_t round = 0; round < static_cast<std::uint32_t>(times); ++round) {
    Draw draw(Stream(scale.seed, Purpose::user, 6, round));
    const std::pair<std::int64_t, std::int64_t> sizes[]{{1, 5000},  {2, 15000}, {3, 10000}, {10, 18000},
                                                        {64, 1500}, {100, 500}, {1000, 45}, {10000, 5}};
    for (const auto& [classes, rows] : sizes) LogitRows<T>(draw, rows, classes).check(name, worst, report);
  }
  report.at_least(name + ": rows of logits up to 3e38", worst.rows, 50000);
  report.exactly(name + ": not finite, or finite, where the exact result is not", worst.wrong_class, 0);
  report.at_most(name + ": worst loss, ulp", worst.loss, 4);
  report.at_most(name + ": worst gradient, ulp", worst.slope, 4);
  report.at_most(name + ": worst sum of a gradient's row, in classes x epsilon", worst.row_sum, 1);
}

}  // namespace

void check_cross_entropy(const Scale& scale, Report& report) {
  report.begin("N6");
  check_dtype<float>(scale, report);
  check_dtype<double>(scale, report);
}

}  // namespace rill::trust
