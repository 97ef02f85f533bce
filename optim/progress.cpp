#include <cmath>
#include <fmt/format.h>

#include <rill/optim/callbacks.hpp>

namespace rill::optim::callbacks {
namespace {

std::string shown_numbers(const Logs& logs) {
  std::string text;
  for (const auto& [name, value] : logs)
    text += fmt::format("  {} {:.4g}", name, std::isnan(value) ? NAN : value);
  return text;
}

}  // namespace

void Progress::clear_line() {
  if (drawn_ == 0) return;
  out_ << '\r' << std::string(drawn_, ' ') << '\r';
  drawn_ = 0;
}

void Progress::begin(const Run& run) {
  start_ = Clock::now();
  last_draw_ = Clock::time_point();
  first_step_ = run.epoch_step;
}

void Progress::on_train_batch_end(Run& run) {
  const auto now = Clock::now();
  if (!redraw_ || now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  constexpr std::int64_t width = 24;
  const auto filled = static_cast<std::size_t>(width * run.epoch_step / run.batches);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double left = seconds / static_cast<double>(run.epoch_step - first_step_) *
                      static_cast<double>(run.batches - run.epoch_step);
  const std::string line =
      fmt::format("epoch {}/{} [{}{}] {:.0f} s left{}", run.epoch + 1, run.epochs, std::string(filled, '#'),
                  std::string(width - filled, '.'), left, shown_numbers(run.logs));
  clear_line();
  out_ << line << std::flush;
  drawn_ = line.size();
}

void Progress::on_epoch_end(Run& run) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  clear_line();
  out_ << fmt::format("epoch {}/{}{}  {:.1f} s\n", run.epoch + 1, run.epochs, shown_numbers(run.logs),
                      seconds)
       << std::flush;
}

void Progress::on_train_end(Run& run) {
  clear_line();
  if (run.ended())
    out_ << (run.stopped() ? "stopped: " : "interrupted: ") << run.reason() << '\n' << std::flush;
}

}  // namespace rill::optim::callbacks
