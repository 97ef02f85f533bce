// Texts, numbers and tables as HTML that is XML too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rill::optim::report {

/// `text` for element content and quoted attributes: markup is escaped, bytes that are no UTF-8 and characters that XML
/// refuses become U+FFFD.
std::string escaped(std::string_view text);

/// "0.01234": 4 significant digits; "NaN", "inf" or "-inf".
std::string number(double value);
/// "12.3 %" of a share, with `digits` behind the point and a space that does not break; a dash for NaN.
std::string percent(double share, int digits = 1);

/// Texts, escaped here. The first cell of a row heads it.
struct Table {
  std::string caption = {};
  std::vector<std::string> head = {};
  std::vector<std::vector<std::string>> rows = {};
  int left = 1;  ///< columns that are words, to the left; the others are numbers
};

/// A table in a box that scrolls where it is too wide or too long.
std::string to_html(const Table& table);

/// `body` under a heading of the second rank.
std::string section(std::string_view heading, const std::string& body);

/// `body` behind a line that opens it.
std::string details(std::string_view summary, const std::string& body, bool open = false);

}  // namespace rill::optim::report
