#include <algorithm>
#include <map>
#include <span>

#include <rill/core/create.hpp>
#include <rill/optim/checkpoint_history.hpp>

namespace rill::optim::detail {
namespace {

template <class T>
Tensor as_tensor(const std::vector<T>& values) {
  return tensor(std::span<const T>(values), Shape{std::ssize(values)});
}

template <class T>
std::span<const T> values_of(const Tensor& values, const char* what, const std::string& where) {
  RILL_CHECK(values.defined(), where, ": tensor \"rill.history.", what,
             "\" is missing, expected the epochs so far");
  RILL_CHECK(values.dtype() == dtype_of<T>() && values.dim() == 1, where, ": tensor \"rill.history.", what,
             "\" is ", values.dtype(), " ", values.shape(), ", expected ", dtype_of<T>(), " [n]");
  return values.data<T>();
}

void check_lengths(const std::vector<std::string>& names, const std::string& where) {
  for (const std::string& name : names)
    RILL_CHECK(name.size() <= max_shared_text, where, ": a name in the logs has ", name.size(),
               " bytes, expected at most ", max_shared_text);
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
  saved.numbers = as_tensor(numbers);
  saved.places = as_tensor(places);
  saved.sizes = as_tensor(sizes);
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
