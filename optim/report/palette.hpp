// The colours of charts: gnuplot draws with fixed ones, and pages put variables of their style in their place, so that
// dark pages have others. Told apart by colour-blind readers too (after Okabe and Ito), with a contrast of 3 on white and more.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>

namespace rill::optim::report {

struct Colour {
  int red, green, blue;
  const char* in_page;

  std::string in_script() const { return fmt::format("'#{:02x}{:02x}{:02x}'", red, green, blue); }
  std::string in_svg() const { return fmt::format("rgb({:3},{:4},{:4})", red, green, blue); }
  std::string in_svg_text() const { return fmt::format("rgb({},{},{})", red, green, blue); }
};

inline constexpr std::array<Colour, 9> palette = {{{0, 114, 178, "var(--c1)"},
                                                   {196, 78, 0, "var(--c2)"},
                                                   {0, 128, 93, "var(--c3)"},
                                                   {168, 72, 126, "var(--c4)"},
                                                   {156, 108, 0, "var(--c5)"},
                                                   {51, 51, 51, "var(--c6)"},
                                                   {34, 34, 34, "currentColor"},      // text
                                                   {119, 119, 119, "var(--axis)"},    // borders
                                                   {225, 225, 225, "var(--grid)"}}};  // lines of the grid
inline constexpr std::size_t line_colours = 6;
inline constexpr const Colour &text_colour = palette[6], &axis_colour = palette[7], &grid_colour = palette[8];

}  // namespace rill::optim::report
