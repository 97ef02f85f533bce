// A progress bar with rate, time left and loss on a terminal; plain lines, some seconds apart, elsewhere.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace example {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  /// `total` steps of `samples_per_step` samples each.
  Progress(std::int64_t total, std::int64_t samples_per_step)
      : total_(total), samples_per_step_(samples_per_step), terminal_(isatty(STDOUT_FILENO) == 1) {}

  /// `done` steps are done; `label` says where in the run we are.
  void update(std::int64_t done, const std::string& label, double loss) {
    const auto now = Clock::now();
    const bool last = done == total_;
    if (!last && now - shown_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(2)))
      return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = static_cast<double>(done * samples_per_step_) / std::max(seconds, 1e-9);
    const double left = seconds / static_cast<double>(done) * static_cast<double>(total_ - done);
    const std::string figures =
        fmt::format("{}  {:5.1f} %  {:6.0f} samples/s  ETA {:3.0f} s  loss {:.4f}", label,
                    100.0 * static_cast<double>(done) / static_cast<double>(total_), rate, left, loss);
    if (terminal_) {
      const auto filled = static_cast<std::size_t>(24 * done / total_);
      fmt::print("\r[{}{}] {}\033[K", std::string(filled, '#'), std::string(24 - filled, '.'), figures);
    } else {
      fmt::print("{}\n", figures);
    }
    std::fflush(stdout);
  }

  /// A line of its own between updates.
  void line(const std::string& text) const {
    if (terminal_) fmt::print("\r\033[K");
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

 private:
  std::int64_t total_, samples_per_step_;
  bool terminal_;
  Clock::time_point start_ = Clock::now(), shown_ = start_;
};

}  // namespace example
