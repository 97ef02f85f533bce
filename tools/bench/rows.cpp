#include <algorithm>
#include <iterator>

#include <rill/tools/bench/rows.hpp>

namespace rill::bench {
namespace {

std::vector<Row> make_rows() {
  using enum Update;
  using enum Work;
  std::vector<std::int64_t> narrow{784};
  narrow.insert(narrow.end(), 16, 64);
  narrow.push_back(10);
  const std::vector<std::int64_t> small{784, 128, 10}, wide{784, 512, 512, 10}, huge{784, 2048, 2048, 10};
  std::vector<Row> rows{
      {"A", small, 32, sgd, "relu", training, 0.80, 1.4},
      {"B", small, 128, adam, "relu", training, 0.75, 1.3},
      {"C", wide, 128, adam, "relu", training, 0.88, 1.1, {}, 0, 1.6},
      {"D", wide, 128, adam, "leaky_relu", training, 0, 0, "C", 0.95},
      {"D", wide, 128, adam, "elu", training, 0, 0, "C", 0.95},
      {"D", wide, 128, adam, "prelu", training, 0, 0, "C", 0.95},
      {"E", huge, 256, sgd, "relu", training, 0.92, 0, {}, 0, 1.6},
      {"F", narrow, 64, adam, "relu", training, 0.65},
      {"G", small, 1, sgd, "relu", training, 1.4},
      {"inference-1", wide, 1, sgd, "relu", inference, 0.95},
      {"inference-512", wide, 512, sgd, "relu", inference, 0.95},
  };
  // Times of at most 1.5 and 1.2 of leaky_relu's.
  rows.push_back({"activation", {1024}, 1024, sgd, "leaky_relu", activation});
  rows.push_back({"activation", {1024}, 1024, sgd, "elu", activation, 0, 0, "leaky_relu", 1 / 1.5});
  rows.push_back({"activation", {1024}, 1024, sgd, "prelu", activation, 0, 0, "leaky_relu", 1 / 1.2});
  return rows;
}

}  // namespace

const std::vector<Row>& all_rows() {
  static const std::vector<Row> rows = make_rows();
  return rows;
}

std::string row_names() {
  std::string names;
  std::string_view last;
  for (const Row& row : all_rows()) {
    if (row.name == last) continue;
    names += names.empty() ? "" : ", ";
    names += last = row.name;
  }
  return names;
}

std::vector<Row> rows_named(std::string_view name) {
  std::vector<Row> found;
  std::copy_if(all_rows().begin(), all_rows().end(), std::back_inserter(found),
               [name](const Row& row) { return row.name == name; });
  return found;
}

const Row* row_beside(const Row& row) {
  if (row.beside.empty()) return nullptr;
  const auto at = std::ranges::find_if(all_rows(), [&](const Row& other) {
    return other.work == row.work &&
           (row.work == Work::activation ? other.activation : other.name) == row.beside;
  });
  return at == all_rows().end() ? nullptr : &*at;
}

}  // namespace rill::bench
