#include <algorithm>
#include <iterator>

#include <rill/tools/bench/rows.hpp>

namespace rill::bench {

const std::vector<Row>& all_rows() {
  static const std::vector<Row> rows = [] {
    std::vector<std::int64_t> narrow{784};
    narrow.insert(narrow.end(), 16, 64);
    narrow.push_back(10);
    const std::vector<std::int64_t> wide{784, 512, 512, 10};
    return std::vector<Row>{{"A", {784, 128, 10}, 32, Update::sgd},
                            {"B", {784, 128, 10}, 128, Update::adam},
                            {"C", wide, 128, Update::adam},
                            {"D", wide, 128, Update::adam, "leaky_relu"},
                            {"D", wide, 128, Update::adam, "elu"},
                            {"D", wide, 128, Update::adam, "prelu"},
                            {"E", {784, 2048, 2048, 10}, 256, Update::sgd},
                            {"F", narrow, 64, Update::adam},
                            {"G", {784, 128, 10}, 1, Update::sgd}};
  }();
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

}  // namespace rill::bench
