// Sites: the places where activations run in a model, named alike in every pass and by everyone who watches.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <rill/core/observe.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn::detail {

/// A place in a model where an activation runs: the n-th activation that one module runs in a pass.
struct Site {
  std::string name;  ///< path of an nn::Activation: "1"; else path and op: "block.relu". A second one: "1#2"
  std::string activation;
};

/// For observers. The model must live and not move meanwhile.
class Sites {
 public:
  explicit Sites(Module& model);
  /// Whether an op is the activation of a site: one that runs forward in a module. Outside of any it is the loss's.
  static bool is_site(const OpRun& run);
  /// The first activation of a module is again the first.
  void begin_pass() { calls_.clear(); }
  /// The site of an activation that begins to run (not of its slope op). Those that were not met before get the next numbers.
  std::size_t enter(const OpRun& run);
  const Site& operator[](std::size_t index) const { return sites_[index]; }
  std::size_t size() const { return sites_.size(); }

 private:
  std::unordered_map<const void*, NamedModule> modules_;
  std::map<std::pair<const void*, std::size_t>, std::size_t> known_;
  std::unordered_map<const void*, std::size_t> calls_;
  std::vector<Site> sites_;
};

}  // namespace rill::nn::detail
