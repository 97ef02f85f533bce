// The reports so far in a checkpoint: tensors, and in its header each text once, however many reports there are.
#include <algorithm>
#include <map>
#include <span>

#include <rill/optim/recycle.hpp>
#include <rill/optim/state_lists.hpp>

namespace rill::optim::callbacks {
namespace {

constexpr const char* recycle_name = "Recycle";
// Texts of the name and of the activation, size, non_finite, function_kept, how many units, how many notes.
constexpr std::int64_t row_size = 7;

void check_length(const std::string& text) {
  optim::detail::check_shared_text(text, "Recycle: a text of a report");
}

class ReportWriter {
 public:
  void add(const RecycleReport& report, std::int64_t step) {
    steps_.push_back(step);
    samples_.push_back(report.samples);
    tau_.push_back(report.tau);
    layers_.push_back(std::ssize(report.layers));
    for (const RecycledLayer& layer : report.layers) add(layer);
  }

  StateDict state() const {
    StateDict state;
    for (const auto& [text, place] : places_) state.texts[std::to_string(place)] = text;
    state.tensors = {
        {"steps", optim::detail::list_tensor(steps_)}, {"samples", optim::detail::list_tensor(samples_)},
        {"tau", optim::detail::list_tensor(tau_)},     {"layers", optim::detail::list_tensor(layers_)},
        {"rows", optim::detail::list_tensor(rows_)},   {"units", optim::detail::list_tensor(units_)},
        {"notes", optim::detail::list_tensor(notes_)}};
    return state;
  }

 private:
  std::int64_t place_of(const std::string& text) {
    check_length(text);
    return places_.emplace(text, std::ssize(places_)).first->second;
  }

  void add(const RecycledLayer& layer) {
    const std::initializer_list<std::int64_t> row{
        place_of(layer.name),   place_of(layer.activation),  layer.size,
        layer.non_finite,       layer.function_kept ? 1 : 0, std::ssize(layer.units),
        std::ssize(layer.notes)};
    rows_.insert(rows_.end(), row);
    units_.insert(units_.end(), layer.units.begin(), layer.units.end());
    for (const std::string& note : layer.notes) notes_.push_back(place_of(note));
  }

  std::map<std::string, std::int64_t> places_;
  std::vector<std::int64_t> steps_, samples_, layers_, rows_, units_, notes_;
  std::vector<double> tau_;
};

// Takes the numbers of a tensor one by one.
template <class T>
class Numbers {
 public:
  Numbers(const StateDict& state, const char* name)
      : name_(name),
        rest_(optim::detail::list_of<T>(state.tensor(name, recycle_name),
                                        std::string(recycle_name) + ": state \"" + name + "\"")) {}

  bool empty() const { return rest_.empty(); }
  T next() { return take(1)[0]; }
  std::span<const T> take(std::int64_t count) {
    RILL_CHECK(count >= 0 && count <= std::ssize(rest_), recycle_name, ": state \"", name_, "\" has ",
               rest_.size(), " numbers where ", count, " are due, expected as many");
    const std::span<const T> taken = rest_.first(static_cast<std::size_t>(count));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  void expect_end() const {
    RILL_CHECK(rest_.empty(), recycle_name, ": state \"", name_, "\" has ", rest_.size(),
               " numbers too many, expected those of the reports");
  }

 private:
  const char* name_;
  std::span<const T> rest_;
};

class ReportReader {
 public:
  explicit ReportReader(const StateDict& state) : state_(state) {}

  bool done() const { return steps_.empty(); }
  std::int64_t step() { return count(steps_.next(), "the step"); }
  RecycleReport report() {
    RecycleReport report{.samples = count(samples_.next(), "samples"), .tau = tau_.next()};
    for (std::int64_t left = count(layers_.next(), "layers"); left > 0; --left)
      report.layers.push_back(layer());
    return report;
  }
  void expect_end() const {
    for (const auto* numbers : {&samples_, &layers_, &rows_, &units_, &notes_}) numbers->expect_end();
    tau_.expect_end();
  }

 private:
  const std::string& text(std::int64_t place) const {
    const std::string& text = state_.text(std::to_string(place), recycle_name);
    check_length(text);
    return text;
  }

  static std::int64_t count(std::int64_t number, const char* what) {
    RILL_CHECK(number >= 0, recycle_name, ": ", what, " of a report is ", number, ", expected 0 or more");
    return number;
  }

  RecycledLayer layer() {
    const auto row = rows_.take(row_size);
    const auto units = units_.take(row[5]), notes = notes_.take(row[6]);
    RecycledLayer layer{.name = text(row[0]),
                        .activation = text(row[1]),
                        .size = count(row[2], "a layer's size"),
                        .units = {units.begin(), units.end()},
                        .non_finite = count(row[3], "a layer's non_finite"),
                        .function_kept = row[4] != 0};
    for (const std::int64_t unit : units)
      RILL_CHECK(unit >= 0 && unit < layer.size, recycle_name, ": a unit of a report is ", unit,
                 ", expected 0 or more and less than ", layer.size);
    for (const std::int64_t note : notes) layer.notes.push_back(text(note));
    return layer;
  }

  const StateDict& state_;
  Numbers<std::int64_t> steps_{state_, "steps"}, samples_{state_, "samples"}, layers_{state_, "layers"},
      rows_{state_, "rows"}, units_{state_, "units"}, notes_{state_, "notes"};
  Numbers<double> tau_{state_, "tau"};
};

}  // namespace

StateDict Recycle::state_dict() const {
  ReportWriter writer;
  for (std::size_t i = 0; i < reports_.size(); ++i) writer.add(reports_[i], steps_[i]);
  return writer.state();
}

void Recycle::load_state_dict(const Run&, const StateDict& state) {
  std::vector<RecycleReport> reports;
  std::vector<std::int64_t> steps;
  ReportReader reader(state);
  while (!reader.done()) {
    steps.push_back(reader.step());
    reports.push_back(reader.report());
  }
  reader.expect_end();
  reports_ = std::move(reports);
  steps_ = std::move(steps);
}

}  // namespace rill::optim::callbacks
