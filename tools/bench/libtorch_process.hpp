// libtorch in a process of its own, build/bin/rill_bench_libtorch: a program that links it loads nearly 300 libraries,
// with an OpenBLAS and threads that would not be those of the measurement.
//
// The two talk in lines over pipes, and the child only works while it is asked to:
//   open ROW THREADS CLOCK DATA   ROW counts all_rows() from 0, CLOCK is wall or cpu, DATA dense or a folder with MNIST;
//                                 answered by "ready"
//   run STEPS                     answered by the seconds that they took
#pragma once

#include <memory>
#include <string>
#include <sys/types.h>

#include <rill/tools/bench/side.hpp>

namespace rill::bench {

class LibtorchProcess {
 public:
  /// Starts the program at `path`. Throws Error if it cannot.
  explicit LibtorchProcess(const std::string& path);
  LibtorchProcess(const LibtorchProcess&) = delete;
  LibtorchProcess& operator=(const LibtorchProcess&) = delete;
  ~LibtorchProcess();  ///< ends it

  /// A line to the program and its answer. Throws Error if it has ended.
  std::string ask(const std::string& line);

  /// The side that does the work there; one at a time. `data` is "dense" or a folder with MNIST.
  std::unique_ptr<Side> side(std::size_t row, const std::string& data, int threads, bool cpu_time);

 private:
  std::string path_;
  pid_t child_ = 0;
  int to_ = -1, from_ = -1;
  std::string unread_;
};

/// The program beside the one that runs, or "" where it was not built.
std::string libtorch_program();

}  // namespace rill::bench
