// A side of a comparison: something that repeats the work of a row and says how long it took. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <rill/tools/bench/rill_step.hpp>
#include <rill/tools/bench/rows.hpp>

namespace rill::bench {

/// A clock, in seconds from some moment on.
using Seconds = double (*)();

double wall_seconds();
/// What the calling thread has run, whatever else ran between.
double thread_seconds();

class Side {
 public:
  Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  virtual ~Side() = default;
  /// Seconds that `steps` repetitions took.
  virtual double run(std::int64_t steps) = 0;
  /// Throws Error if the work has gone wrong, so that measuring it was in vain.
  virtual void check() const {}
};

/// What a row cannot do without: its matrix products by plain OpenBLAS, on buffers that were made before; or for an
/// activation alone the passes over its memory, by the plainest loops.
std::unique_ptr<Side> bound_side(const Row& row, int threads, Seconds now);

/// The floating-point operations of a step of the bound; 0 for an activation.
double bound_flops(const Row& row);

/// The work as a user of rill would write it.
std::unique_ptr<Side> rill_side(const Row& row, const Data& data, int threads, Seconds now);

/// The same with products that skip no zeros.
std::unique_ptr<Side> rill_dense_side(const Row& row, const Data& data, int threads, Seconds now);

}  // namespace rill::bench
