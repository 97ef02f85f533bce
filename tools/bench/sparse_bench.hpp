// Products with many zeros, and what a dense one pays for the question whether it has any.
#pragma once

namespace rill::bench {

/// Registers them with Google Benchmark: real MNIST where it is found, one-hot-like rows, and dense numbers.
void add_sparse_products();

}  // namespace rill::bench
