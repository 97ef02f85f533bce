// Profile: where the time of a program goes, by op and by layer.
//
//   Profile profile(model);
//   for (…) { … forward, backward, optimizer step … }
//   profile.print(std::cout);
//
// It sees the ops of the thread that made it, from construction until stop() or its end. The clock is read twice an op,
// some 50 ns, which small ops notice.
#pragma once

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <rill/core/observe.hpp>
#include <rill/nn/module.hpp>

namespace rill {

/// What is known of one op, or of one layer.
struct ProfileRow {
  std::string name;        ///< "linear"; or the layer's path and type, "0 dense"
  std::int64_t calls = 0;  ///< of the op; of ops, for a layer
  double forward = 0;      ///< seconds, without what ops called in turn took
  double backward = 0;     ///< seconds in backward walks
  std::int64_t bytes = 0;  ///< of all inputs and results: what had to be read and written at least

  double seconds() const { return forward + backward; }
};

class Profile final : public Observer {
 public:
  Profile() : Profile(std::vector<nn::NamedModule>()) {}
  /// Names the layers of `model` by their paths; ops of other modules count as "(another model)". The model must live
  /// and not move while the profile sees ops.
  explicit Profile(nn::Module& model) : Profile(model.named_modules()) {}

  /// From here on nothing is counted; the first call decides.
  void stop();

  /// One row an op, the one that took the most time first; names of ops that only walks call end in "_backward".
  std::vector<ProfileRow> ops() const;
  /// One row a layer that ran ops itself, in the order of the model, and "(no layer)" last.
  std::vector<ProfileRow> layers() const;
  /// Seconds between construction and stop(), or now.
  double seconds() const;

  /// Both tables, with the share of the time in ops and what lies between them.
  void print(std::ostream& out) const;

  void before(const OpRun& run) override;
  void after(const OpRun& run) override;
  void failed(std::string_view op) noexcept override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Running {
    Clock::time_point start;
    double inner = 0;  // seconds of the ops that this one has called
  };
  struct Key {
    std::string_view op;
    const void* module;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  explicit Profile(std::vector<nn::NamedModule> modules);
  std::string layer_name(const void* module) const;

  std::vector<nn::NamedModule> modules_;
  std::unordered_map<Key, ProfileRow, Hash> rows_;
  std::vector<Running> running_;
  Clock::time_point start_, end_;
  bool stopped_ = false;
};

/// profile.print(out).
std::ostream& operator<<(std::ostream& out, const Profile& profile);

}  // namespace rill
