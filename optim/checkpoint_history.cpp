#include <algorithm>
#include <map>
#include <span>

#include <rill/optim/checkpoint_history.hpp>
#include <rill/optim/state_lists.hpp>

namespace rill::optim::detail {
namespace {

template <class T>
std::span<const T> values_of(const Tensor& values, const char* what, const std::string& where) {
  const std::string tensor = where + ": tensor \"rill.history." + what + "\"";
  RILL_CHECK(values.defined(), tensor, " is missing, expected the epochs so far");
  return list_of<T>(values, tensor);
}

void check_lengths(const std::vector<std::string>& names, const std::string& where) {
  for (const std::string& name : names) check_shared_text(name, where + ": a name in the logs");
}

}  // namespace

SavedHistory save_history(const std::vector<Logs>& epochs) {
  SavedHistory saved;
  std::map<std::string, std::int64_t, std::less<>> known;
  std::vector<double> numbers;
  std::vector<std::int64_t> places, sizes;
  for (const Logs& logs : epochs) {
    for (const auto& [name, value] : logs) {
      const auto [place, first] = known.emplace(name, std::ssize(saved.names));
      if (first) saved.names.push_back(name);
      places.push_back(place->second);
      numbers.push_back(value);
    }
    sizes.push_back(static_cast<std::int64_t>(logs.size()));
  }
  RILL_CHECK(saved.names.size() <= max_history_names, "fit: the logs have ", saved.names.size(),
             " names, expected at most ", max_history_names, " to write a checkpoint");
  check_lengths(saved.names, "fit");
  saved.numbers = list_tensor(numbers);
  saved.places = list_tensor(places);
  saved.sizes = list_tensor(sizes);
  return saved;
}

std::vector<Logs> load_history(const SavedHistory& saved, const std::string& where) {
  const auto numbers = values_of<double>(saved.numbers, "numbers", where);
  const auto places = values_of<std::int64_t>(saved.places, "places", where);
  const auto sizes = values_of<std::int64_t>(saved.sizes, "sizes", where);
  RILL_CHECK(places.size() == numbers.size(), where, ": there are ", numbers.size(), " numbers and ",
             places.size(), " places in rill.history, expected one for each");
  RILL_CHECK(saved.names.size() <= max_history_names, where, ": rill.history has ", saved.names.size(),
             " names, expected at most ", max_history_names);
  check_lengths(saved.names, where);
  std::vector<Logs> epochs;
  std::size_t at = 0;
  for (const std::int64_t size : sizes) {
    const std::size_t most = std::min(saved.names.size(), numbers.size() - at);
    RILL_CHECK(size >= 0 && static_cast<std::uint64_t>(size) <= most, where,
               ": an epoch of rill.history has ", size, " numbers, expected 0 to ", most);
    Logs& logs = epochs.emplace_back();
    for (const std::size_t end = at + static_cast<std::size_t>(size); at < end; ++at) {
      RILL_CHECK(places[at] >= 0 && places[at] < std::ssize(saved.names), where,
                 ": a place of rill.history is ", places[at], ", expected less than ", saved.names.size(),
                 ", the number of names");
      logs.set(saved.names[static_cast<std::size_t>(places[at])], numbers[at]);
    }
  }
  RILL_CHECK(at == numbers.size(), where, ": the epochs of rill.history have ", at, " numbers, expected ",
             numbers.size());
  return epochs;
}

}  // namespace rill::optim::detail
