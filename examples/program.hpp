// What every example shares: --help, --seed, --threads and --quick, and the exit codes
// 0 done, 1 the work failed, 2 wrong usage, 3 training diverged.
#pragma once

#include <charconv>
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>
#include <new>
#include <optional>
#include <string>

#include <rill/rill.hpp>

namespace example {

/// Thrown by an example whose loss is no longer a finite number.
class Diverged : public rill::Error {
 public:
  using rill::Error::Error;
};

/// The number in a text; none for what f32 does not hold, NaN and infinity too.
inline std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const bool fits = CLI::detail::lexical_cast(text, value) &&
                    std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max());
  return fits ? std::optional(value) : std::nullopt;
}

/// For numeric options: refuses what is not above (or, with `or_equal`, not at least) 0, and what number_of() does.
inline CLI::Validator above_zero(bool or_equal = false) {
  return CLI::Validator(
      [or_equal](const std::string& text) -> std::string {
        const std::optional<double> value = number_of(text);
        const bool fits = value && (*value > 0 || (or_equal && *value == 0));
        return fits ? "" : "is " + text + ", expected a number " + (or_equal ? "not below 0" : "above 0");
      },
      or_equal ? ">= 0" : "> 0");
}

/// For numeric options: refuses what number_of() does.
inline CLI::Validator finite() {
  return CLI::Validator(
      [](const std::string& text) -> std::string {
        return number_of(text) ? "" : "is " + text + ", expected a finite number that f32 holds";
      },
      "finite");
}

/// For --seed: CLI11 takes -1 for the largest number.
inline CLI::Validator whole_number() {
  return CLI::Validator(
      [](const std::string& text) -> std::string {
        std::uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        return error == std::errc{} && stop == end
                   ? ""
                   : "is " + text + ", expected a whole number from 0 to 2^64 - 1";
      },
      "");
}

class Program {
 public:
  CLI::App app;
  std::uint64_t seed = 42;
  int threads = 0;
  bool quick = false;

  explicit Program(const std::string& description) : app(description) {
    app.option_defaults()->take_last();
    app.add_option("--seed", seed, "seed of everything random")->capture_default_str()->check(whole_number());
    app.add_option("--threads", threads,
                   "threads to compute with (default: RILL_NUM_THREADS, OMP_NUM_THREADS, or all cores)")
        ->check(CLI::Range(1, 1024));
    app.add_flag("--quick", quick, "a run of seconds, to see that all works");
  }

  /// Parses the command line, runs `body`, and returns the exit status; errors go to stderr, one line each.
  template <class Body>
  int run(int argc, char** argv, Body&& body) {
    try {
      app.parse(argc, argv);
      if (threads > 0) rill::set_num_threads(threads);
      body();
      // What was printed is what the program is for.
      if (!std::cout.flush() || std::fflush(stdout) != 0)
        return report("standard output: cannot be written", 1);
      return 0;
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : 2;
    } catch (const Diverged& error) {
      return report(error.what(), 3);
    } catch (const rill::Error& error) {
      return report(error.what(), 1);
    } catch (const std::bad_alloc&) {
      return report("out of memory", 1);
    } catch (const std::exception& error) {
      return report(error.what(), 1);
    }
  }

 private:
  static int report(const char* what, int status) {
    std::cout.flush();
    std::cerr << "error: " << what << '\n';
    return status;
  }
};

}  // namespace example
