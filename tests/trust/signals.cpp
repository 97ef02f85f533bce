// K5: SIGINT and SIGTERM at random times of a run. It saves and ends with 130 or 143, and goes on, with another number of
// threads, to the bytes of the run that was not interrupted. A second signal ends it at once.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "../temp_dir.hpp"
#include "checks.hpp"
#include "process.hpp"
#include "small_run.hpp"

namespace rill::trust {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr const char* epochs = "40";

struct Interrupted {
  std::uint64_t runs = 0, saved = 0, before_it_began = 0, done = 0;
  std::uint64_t wrong_status = 0, wrong_words = 0, different = 0;
};

class InterruptedRun {
 public:
  InterruptedRun(const Scale& scale, Report& report) : scale_(scale), report_(report), run_(folder_) {
    const auto begin = steady_clock::now();
    if (train({"--overwrite"}).wait() != 0) throw std::runtime_error("rill train failed: " + output());
    whole_ = std::chrono::duration_cast<microseconds>(steady_clock::now() - begin);
    expected_ = run_.outcome();
  }

  void interrupt(std::mt19937_64& random) {
    std::filesystem::remove_all(run_.out());
    const int signal = random() % 2 ? SIGINT : SIGTERM;
    const int threads = 1 + static_cast<int>(random() % 3);
    ++found_.runs;
    int status = 0;
    {
      Process process = train({"--overwrite", "--threads", std::to_string(threads)});
      std::this_thread::sleep_for(microseconds(random() % static_cast<std::uint64_t>(whole_.count())));
      process.send(signal);
      status = process.wait();
    }
    const std::string said = output();
    // Before it has begun to train there is nothing to save; behind its last step it is done.
    if (status == -signal) {
      ++found_.before_it_began;
      if (std::filesystem::exists(run_.checkpoint())) wrong(found_.wrong_status, signal, status, said);
      return;
    }
    const bool interrupted = status == 128 + signal;
    if (!interrupted && status != 0) return wrong(found_.wrong_status, signal, status, said);
    ++(interrupted ? found_.saved : found_.done);
    const bool says_so = said.find("interrupted and saved") != std::string::npos;
    if (says_so != interrupted) wrong(found_.wrong_words, signal, status, said);
    if (interrupted) status = train({"--resume", "--threads", std::to_string(1 + threads % 3)}).wait();
    if (status != 0 || run_.outcome() != expected_) wrong(found_.different, signal, status, output());
  }

  // Stopped, it finds two signals when it goes on. It need not, and mostly does not, get as far as saving.
  void interrupt_twice(std::mt19937_64& random) {
    std::filesystem::remove_all(run_.out());
    Process process = train({"--overwrite", "--epochs", "1000000"});
    while (!std::filesystem::exists(run_.checkpoint())) std::this_thread::sleep_for(microseconds(200));
    std::this_thread::sleep_for(microseconds(random() % 5000));
    process.send(SIGSTOP);
    const int first = random() % 2 ? SIGINT : SIGTERM, second = first == SIGINT ? SIGTERM : SIGINT;
    process.send(first);
    process.send(second);
    process.send(SIGCONT);
    const int status = process.wait();
    ++twice_;
    const bool good = status == 130 || status == 143;
    if (!good || output().find("saved") != std::string::npos) wrong(twice_wrong_, first, status, output());
  }

  void print() {
    report_.exactly("SIGINT and SIGTERM at random times", found_.runs,
                    static_cast<std::uint64_t>(scale_.of(20, 500)));
    report_.at_least("of these, saved and ended with 130 or 143", found_.saved, 1);
    report_.count("of these, before the training began", found_.before_it_began);
    report_.count("of these, behind its last step", found_.done);
    report_.exactly("another exit status", found_.wrong_status, 0);
    report_.exactly("\"saved\" where it was not, or not where it was", found_.wrong_words, 0);
    report_.exactly("resumed with other threads, to other bytes", found_.different, 0);
    report_.count("runs with two signals at once", twice_);
    report_.exactly("two signals: did not end at once with 130 or 143, unsaved", twice_wrong_, 0);
  }

 private:
  Process train(std::vector<std::string> more) const {
    std::vector<std::string> arguments{scale_.rill,   "train",    run_.config(), "--quiet",
                                       "--no-report", "--epochs", epochs};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Process(std::move(arguments), folder_.file("output"));
  }

  std::string output() const { return folder_.read("output"); }

  void wrong(std::uint64_t& count, int signal, int status, const std::string& said) const {
    if (count++ == 0) report_.detail(fmt::format("signal {}, status {}: {}", signal, status, said));
  }

  const Scale& scale_;
  Report& report_;
  test::TempDir folder_;
  SmallRun run_;
  microseconds whole_{0};
  std::string expected_;
  Interrupted found_;
  std::uint64_t twice_ = 0, twice_wrong_ = 0;
};

}  // namespace

void check_signals(const Scale& scale, Report& report) {
  report.begin("K5");
  const FoldersInMemory in_memory;
  InterruptedRun run(scale, report);
  std::mt19937_64 random(scale.seed);
  for (int i = 0; i < scale.of(20, 500); ++i) run.interrupt(random);
  for (int i = 0; i < scale.of(5, 50); ++i) run.interrupt_twice(random);
  run.print();
}

}  // namespace rill::trust
