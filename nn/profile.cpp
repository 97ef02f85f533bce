#include <fmt/format.h>

#include <algorithm>
#include <map>

#include <rill/nn/profile.hpp>

namespace rill {
namespace {

std::int64_t bytes_of(const Tensor& tensor) {
  return tensor.defined() ? tensor.numel() * static_cast<std::int64_t>(size_of(tensor.dtype())) : 0;
}

void add(ProfileRow& sum, const ProfileRow& row) {
  sum.calls += row.calls;
  sum.forward += row.forward;
  sum.backward += row.backward;
  sum.bytes += row.bytes;
}

void print_table(std::ostream& out, const char* title, const std::vector<ProfileRow>& rows, double all) {
  std::size_t width = std::string_view(title).size();
  for (const ProfileRow& row : rows) width = std::max(width, row.name.size());
  out << fmt::format("{:<{}}  {:>9}  {:>11}  {:>11}  {:>6}  {:>10}\n", title, width, "calls", "forward ms",
                     "backward ms", "share", "MB");
  for (const ProfileRow& row : rows) {
    out << fmt::format("{:<{}}  {:>9}  {:>11.3f}  {:>11.3f}  {:>5.1f}%  {:>10.1f}\n", row.name, width,
                       row.calls, 1e3 * row.forward, 1e3 * row.backward,
                       all > 0 ? 100 * row.seconds() / all : 0.0, static_cast<double>(row.bytes) / 1e6);
  }
}

}  // namespace

std::size_t Profile::Hash::operator()(const Key& key) const noexcept {
  return std::hash<std::string_view>()(key.op) * 31 + std::hash<const void*>()(key.module);
}

Profile::Profile(std::vector<nn::NamedModule> modules) : modules_(std::move(modules)), start_(Clock::now()) {}

void Profile::stop() {
  if (std::exchange(stopped_, true)) return;
  end_ = Clock::now();
}

void Profile::before(const OpRun&) {
  if (!stopped_) running_.push_back({Clock::now()});
}

void Profile::after(const OpRun& run) {
  if (running_.empty()) return;  // stopped, or made while this op ran
  const Running own = running_.back();
  running_.pop_back();
  const double seconds = std::chrono::duration<double>(Clock::now() - own.start).count();
  if (!running_.empty()) running_.back().inner += seconds;
  if (stopped_) return;
  ProfileRow& row = rows_[{run.name, run.module}];
  ++row.calls;
  (run.backward ? row.backward : row.forward) += seconds - own.inner;
  for (const Tensor* input : run.inputs) row.bytes += bytes_of(*input);
  for (const Tensor& result : run.results) row.bytes += bytes_of(result);
}

void Profile::failed(std::string_view) noexcept {
  if (!running_.empty()) running_.pop_back();
}

std::vector<ProfileRow> Profile::ops() const {
  std::map<std::string_view, ProfileRow> sums;
  for (const auto& [key, row] : rows_) add(sums[key.op], row);
  std::vector<ProfileRow> found;
  for (auto& [name, row] : sums) {
    row.name = name;
    found.push_back(std::move(row));
  }
  std::ranges::stable_sort(
      found, [](const ProfileRow& a, const ProfileRow& b) { return a.seconds() > b.seconds(); });
  return found;
}

std::string Profile::layer_name(const void* module) const {
  if (!module) return "(no layer)";
  for (const auto& [name, known] : modules_) {
    if (known == module)
      return name.empty() ? std::string(known->type()) : name + " " + std::string(known->type());
  }
  return "(another model)";
}

std::vector<ProfileRow> Profile::layers() const {
  std::map<std::string, ProfileRow> sums;
  for (const auto& [key, row] : rows_) add(sums[layer_name(key.module)], row);
  std::vector<ProfileRow> found;
  const auto take = [&](const std::string& name) {
    const auto place = sums.find(name);
    if (place == sums.end()) return;
    place->second.name = name;
    found.push_back(std::move(place->second));
    sums.erase(place);
  };
  for (const auto& part : modules_) take(layer_name(part.module));
  take("(another model)");
  take("(no layer)");
  return found;
}

double Profile::seconds() const {
  return std::chrono::duration<double>((stopped_ ? end_ : Clock::now()) - start_).count();
}

void Profile::print(std::ostream& out) const {
  const double all = seconds();
  double in_ops = 0;
  for (const auto& [key, row] : rows_) in_ops += row.seconds();
  print_table(out, "op", ops(), all);
  out << '\n';
  print_table(out, "layer", layers(), all);
  out << fmt::format("\n{:.3f} ms in all, {:.1f} % of it in ops\n", 1e3 * all,
                     all > 0 ? 100 * in_ops / all : 0.0);
}

std::ostream& operator<<(std::ostream& out, const Profile& profile) {
  profile.print(out);
  return out;
}

}  // namespace rill
