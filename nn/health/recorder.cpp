#include <algorithm>
#include <cmath>
#include <limits>

#include <rill/core/parallel.hpp>
#include <rill/nn/health/recorder.hpp>

namespace rill::nn::detail {
namespace {

// Rows and units of an activation's input: units along the last axis.
struct Grid {
  std::int64_t rows, units;
  explicit Grid(const Tensor& x)
      : rows(x.dim() < 2 ? x.numel() : x.numel() / std::max<std::int64_t>(1, x.shape()[x.dim() - 1])),
        units(x.dim() < 2 ? 1 : x.shape()[x.dim() - 1]) {}
};

// Units that are summed together: their sums stand in local arrays, so that loops over them are vectorised.
constexpr std::int64_t strip = 64;

template <class T>
struct Strip {
  T of[strip] = {};
  T& operator[](std::int64_t u) { return of[u]; }
  template <class Total>
  void add_to(std::vector<Total>& totals, std::int64_t first, std::int64_t units) const {
    for (std::int64_t u = 0; u < units; ++u) totals[first + u] += static_cast<Total>(of[u]);
  }
};

// Calls body(first, units) on strips, each of which goes over all rows.
template <class Body>
void for_strips(const Grid& grid, Body&& body) {
  parallel_for((grid.units + strip - 1) / strip,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i)
                   body(i * strip, std::min(strip, grid.units - i * strip));
               },
               std::max<std::int64_t>(
                   1, rill::detail::parallel_grain / (strip * std::max<std::int64_t>(grid.rows, 1))));
}

// 1 for NaN and infinities, also where comparisons are vectorised.
template <class T>
int not_finite(T x) {
  return !(std::abs(x) <= std::numeric_limits<T>::max());
}

const void* address(const Tensor& x) { return rill::detail::Access::handle(x)->data; }

double ratio(double sum, std::int64_t count) { return sum / static_cast<double>(count); }

// The variance from sums around the first value; rounding may leave a negative zero of a kind.
double variance(double sum, double squares, std::int64_t count) {
  const double mean = ratio(sum, count);
  return std::max(0.0, ratio(squares, count) - mean * mean);
}

// Each unit's share of the sum over the finite ones, times their number: 1 is average. 0 where nothing is active, NaN
// where the sum is none.
std::vector<double> scores(const std::vector<double>& sizes, const std::vector<std::int64_t>& non_finite) {
  double sum = 0, count = 0;
  for (std::size_t u = 0; u < sizes.size(); ++u) {
    if (non_finite[u]) continue;
    sum += sizes[u];
    ++count;
  }
  std::vector<double> all(sizes.size(), std::isfinite(sum) ? 0 : NAN);
  if (!std::isfinite(sum)) return all;
  for (std::size_t u = 0; u < sizes.size() && sum > 0; ++u) all[u] = sizes[u] * (count / sum);
  return all;
}

}  // namespace

UnitSums::UnitSums(std::size_t units)
    : non_finite(units),
      on(units),
      flat(units),
      in(units),
      in_squares(units),
      out(units),
      out_squares(units),
      out_sizes(units),
      gradient_sizes(units),
      gradient_squares(units),
      first_in(units),
      first_out(units),
      moved(units) {}

void Recorder::begin_pass(std::int64_t samples) {
  sites_.begin_pass();
  running_.clear();
  places_.clear();
  pass_samples_ = static_cast<double>(samples);
  walking_ = false;
}

void Recorder::before(const OpRun& run) {
  if (!Sites::is_site(run)) return;
  const Tensor& x = *run.inputs[0];
  const std::size_t site = sites_.enter(run);
  const Grid grid(x);
  if (site == layers_.size()) {
    layers_.push_back({.blocks_gradient = run.activation->blocks_gradient,
                       .parameter = run.activation->parameter,
                       .sums = UnitSums(static_cast<std::size_t>(grid.units))});
  }
  Layer& layer = layers_[site];
  RILL_CHECK(static_cast<std::size_t>(grid.units) == layer.sums.on.size(), "audit: the input of layer ",
             sites_[site].name, " has ", grid.units, " units, expected ", layer.sums.on.size(), " as before");
  take_input(x, *run.activation, layer);
  layer.samples += grid.rows;
  running_.push_back(site);
}

void Recorder::after(const OpRun& run) {
  if (!run.activation) return;
  if (run.backward) return take_gradient(run);
  if (!Sites::is_site(run) || running_.empty()) return;
  const std::size_t site = running_.back();
  running_.pop_back();
  take_output(run.results[0], layers_[site]);
  // The slope op reads one of the two, which one is its own affair.
  places_.push_back({site, address(run.inputs[0][0]), address(run.results[0])});
}

void Recorder::take_input(const Tensor& x, const ActivationInfo& info, Layer& layer) {
  const Grid grid(x);
  dispatch_floating(x.dtype(), "audit", [&]<class T>(T) {
    const T* data = x.data<T>().data();
    UnitSums& sums = layer.sums;
    const bool fresh = layer.samples == 0;
    const T low = static_cast<T>(info.flat_below), high = static_cast<T>(info.flat_above);
    for_strips(grid, [&](std::int64_t first, std::int64_t units) {
      if (fresh) std::copy_n(data + first, units, sums.first_in.data() + first);
      Strip<double> in, in_squares, around;
      Strip<std::int32_t> non_finite, on, flat;
      std::copy_n(sums.first_in.data() + first, units, around.of);
      for (std::int64_t row = 0; row < grid.rows; ++row) {
        const T* z = data + row * grid.units + first;
        for (std::int64_t u = 0; u < units; ++u) {
          const double centred = z[u] - around[u];
          non_finite[u] += not_finite(z[u]);
          on[u] += z[u] > T(0);
          flat[u] += (z[u] < low) | (z[u] > high);
          in[u] += centred;
          in_squares[u] += centred * centred;
        }
      }
      non_finite.add_to(sums.non_finite, first, units);
      on.add_to(sums.on, first, units);
      flat.add_to(sums.flat, first, units);
      in.add_to(sums.in, first, units);
      in_squares.add_to(sums.in_squares, first, units);
    });
    for (std::int64_t row = 0; row < grid.rows; ++row) {
      const T* z = data + row * grid.units;
      layer.blind += std::none_of(z, z + grid.units, [](T value) { return value > T(0); });
    }
  });
}

void Recorder::take_output(const Tensor& y, Layer& layer) {
  const Grid grid(y);
  dispatch_floating(y.dtype(), "audit", [&]<class T>(T) {
    const T* data = y.data<T>().data();
    UnitSums& sums = layer.sums;
    const bool fresh = layer.samples == grid.rows;
    for_strips(grid, [&](std::int64_t first, std::int64_t units) {
      if (fresh) std::copy_n(data + first, units, sums.first_out.data() + first);
      Strip<double> out, out_squares, out_sizes, around;
      Strip<std::int32_t> non_finite;
      std::copy_n(sums.first_out.data() + first, units, around.of);
      for (std::int64_t row = 0; row < grid.rows; ++row) {
        const T* values = data + row * grid.units + first;
        for (std::int64_t u = 0; u < units; ++u) {
          const double centred = values[u] - around[u];
          non_finite[u] += not_finite(values[u]);
          out[u] += centred;
          out_squares[u] += centred * centred;
          out_sizes[u] += std::abs(double{values[u]});
        }
      }
      non_finite.add_to(sums.non_finite, first, units);
      out.add_to(sums.out, first, units);
      out_squares.add_to(sums.out_squares, first, units);
      out_sizes.add_to(sums.out_sizes, first, units);
    });
  });
}

void Recorder::take_gradient(const OpRun& run) {
  // Walks go from the last op to the first, so of several places with these elements it is the last.
  const void* read = address(*run.inputs[1]);
  const auto found = std::find_if(places_.rbegin(), places_.rend(), [&](const Place& place) {
    return (place.input == read || place.output == read) &&
           run.name.starts_with(sites_[place.site].activation);
  });
  if (found == places_.rend()) return;
  // A graph of the gradient holds slope ops too, which the walk from the loss cannot tell from the activation's own.
  if (!walking_ && !grad_enabled()) return;
  Layer& layer = layers_[found->site];
  UnitSums& sums = layer.sums;
  places_.erase(std::next(found).base());
  if (!walking_) return;
  const Tensor &to_output = *run.inputs[0], &to_input = run.results[0];
  const Grid grid(to_input);
  layer.walked += grid.rows;
  // A mean loss gives each sample its gradient divided by their number.
  dispatch_floating(to_input.dtype(), "audit", [&, samples = pass_samples_]<class T>(T) {
    const T *out = to_output.data<T>().data(), *in = to_input.data<T>().data();
    for_strips(grid, [&](std::int64_t first, std::int64_t units) {
      Strip<double> sizes, squares;
      Strip<std::int32_t> moved;
      for (std::int64_t row = 0; row < grid.rows; ++row) {
        const T *g = out + row * grid.units + first, *dz = in + row * grid.units + first;
        for (std::int64_t u = 0; u < units; ++u) {
          const double slope = samples * dz[u];
          sizes[u] += samples * std::abs(double{g[u]});
          squares[u] += slope * slope;
          // A gradient that is NaN is none that is 0.
          moved[u] |= dz[u] != T(0);
        }
      }
      sizes.add_to(sums.gradient_sizes, first, units);
      squares.add_to(sums.gradient_squares, first, units);
      for (std::int64_t u = 0; u < units; ++u) sums.moved[first + u] |= moved[u] != 0;
    });
  });
}

std::vector<LayerHealth> Recorder::layers() const {
  std::vector<LayerHealth> all;
  for (std::size_t site = 0; site < layers_.size(); ++site) {
    const Layer& seen = layers_[site];
    const UnitSums& sums = seen.sums;
    LayerHealth layer{.name = sites_[site].name,
                      .activation = sites_[site].activation,
                      .blocks_gradient = seen.blocks_gradient,
                      .samples = seen.samples,
                      .blind_samples = seen.blind};
    layer.parameter = seen.parameter;
    const std::vector<double> activity = scores(sums.out_sizes, sums.non_finite);
    const std::vector<double> gradient = scores(sums.gradient_sizes, sums.non_finite);
    for (std::size_t u = 0; u < sums.on.size(); ++u) {
      UnitHealth unit;
      unit.finite = sums.non_finite[u] == 0;
      if (unit.finite) {
        unit.never_on = sums.on[u] == 0;
        unit.always_on = sums.on[u] == seen.samples;
        unit.saturated = sums.flat[u] == seen.samples;
        unit.frequency = ratio(static_cast<double>(sums.on[u]), seen.samples);
        unit.saturation = ratio(static_cast<double>(sums.flat[u]), seen.samples);
        unit.mean = sums.first_in[u] + ratio(sums.in[u], seen.samples);
        unit.variance = variance(sums.in[u], sums.in_squares[u], seen.samples);
        unit.output_mean = sums.first_out[u] + ratio(sums.out[u], seen.samples);
        unit.output_variance = variance(sums.out[u], sums.out_squares[u], seen.samples);
        unit.constant = unit.output_variance < 1e-12;
        unit.activity_score = activity[u];
        if (seen.walked == seen.samples) {
          unit.zero_gradient = !sums.moved[u];
          unit.gradient_score = gradient[u];
          unit.gradient_rms = std::sqrt(ratio(sums.gradient_squares[u], seen.samples));
        }
      }
      layer.units.push_back(unit);
    }
    all.push_back(std::move(layer));
  }
  return all;
}

}  // namespace rill::nn::detail
