// The rows of the step benchmark: what rill is measured on, and the floors that it shall keep. The table in rows.cpp is
// the one place where they are written down.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rill::bench {

enum class Work {
  training,   ///< a whole step of a dense network
  inference,  ///< its forward pass, on a batch that is there
  activation  ///< an activation alone, forward and backward, on a matrix [batch, sizes[0]]
};

enum class Update { sgd, adam };

/// What one line of the table repeats. `sizes` are those of the input, the hidden layers and the output of a dense
/// network; an activation follows every hidden layer.
struct Row {
  std::string_view name;
  std::vector<std::int64_t> sizes;
  std::int64_t batch;
  Update update;
  std::string_view activation = "relu";
  Work work = Work::training;
  // Least ratios of rill's speed, with one thread, 0 where there is none: to the bound's on dense data and on MNIST, and
  // to rill's own on another row, on dense data.
  double floor = 0, floor_mnist = 0;
  std::string_view beside{};  ///< that row: its name, or for an activation its activation
  double floor_beside = 0;
  double floor_two_threads = 1;  ///< to rill's own with one thread

  /// Whether the bound's products are those of matrix and vector.
  bool by_vector() const { return batch == 1; }
  /// "sgemm", "sgemv" or "memory": what the row is compared with.
  std::string_view bound() const {
    return work == Work::activation ? "memory" : by_vector() ? "sgemv" : "sgemm";
  }
};

/// All rows; the three activations of D are three rows of one name, and so are those of `activation`.
const std::vector<Row>& all_rows();

/// The names of the rows, each once: "A, B, C".
std::string row_names();

/// The rows called `name`; empty if there is none.
std::vector<Row> rows_named(std::string_view name);

/// The row that `row` is also compared with, or nullptr.
const Row* row_beside(const Row& row);

}  // namespace rill::bench
