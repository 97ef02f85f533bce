#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/random.hpp>
#include <rill/nn/data/split.hpp>

namespace rill::nn::data {
namespace {

using Indices = std::vector<std::int64_t>;

std::int64_t rounded(double share, std::int64_t count) {
  return static_cast<std::int64_t>(std::floor(share * static_cast<double>(count) + 0.5));
}

// The samples of every class that has some, lower labels first, each in a random order of its own.
std::vector<Indices> shuffled_classes(const Dataset& dataset, std::uint64_t seed) {
  std::map<std::int64_t, Indices> samples;  // labels may lie far apart
  constexpr std::int64_t chunk = 1000;
  for (std::int64_t begin = 0; begin < dataset.size(); begin += chunk) {
    const Samples part = dataset.range(begin, std::min(begin + chunk, dataset.size()));
    std::int64_t index = begin;
    for (const std::int64_t label : part.y.data<std::int64_t>()) samples[label].push_back(index++);
  }
  std::vector<Indices> classes;
  for (const auto& [label, ordered] : samples) {
    const Stream stream(seed, Purpose::split, 1, static_cast<std::uint32_t>(label));
    Indices& mixed = classes.emplace_back();
    for (const std::int64_t i : permutation(std::ssize(ordered), stream))
      mixed.push_back(ordered[static_cast<std::size_t>(i)]);
  }
  return classes;
}

// How many samples each class gives, `total` together: the whole parts of its share, and one more where the rest is
// largest; of equal rests the lower class goes first.
Indices class_counts(const std::vector<Indices>& classes, double share, std::int64_t total) {
  Indices counts, order(classes.size());
  std::vector<double> rests;
  for (const Indices& samples : classes) {
    const double exact = share * static_cast<double>(samples.size());
    counts.push_back(static_cast<std::int64_t>(exact));
    rests.push_back(exact - std::floor(exact));
    total -= counts.back();
  }
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return rests[static_cast<std::size_t>(a)] > rests[static_cast<std::size_t>(b)];
  });
  for (std::size_t i = 0; i < order.size() && total > 0; ++i) {
    const auto label = static_cast<std::size_t>(order[i]);
    if (counts[label] == std::ssize(classes[label])) continue;
    ++counts[label];
    --total;
  }
  return counts;
}

Indices draw_stratified(const Dataset& dataset, const SplitOptions& options, std::int64_t total) {
  const std::vector<Indices> classes = shuffled_classes(dataset, options.seed);
  const Indices counts = class_counts(classes, options.validation, total);
  Indices drawn;
  for (std::size_t label = 0; label < classes.size(); ++label)
    drawn.insert(drawn.end(), classes[label].begin(), classes[label].begin() + counts[label]);
  return drawn;
}

}  // namespace

Subset::Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  RILL_CHECK(dataset_ != nullptr, "subset: dataset is null, expected a dataset");
  RILL_CHECK(!indices_.empty(), "subset: there are 0 indices, expected at least 1");
  const std::int64_t count = dataset_->size();
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    RILL_CHECK(indices_[i] >= 0 && indices_[i] < count, "subset: index ", i, " is ", indices_[i],
               ", expected 0 to ", count - 1);
  }
}

void Subset::gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const {
  check_gather("subset", indices, x, y);
  // A tensor, because its block comes out of the pool.
  Tensor scratch = empty({std::ssize(indices)}, DType::i64);
  const std::span<std::int64_t> inner = scratch.mutable_data<std::int64_t>();
  for (std::size_t i = 0; i < indices.size(); ++i) inner[i] = indices_[static_cast<std::size_t>(indices[i])];
  dataset_->gather(inner, x, y);
}

Split split(std::shared_ptr<const Dataset> dataset, SplitOptions options) {
  RILL_CHECK(dataset != nullptr, "split: dataset is null, expected a dataset");
  const double share = options.validation;
  RILL_CHECK(share > 0 && share < 1, "split: validation is ", share,
             ", expected a share between 0 and 1, both excluded");
  const std::int64_t size = dataset->size(), count = rounded(share, size);
  RILL_CHECK(count > 0 && count < size, "split: validation ", share, " of ", size, " samples leaves ",
             size - count, " for training and ", count, " for validation, expected at least 1 in each");
  RILL_CHECK(!options.stratified || dataset->classes() > 0,
             "split: targets are numbers, expected labels for a stratified split");
  Indices drawn;
  if (options.stratified) {
    drawn = draw_stratified(*dataset, options, count);
  } else {
    drawn = permutation(size, Stream(options.seed, Purpose::split));
    drawn.resize(static_cast<std::size_t>(count));
  }
  std::sort(drawn.begin(), drawn.end());
  Indices all(static_cast<std::size_t>(size)), rest;
  std::iota(all.begin(), all.end(), 0);
  std::set_difference(all.begin(), all.end(), drawn.begin(), drawn.end(), std::back_inserter(rest));
  return {std::make_shared<Subset>(dataset, std::move(rest)),
          std::make_shared<Subset>(std::move(dataset), std::move(drawn))};
}

}  // namespace rill::nn::data
