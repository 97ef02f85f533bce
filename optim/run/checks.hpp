// The checks of fields of run configs.
#pragma once

#include <rill/nn/config/check.hpp>

namespace rill::optim::config {

using nn::config::above;
using nn::config::at_least;
using nn::config::between;
using nn::config::Check;
using nn::config::finite;
using nn::config::one_of;

/// 0 or more, as far as f64 counts.
inline Check counts() { return between(0, 9007199254740992.0); }
/// From 0 to the largest f64 under 1.
inline Check below_one() { return between(0, 0.9999999999999999); }

}  // namespace rill::optim::config
