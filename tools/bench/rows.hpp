// The rows of the step benchmark: the training steps that rill is measured on. The table in rows.cpp is the one
// place where they are written down.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rill::bench {

enum class Update { sgd, adam };

/// A step of a dense network: sizes of the input, the hidden layers and the output; an activation follows every
/// hidden layer.
struct Row {
  std::string_view name;
  std::vector<std::int64_t> sizes;
  std::int64_t batch;
  Update update;
  std::string_view activation = "relu";
};

/// All rows; the three activations of D are three rows of one name.
const std::vector<Row>& all_rows();

/// The names of the rows, each once: "A, B, C".
std::string row_names();

/// The rows called `name`; empty if there is none.
std::vector<Row> rows_named(std::string_view name);

}  // namespace rill::bench
