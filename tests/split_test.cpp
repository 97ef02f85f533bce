// Subset and split.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/random.hpp>
#include <rill/nn/data/loader.hpp>
#include <rill/nn/data/split.hpp>

namespace {

using namespace rill;
using namespace rill::nn::data;
using Indices = std::vector<std::int64_t>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

// Sample i is the number i; its label is labels[i].
std::shared_ptr<TensorDataset> numbered(const Indices& labels) {
  const std::int64_t n = std::ssize(labels);
  Tensor x = empty({n, 1});
  std::iota(x.mutable_data<float>().begin(), x.mutable_data<float>().end(), 0.0F);
  return std::make_shared<TensorDataset>(x, tensor(std::span(labels), Shape{n}));
}

std::shared_ptr<TensorDataset> numbered(std::int64_t n) {
  return numbered(Indices(static_cast<std::size_t>(n)));
}

std::shared_ptr<TensorDataset> regression(std::int64_t n) {
  return std::make_shared<TensorDataset>(zeros({n, 2}), zeros({n, 3}));
}

Indices indices_of(const Subset& subset) { return {subset.indices().begin(), subset.indices().end()}; }

Indices both_parts(const Split& parts) {
  Indices all = indices_of(*parts.train);
  all.insert(all.end(), parts.validation->indices().begin(), parts.validation->indices().end());
  std::sort(all.begin(), all.end());
  return all;
}

Indices counting(std::int64_t n) {
  Indices all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST_CASE("dataset: a range of samples comes in order, and one that there is not is refused") {
  const nn::data::TensorDataset set(tensor({{1}, {2}, {3}}), tensor({0, 1, 0}, DType::i64));
  const nn::data::Samples part = set.range(1, 3);
  CHECK(part.x.shape() == Shape{2, 1});
  CHECK(part.x.at({0, 0}) == 2);
  CHECK(part.y.at({1}) == 0);
  CHECK_THROWS_WITH_AS(set.range(2, 4), "range: samples 2 to 4, expected a range within 0 to 3", Error);
  CHECK_THROWS_WITH_AS(set.range(-1, 1), "range: samples -1 to 1, expected a range within 0 to 3", Error);
  CHECK_THROWS_WITH_AS(set.range(2, 1), "range: samples 2 to 1, expected a range within 0 to 3", Error);
}

TEST_CASE("subset: samples and labels are those of the indices, in their order and also twice") {
  const auto whole = numbered(Indices{5, 6, 7, 8});
  const Subset part(whole, {3, 0, 3});
  CHECK(part.size() == 3);
  CHECK(part.sample_shape() == Shape{1});
  CHECK(part.classes() == 9);
  Tensor x = empty({2, 1}), y = empty({2}, DType::i64);
  part.gather(Indices{2, 1}, x, y);
  CHECK(x.data<float>()[0] == 3);
  CHECK(x.data<float>()[1] == 0);
  CHECK(y.data<std::int64_t>()[0] == 8);
  CHECK(y.data<std::int64_t>()[1] == 5);
}

TEST_CASE("subset: a part of a part counts in that part") {
  const auto middle = std::make_shared<Subset>(numbered(10), Indices{9, 7, 5, 3});
  const Subset part(middle, {1, 3});
  Tensor x = empty({2, 1}), y = empty({2}, DType::i64);
  part.gather(Indices{0, 1}, x, y);
  CHECK(x.data<float>()[0] == 7);
  CHECK(x.data<float>()[1] == 3);
}

TEST_CASE("subset: targets that are numbers keep their shape") {
  const Subset part(regression(4), {1});
  CHECK(part.classes() == 0);
  CHECK(part.target_shape() == Shape{3});
}

TEST_CASE("subset: no dataset, no indices, and indices outside are refused") {
  CHECK_ERROR(Subset(nullptr, {0}), "subset: dataset is null, expected a dataset");
  CHECK_ERROR(Subset(numbered(3), {}), "subset: there are 0 indices, expected at least 1");
  CHECK_ERROR(Subset(numbered(3), {0, 3}), "subset: index 1 is 3, expected 0 to 2");
  CHECK_ERROR(Subset(numbered(3), {-1}), "subset: index 0 is -1, expected 0 to 2");
}

TEST_CASE("subset: gather refuses indices outside of the part") {
  const Subset part(numbered(5), {4, 3});
  Tensor x = zeros({1, 1}), y = zeros({1}, DType::i64);
  CHECK_ERROR(part.gather(Indices{2}, x, y), "subset: index 0 is 2, expected 0 to 1");
}

TEST_CASE("subset: a warm epoch over a part takes nothing from the system") {
  const Loader loader(std::make_shared<Subset>(numbered(100), counting(64)), {.batch_size = 16});
  const auto run = [&] {
    for (const Batch& batch : loader.epoch(0)) CHECK(batch.x.defined());
  };
  run();
  const auto before = memory::stats().system_allocations;
  run();
  CHECK(memory::stats().system_allocations == before);
}

TEST_CASE("split: every sample is in one part, and the share is rounded to whole samples") {
  for (const double share : {0.01, 0.2, 0.25, 0.5, 0.985}) {
    const Split parts = split(numbered(103), {.validation = share, .seed = 5});
    CHECK(both_parts(parts) == counting(103));
    CHECK(parts.validation->size() == static_cast<std::int64_t>(share * 103 + 0.5));
  }
}

TEST_CASE("split: validation is the start of the permutation of (seed, split)") {
  const Split parts = split(numbered(50), {.validation = 0.2, .seed = 9});
  Indices expected = permutation(50, Stream(9, Purpose::split));
  expected.resize(10);
  std::sort(expected.begin(), expected.end());
  CHECK(indices_of(*parts.validation) == expected);
}

TEST_CASE("split: the same seed draws the same parts, another one others") {
  const auto draw = [](std::uint64_t seed, bool stratified) {
    return indices_of(*split(numbered(100), {.seed = seed, .stratified = stratified}).validation);
  };
  for (const bool stratified : {false, true}) {
    CHECK(draw(1, stratified) == draw(1, stratified));
    CHECK(draw(1, stratified) != draw(2, stratified));
  }
}

TEST_CASE("split: both parts keep the dataset's order") {
  const Split parts = split(numbered(40), {});
  CHECK(std::is_sorted(parts.train->indices().begin(), parts.train->indices().end()));
  CHECK(std::is_sorted(parts.validation->indices().begin(), parts.validation->indices().end()));
}

TEST_CASE("split: stratified, every class gives its share, and the rests go to the largest") {
  Indices labels;
  // Of 0.1: 5 and 2.5 and 0.7 and 0.3, together 8.5, so 9 samples: 5, 3, 1 and 0.
  for (const auto& [label, count] : {std::pair{0, 50}, {1, 25}, {2, 7}, {3, 3}})
    labels.insert(labels.end(), static_cast<std::size_t>(count), label);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Split parts = split(numbered(labels), {.validation = 0.1, .seed = seed, .stratified = true});
    CHECK(both_parts(parts) == counting(85));
    Indices counts(4);
    for (const std::int64_t i : parts.validation->indices())
      ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
    CHECK(counts == Indices{5, 3, 1, 0});
  }
}

TEST_CASE("split: stratified, labels may lie far apart") {
  const std::int64_t far = 1'000'000'000'000'000;
  const auto whole = numbered(Indices{0, far, far, 0, 0, far, far, 0});
  const Split parts = split(whole, {.validation = 0.5, .stratified = true});
  const auto labels = parts.validation->all().y;
  CHECK(std::ranges::count(labels.data<std::int64_t>(), far) == 2);
  CHECK(both_parts(parts) == counting(8));
}

TEST_CASE("subset: all() copies its samples and targets, in its order") {
  const auto [x, y] = Subset(numbered(Indices{5, 6, 7, 8}), {3, 0, 3}).all();
  CHECK(x.shape() == Shape{3, 1});
  CHECK(std::ranges::equal(x.data<float>(), std::vector<float>{3, 0, 3}));
  CHECK(std::ranges::equal(y.data<std::int64_t>(), Indices{8, 5, 8}));
}

TEST_CASE("subset: all() of a regression has targets that are numbers") {
  const auto [x, y] = Subset(regression(4), {1, 2}).all();
  CHECK(x.shape() == Shape{2, 2});
  CHECK(y.dtype() == DType::f32);
  CHECK(y.shape() == Shape{2, 3});
}

TEST_CASE("tensor_dataset: a label after which classes cannot be counted is refused") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK(numbered(Indices{0, most - 1})->classes() == most);
  CHECK_ERROR(
      numbered(Indices{0, most}),
      "tensor_dataset: label 1 is 9223372036854775807, expected less than that, so that the classes can "
      "be counted");
}

TEST_CASE("split: shares and datasets that cannot be split are refused") {
  CHECK_ERROR(split(nullptr, {}), "split: dataset is null, expected a dataset");
  for (const double share : {0.0, 1.0, -0.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(split(numbered(10), {.validation = share}), Error);
  CHECK_ERROR(split(numbered(10), {.validation = 1.5}),
              "split: validation is 1.5, expected a share between 0 and 1, both excluded");
  CHECK_ERROR(
      split(numbered(3), {.validation = 0.1}),
      "split: validation 0.1 of 3 samples leaves 3 for training and 0 for validation, expected at least 1 "
      "in each");
  CHECK_ERROR(
      split(numbered(3), {.validation = 0.9}),
      "split: validation 0.9 of 3 samples leaves 0 for training and 3 for validation, expected at least 1 "
      "in each");
  CHECK_ERROR(split(regression(10), {.stratified = true}),
              "split: targets are numbers, expected labels for a stratified split");
}

}  // namespace
