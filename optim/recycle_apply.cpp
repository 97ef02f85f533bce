#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/optim/recycling.hpp>

namespace rill::optim::detail {
namespace {

void fill_elements(Tensor tensor, const Elements& elements, double value) {
  if (!tensor.defined() || elements.empty()) return;
  dispatch_floating(tensor.dtype(), "recycle", [&]<class T>(T) {
    const auto data = tensor.mutable_data<T>();
    for (const std::int64_t at : elements) data[static_cast<std::size_t>(at)] = static_cast<T>(value);
  });
}

void copy_elements(const Tensor& from, Tensor to, const Elements& elements) {
  dispatch_floating(to.dtype(), "recycle", [&]<class T>(T) {
    const auto source = from.data<T>();
    const auto data = to.mutable_data<T>();
    for (const std::int64_t at : elements)
      data[static_cast<std::size_t>(at)] = source[static_cast<std::size_t>(at)];
  });
}

// The places of units in a vector that holds all `units` of a layer, once or, flattened, several times.
Elements channel_elements(const Tensor& vector, const Elements& chosen, std::int64_t units) {
  Elements found;
  if (!vector.defined()) return found;
  for (const std::int64_t u : chosen) {
    for (std::int64_t at = u; at < vector.numel(); at += units) found.push_back(at);
  }
  return found;
}

bool finite_at(const Tensor& tensor, const Elements& elements) {
  bool finite = true;
  dispatch_floating(tensor.dtype(), "recycle", [&]<class T>(T) {
    const auto data = tensor.data<T>();
    finite = std::ranges::all_of(
        elements, [&](std::int64_t at) { return std::isfinite(data[static_cast<std::size_t>(at)]); });
  });
  return finite;
}

// The places of rows in a matrix.
Elements row_elements(const Tensor& weight, const Elements& rows) {
  const std::int64_t columns = weight.shape()[1];
  Elements found;
  for (const std::int64_t row : rows) {
    for (std::int64_t i = 0; i < columns; ++i) found.push_back(row * columns + i);
  }
  return found;
}

}  // namespace

RecycleReport Recycling::apply() {
  RecycleReport report{.samples = health_.samples, .tau = options_.tau};
  for (Choice& choice : choices_) {
    if (choice.units.empty()) continue;
    note_changes(choice);
    fold_constants(choice);
  }
  for (const Choice& choice : choices_) {
    if (!choice.units.empty()) renew(choice);
  }
  for (const Choice& choice : choices_) {
    if (!choice.units.empty()) disconnect(choice);
  }
  for (const auto& [identity, forgotten] : forgotten_) optimizer_.forget(forgotten.first, forgotten.second);
  for (Choice& choice : choices_) report.layers.push_back(std::move(choice.report));
  return report;
}

void Recycling::note_changes(Choice& choice) const {
  RecycledLayer& report = choice.report;
  const auto active = std::ranges::count_if(choice.units, [&](std::int64_t u) {
    return choice.health->units[static_cast<std::size_t>(u)].activity_score > 0;
  });
  if (active > 0) report.notes.push_back(fmt::format("{} of them gave more than 0, which is lost", active));
  if (!choice.wiring->mixing.empty()) report.notes.push_back(choice.wiring->mixing);
  const bool finite = std::ranges::all_of(choice.wiring->outgoing, [&](const nn::OutgoingWeight& reader) {
    return finite_at(reader.weight.value, columns_of(choice, reader));
  });
  if (!finite) report.notes.push_back("NaN or infinite weights that read them, and spread, became 0");
  report.function_kept = active == 0 && finite && choice.wiring->mixing.empty();
}

// A norm after the activation makes a constant of a 0, which readers no longer get.
void Recycling::fold_constants(Choice& choice) const {
  const nn::LayerWiring& wiring = *choice.wiring;
  if (std::ranges::any_of(wiring.norms, [](const auto& norm) { return norm.mixes && !norm.before; })) return;
  for (const nn::OutgoingWeight& reader : wiring.outgoing) {
    const std::int64_t out = reader.weight.value.shape()[0], columns = reader.weight.value.shape()[1];
    std::vector<double> lost(static_cast<std::size_t>(out));
    bool constant = false;
    dispatch_floating(reader.weight.value.dtype(), "recycle", [&]<class T>(T) {
      const auto weight = reader.weight.value.data<T>();
      for (const std::int64_t u : choice.units) {
        if (choice.health->units[static_cast<std::size_t>(u)].activity_score > 0) continue;
        for (std::int64_t column = u; column < columns; column += wiring.units) {
          const double value = reader.input[static_cast<std::size_t>(column)];
          if (value == 0) continue;
          constant = true;
          for (std::int64_t row = 0; row < out; ++row)
            lost[static_cast<std::size_t>(row)] +=
                value * double{weight[static_cast<std::size_t>(row * columns + column)]};
        }
      }
    });
    if (!constant) continue;
    if (!optimizer_.trains(reader.bias.value)) {
      choice.report.function_kept = false;
      const char* what = reader.bias.value.defined() ? "trained bias" : "bias";
      choice.report.notes.push_back(fmt::format(
          "what a norm made of 0 is lost, for {} has no {} that could take it", reader.weight.name, what));
      continue;
    }
    Tensor bias = reader.bias.value;
    dispatch_floating(bias.dtype(), "recycle", [&]<class T>(T) {
      const auto data = bias.mutable_data<T>();
      for (std::size_t row = 0; row < data.size(); ++row) data[row] = static_cast<T>(data[row] + lost[row]);
    });
    choice.report.notes.push_back("what a norm made of 0 was added to " + reader.bias.name);
  }
}

void Recycling::renew(const Choice& choice) {
  const nn::LayerWiring& wiring = *choice.wiring;
  const Elements rows = row_elements(wiring.weight.value, choice.units);
  copy_elements(choice.fresh, wiring.weight.value, rows);
  forget_later(wiring.weight.value, rows);
  fill_elements(wiring.bias.value, choice.units, 0);
  forget_later(wiring.bias.value, choice.units);
  for (const nn::UnitChannels& norm : wiring.norms) {
    for (const auto& [tensor, fresh] : {std::pair(norm.weight.value, 1), std::pair(norm.bias.value, 0)}) {
      const Elements elements = channel_elements(tensor, choice.units, wiring.units);
      fill_elements(tensor, elements, fresh);
      forget_later(tensor, elements);
    }
    for (const auto& [tensor, fresh] : {std::pair(norm.mean.value, 0), std::pair(norm.variance.value, 1)})
      fill_elements(tensor, channel_elements(tensor, choice.units, wiring.units), fresh);
  }
}

const Elements& Recycling::recycled_rows(const nn::NamedTensor& weight) const {
  static const Elements none;
  for (const Choice& choice : choices_) {
    if (!choice.units.empty() && choice.wiring->weight.name == weight.name) return choice.units;
  }
  return none;
}

// The places that read the units, but for the rows of other units that are new.
Elements Recycling::columns_of(const Choice& choice, const nn::OutgoingWeight& reader) const {
  const std::int64_t out = reader.weight.value.shape()[0], columns = reader.weight.value.shape()[1];
  const Elements& fresh = recycled_rows(reader.weight);
  Elements found;
  for (std::int64_t row = 0; row < out; ++row) {
    if (std::ranges::binary_search(fresh, row)) continue;
    for (const std::int64_t u : choice.units) {
      for (std::int64_t column = u; column < columns; column += choice.wiring->units)
        found.push_back(row * columns + column);
    }
  }
  return found;
}

void Recycling::disconnect(const Choice& choice) {
  for (const nn::OutgoingWeight& reader : choice.wiring->outgoing) {
    const Elements elements = columns_of(choice, reader);
    fill_elements(reader.weight.value, elements, 0);
    forget_later(reader.weight.value, elements);
  }
}

void Recycling::forget_later(const Tensor& tensor, const Elements& elements) {
  if (!options_.reset_state || !tensor.defined()) return;
  auto& [param, all] = forgotten_[rill::detail::Access::handle(tensor).get()];
  param = tensor;
  all.insert(all.end(), elements.begin(), elements.end());
}

}  // namespace rill::optim::detail
