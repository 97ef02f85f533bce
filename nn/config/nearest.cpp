#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include <rill/core/text.hpp>
#include <rill/nn/config/nearest.hpp>

namespace rill::nn::config {
namespace {

constexpr std::size_t most_letters = 64;  // of a name that is compared at all

std::string letters_of(std::string_view name) {
  std::string letters;
  for (const char c : name.substr(0, most_letters)) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return letters;
}

// Damerau and Levenshtein's, with swaps of neighbours that are not edited again.
std::size_t distance(std::string_view a, std::string_view b) {
  std::array<std::vector<std::size_t>, 3> rows;
  for (auto& row : rows) row.assign(b.size() + 1, 0);
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto &row = rows[i % 3], &above = rows[(i + 2) % 3], &above_that = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], above_that[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
  const std::string letters = letters_of(name);
  std::string_view best;
  std::size_t best_distance = letters.size() / 3 + 1;
  for (const std::string_view each : known) {
    const std::size_t apart = distance(letters, letters_of(each));
    if (apart >= best_distance) continue;
    best_distance = apart;
    best = each;
  }
  return best;
}

std::string suggestion(std::string_view name, std::span<const std::string_view> known) {
  const std::string_view best = nearest(name, known);
  if (!best.empty()) return "; did you mean \"" + std::string(best) + "\"?";
  constexpr std::size_t most_names = 30;
  std::string names;
  for (const std::string_view each : known.subspan(0, std::min(known.size(), most_names))) {
    const bool word = !each.empty() && std::isalnum(static_cast<unsigned char>(each.front()));
    (names += names.empty() ? "" : ", ") += word           ? std::string(each)
                                            : each == "\t" ? "\"\\t\""
                                                           : in_quotes(each);
  }
  if (known.size() > most_names) names += ", …";
  return names.empty() ? ", expected none" : ", expected one of " + names;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string result = "\"";
  for (const char c : rill::detail::beginning(text, longest)) result += rill::detail::is_control(c) ? '?' : c;
  return result + (text.size() > longest ? "…\"" : "\"");
}

}  // namespace rill::nn::config
