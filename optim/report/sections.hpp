// The parts of a report's page, and the pictures in them. What a report does not have makes no section.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <rill/optim/report/run_report.hpp>

namespace rill::optim::report {

/// A chart that is to be drawn.
struct Picture {
  std::string file = {};  ///< its name in a run's folder, without ".svg"; empty for a chart of the page alone
  std::string heading = {};      ///< may be the user's text
  std::string description = {};  ///< what it shows, in words
  std::string script = {};
};

/// Loss, accuracy, learning rate, then every other number of the logs but those of health; what has no number that can
/// be drawn makes no picture.
std::vector<Picture> curve_pictures(const RunReport& report);
/// Units that are never on, then saturated ones where there are any; a line a layer, or a heat map for many layers.
std::vector<Picture> health_pictures(const RunReport& report);

/// The pictures side by side, drawn now. `drawn` tells whether all of them could be.
std::string figures(const std::vector<Picture>& pictures, const std::string& id, bool& drawn);

std::string curves_section(const RunReport& report);
std::string health_section(const RunReport& report);
std::string advice_section(const RunReport& report);
std::string confusion_section(const RunReport& report);
std::string mistakes_section(const RunReport& report);

/// The name of a class, or its number where it has none.
std::string class_name(const RunReport& report, std::int64_t of);
/// Whose confusions these are, for the beginning of a paragraph in HTML; empty if the report does not say.
std::string judged(const RunReport& report);

/// At most `most` of the numbers 0 to count - 1, evenly, the first and the last among them.
std::vector<std::size_t> evenly(std::size_t count, std::size_t most);

/// The style of the page.
std::string style();

}  // namespace rill::optim::report
