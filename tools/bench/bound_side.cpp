#include <chrono>
#include <cstring>
#include <ctime>

#include <rill/tools/bench/gemm_step.hpp>
#include <rill/tools/bench/side.hpp>

namespace rill::bench {
namespace {

class Products final : public Side {
 public:
  Products(const Row& row, int threads, Seconds now) : step_(row), threads_(threads), now_(now) {}

  double run(std::int64_t steps) override {
    const BlasThreads pinned(threads_);
    const double start = now_();
    for (std::int64_t i = 0; i < steps; ++i) step_.run();
    return now_() - start;
  }

 private:
  GemmStep step_;
  int threads_;
  Seconds now_;
};

// y from x, then dx from x and dy: the passes of leaky_relu's forward and backward.
class Passes final : public Side {
 public:
  Passes(const Row& row, int threads, Seconds now) : threads_(threads), now_(now) {
    Generator generator(1);
    const Shape shape{row.batch, row.sizes[0]};
    x_ = randn(shape, generator);
    dy_ = randn(shape, generator);
    y_ = zeros(shape, DType::f32);
    dx_ = zeros(shape, DType::f32);
  }

  double run(std::int64_t steps) override {
    const double start = now_();
    for (std::int64_t i = 0; i < steps; ++i) pass();
    return now_() - start;
  }

 private:
  void pass() {
    const float *x = x_.data<float>().data(), *dy = dy_.data<float>().data();
    float *y = y_.mutable_data<float>().data(), *dx = dx_.mutable_data<float>().data();
    const std::int64_t count = x_.numel();
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] > 0 ? x[i] : 0.01f * x[i];
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t i = 0; i < count; ++i) dx[i] = x[i] > 0 ? dy[i] : 0.01f * dy[i];
  }

  Tensor x_, dy_, y_, dx_;
  int threads_;
  Seconds now_;
};

}  // namespace

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::unique_ptr<Side> bound_side(const Row& row, int threads, Seconds now) {
  if (row.work == Work::activation) return std::make_unique<Passes>(row, threads, now);
  return std::make_unique<Products>(row, threads, now);
}

double bound_flops(const Row& row) { return row.work == Work::activation ? 0 : GemmStep(row).flops(); }

}  // namespace rill::bench
