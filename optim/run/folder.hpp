// The folder of a run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <rill/optim/run/run.hpp>

namespace rill::optim::config {

class RunFolder {
 public:
  /// Throws Error for an empty path. Nothing is touched yet.
  explicit RunFolder(std::string path);

  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder();

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  /// Makes the folder, and keeps others out of it for as long as this object, or the process, lives; what a killed run has left of
  /// files half written is removed. Throws Error if it cannot be made or opened, or if another one is in it.
  void lock();
  /// Throws Error if the folder holds a run's files, or with `overwrite` removes them.
  void begin(bool overwrite) const;
  /// Names of the files in it, sorted.
  std::vector<std::string> files() const;

 private:
  std::string path_;
  int locked_ = -1;  // a descriptor of the folder
};

/// Throws Error unless the checkpoint at `path` is of a run like `config`, as it is written to files, but for training.epochs and
/// out, and of the same data, classes and features: `metadata` is what the next checkpoint of this run will hold of them.
void check_resume(const std::string& path, const RunConfig& config,
                  const std::map<std::string, std::string>& metadata);

/// What tells data from others: their number, shape and a checksum of up to 10,000 samples, evenly spread.
std::string fingerprint(const RunData& data);

/// The document on one line.
std::string to_line(const RunConfig& config);

}  // namespace rill::optim::config
