// gnuplot as a function from a script to an SVG file, and that file as a part of a page.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rill::optim::report {

/// What gnuplot, found on the PATH and run without a shell, draws for `script`: a whole SVG file. Nothing if it cannot be
/// started, fails, or needs over half a minute. Scripts can run programs: they hold numbers and plain_text() alone.
std::optional<std::string> gnuplot(const std::string& script);

/// Whether `text` is 1 to 24 letters and digits of ASCII, dots, underscores, hyphens, and number signs: a name that means only itself in
/// a script within quotes.
bool is_plain(std::string_view text);

/// An SVG file of gnuplot's for a page: it takes the width that there is and the page's colours, has no ids but those of
/// its title and description, which begin with `id`, and tells both to who cannot see it.
std::string inlined(const std::string& svg, const std::string& id, std::string_view title,
                    std::string_view description);

/// The same as a file of its own: with a title.
std::string titled(const std::string& svg, std::string_view title);

}  // namespace rill::optim::report
