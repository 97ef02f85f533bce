// rill: train dense networks inside a C++ program. Everything that a user needs, in one header.
#pragma once

#include <rill/core/create.hpp>
#include <rill/core/gradcheck.hpp>
#include <rill/core/op_list.hpp>
#include <rill/nn/data/drawn_digits.hpp>
#include <rill/nn/data/loader.hpp>
#include <rill/nn/data/mnist.hpp>
#include <rill/nn/health/dead_units.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/metrics.hpp>
#include <rill/nn/summary.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/one_cycle.hpp>
#include <rill/optim/sgd.hpp>
