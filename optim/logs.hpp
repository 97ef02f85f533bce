// Logs: the numbers of an epoch. History: those of a run.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rill/core/error.hpp>

namespace rill::optim {

/// Names and numbers of an epoch, in the order in which they came: loss, metrics, then the same with "val_".
class Logs {
 public:
  void set(std::string_view name, double value);
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Throws Error, naming `where` and what there is, if there is no such number.
  double at(std::string_view name, std::string_view where = "logs") const;
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }
  std::string names() const;  ///< "loss, accuracy"

 private:
  using Entry = std::pair<std::string, double>;
  const Entry* find(std::string_view name) const;
  std::vector<Entry> entries_;
};

/// Of a whole run: a resumed one has what the run had before it was stopped as well.
struct History {
  std::vector<Logs> epochs = {};  ///< of every epoch that ended, the one that was stopped too
  std::int64_t steps = 0;
  bool diverged = false;
  bool interrupted = false;  ///< it can be resumed, if a checkpoint was asked for
  std::string reason = {};   ///< why the run ended early; empty if it did not

  /// A number of every epoch, such as "val_loss". Throws Error if an epoch has none of that name.
  std::vector<double> of(std::string_view name) const;
};

}  // namespace rill::optim
