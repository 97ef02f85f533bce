#include <algorithm>
#include <numeric>

#include <rill/core/error.hpp>
#include <rill/core/text.hpp>
#include <rill/nn/data/csv_features.hpp>

namespace rill::nn::data {

bool CsvCategories::add(std::string_view value) {
  const bool fresh = places_.emplace(value, all_.size()).second;
  if (fresh) all_.emplace_back(value);
  return fresh;
}

std::size_t CsvCategories::place(const io::CsvReader& row, std::size_t column, std::string_view name) {
  const std::string_view cell = row.trimmed(column);
  if (const auto known = places_.find(cell); known != places_.end()) return known->second;
  const bool gap = io::parse_csv_value(cell).kind == io::CsvKind::missing;
  const std::string_view value = gap ? "" : cell;
  if (const auto known = places_.find(value); known != places_.end()) return known->second;
  const auto shown = [&] {
    return rill::detail::concat(row.where(), ": column ", io::quote_csv_field(name), " is ",
                                cell.empty() ? "empty" : io::quote_csv_field(cell),
                                gap ? " (a missing value)" : "");
  };
  RILL_CHECK(of_table(), shown(), ", which is none of its features, expected ", listed_csv_fields(all_));
  RILL_CHECK(!gap || of_ == Of::table_with_gaps, shown(), ", expected text; ", csv_gap_remedy);
  RILL_CHECK(rill::detail::is_utf8(value), shown(),
             ", not UTF-8, expected text in it; convert the file, as with iconv -f latin1 -t utf-8");
  RILL_CHECK(all_.size() < max_csv_values, shown(), ", after ", all_.size(),
             " other values, expected at most ", max_csv_values, " in a one-hot column");
  add(value);
  return all_.size() - 1;
}

std::vector<std::size_t> CsvCategories::sort() {
  std::vector<std::size_t> order(all_.size()), place(all_.size());
  std::iota(order.begin(), order.end(), 0);
  if (!of_table()) return order;
  std::ranges::sort(order, {}, [&](std::size_t old) -> const std::string& { return all_[old]; });
  std::vector<std::string> sorted;
  for (std::size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    places_[all_[order[i]]] = i;
    sorted.push_back(std::move(all_[order[i]]));
  }
  all_ = std::move(sorted);
  return place;
}

std::string listed_csv_fields(std::span<const std::string> fields) {
  constexpr std::size_t most = 20;
  std::string out;
  for (std::size_t i = 0; i < std::min(most, fields.size()); ++i)
    out += (i == 0 ? "" : ", ") + io::quote_csv_field(fields[i]);
  return fields.size() > most ? out + rill::detail::concat(" and ", fields.size() - most, " more") : out;
}

bool names_csv_value(std::string_view feature) {
  const std::size_t at = feature.find('=');
  return at != std::string_view::npos && at > 0;
}

bool begins_like_number(std::string_view field) {
  return !field.empty() && std::string_view("0123456789+-.").find(field.front()) != std::string_view::npos;
}

CsvMatch add_csv_feature(std::string_view feature, std::span<const std::string> columns, bool with_gaps,
                         std::vector<CsvSource>& to) {
  const auto column_of = [&](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(columns, name) - columns.begin());
  };
  const auto is_read = [&](std::size_t column) {
    return std::ranges::count(to, column, &CsvSource::column) > 0;
  };
  if (const std::size_t column = column_of(feature); column < columns.size()) {
    if (is_read(column)) return CsvMatch::twice;
    to.push_back({column});
    return CsvMatch::found;
  }
  for (std::size_t at = feature.find('='); at != std::string_view::npos; at = feature.find('=', at + 1)) {
    const std::size_t column = column_of(feature.substr(0, at));
    const std::string_view value = feature.substr(at + 1);
    if (column == columns.size() || (value.empty() && !with_gaps)) continue;
    const bool behind = !to.empty() && to.back().column == column;
    if (behind && !to.back().values) {
      if (!value.empty() || to.back().indicator) return CsvMatch::twice;
      to.back().indicator = true;
      return CsvMatch::found;
    }
    if (!behind && is_read(column)) return CsvMatch::twice;
    if (!behind) to.push_back({column, std::make_unique<CsvCategories>(CsvCategories::Of::features)});
    return to.back().values->add(value) ? CsvMatch::found : CsvMatch::twice;
  }
  return CsvMatch::missing;
}

}  // namespace rill::nn::data
