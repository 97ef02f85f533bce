#include <algorithm>

#include <rill/optim/logs.hpp>

namespace rill::optim {

const Logs::Entry* Logs::find(std::string_view name) const {
  const auto entry =
      std::ranges::find(entries_, name, [](const Entry& known) -> std::string_view { return known.first; });
  return entry == entries_.end() ? nullptr : &*entry;
}

void Logs::set(std::string_view name, double value) {
  if (const Entry* known = find(name)) {
    entries_[static_cast<std::size_t>(known - entries_.data())].second = value;
  } else {
    entries_.emplace_back(name, value);
  }
}

std::string Logs::names() const {
  std::string text;
  for (const auto& [name, value] : entries_) text += (text.empty() ? "" : ", ") + name;
  return text;
}

double Logs::at(std::string_view name, std::string_view where) const {
  if (const Entry* found = find(name)) return found->second;
  rill::detail::fail(rill::detail::concat(where, ": there is no \"", name, "\" in the logs, expected one of ",
                                          names(), name.starts_with("val_") ? "; pass validation data" : ""));
}

std::vector<double> History::of(std::string_view name) const {
  std::vector<double> numbers;
  for (const Logs& logs : epochs) numbers.push_back(logs.at(name, "history"));
  return numbers;
}

}  // namespace rill::optim
