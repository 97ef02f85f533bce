// Recycling: all that recycle() does, in the order in which it can fail. The constructor and draw() throw and change
// nothing; apply() changes the model and the optimizer, and refuses nothing.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <rill/nn/health/wiring.hpp>
#include <rill/optim/recycle.hpp>

namespace rill::optim::detail {

/// Places in a tensor, row-major.
using Elements = std::vector<std::int64_t>;

/// Throws Error unless tau lies in [0, 1].
void check_recycle_tau(double tau);

class Recycling {
 public:
  Recycling(nn::Module& model, Optimizer& optimizer, const nn::data::Dataset& probe,
            const RecycleOptions& options);
  void draw(Generator& generator);
  RecycleReport apply();

 private:
  struct Choice {
    const nn::LayerHealth* health;
    const nn::LayerWiring* wiring;
    std::string obstacle;
    Elements units = {};
    Tensor fresh = {};
    RecycledLayer report = {};
  };

  std::string obstacle_of(const nn::LayerWiring& layer) const;
  void choose_layers();
  void choose_units(Choice& choice) const;
  Elements columns_of(const Choice& choice, const nn::OutgoingWeight& reader) const;
  const Elements& recycled_rows(const nn::NamedTensor& weight) const;
  void note_changes(Choice& choice) const;
  void fold_constants(Choice& choice) const;
  void renew(const Choice& choice);
  void disconnect(const Choice& choice);
  void forget_later(const Tensor& tensor, const Elements& elements);

  Optimizer& optimizer_;
  const RecycleOptions& options_;
  nn::HealthReport health_;
  nn::Wiring wiring_;
  std::vector<Choice> choices_;
  std::map<const void*, std::pair<Tensor, Elements>> forgotten_;  // by the tensor's identity
};

}  // namespace rill::optim::detail
