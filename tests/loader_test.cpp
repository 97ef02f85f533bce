// nn/data: datasets, the loader, and MNIST's files.

#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/augment.hpp>
#include <rill/nn/data/dataset.hpp>
#include <rill/nn/data/loader.hpp>
#include <rill/nn/data/mnist.hpp>

namespace {

using namespace rill;
using namespace rill::nn::data;
using Indices = std::vector<std::int64_t>;
using Bytes = std::vector<std::uint8_t>;

// n images of rows x cols; pixel k of image i is (7 i + 3 k) mod 256, its label i mod 10.
std::shared_ptr<ImageDataset> striped(std::int64_t n, std::int64_t rows, std::int64_t cols,
                                      ImageOptions options = {}) {
  Bytes pixels;
  Indices labels;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < rows * cols; ++k) pixels.push_back(static_cast<std::uint8_t>(7 * i + 3 * k));
    labels.push_back(i % 10);
  }
  return std::make_shared<ImageDataset>(pixels, labels, rows, cols, 10, options);
}

// One value a sample: its own number, also as the label.
std::shared_ptr<TensorDataset> counting(std::int64_t n) {
  Tensor x = empty({n, 1}), y = empty({n}, DType::i64);
  for (std::int64_t i = 0; i < n; ++i) {
    x.mutable_data<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i);
    y.mutable_data<std::int64_t>()[static_cast<std::size_t>(i)] = i;
  }
  return std::make_shared<TensorDataset>(x, y);
}

Indices labels_of(const Tensor& y) {
  const auto data = y.data<std::int64_t>();
  return {data.begin(), data.end()};
}

std::vector<Indices> batches_of(Epoch epoch) {
  std::vector<Indices> result;
  for (const Batch& batch : epoch) {
    CHECK(batch.index == std::ssize(result));
    result.push_back(labels_of(batch.y));
  }
  return result;
}

Indices order_of(const Loader& loader, std::int64_t epoch) {
  Indices order;
  for (const Batch& batch : loader.epoch(epoch))
    for (const std::int64_t label : batch.y.data<std::int64_t>()) order.push_back(label);
  return order;
}

// --- datasets --------------------------------------------------------------------------------------------------------

TEST_CASE("image_dataset: a pixel becomes pixel / 255, correctly rounded") {
  const auto set = striped(256, 1, 1);
  Indices indices(256);
  for (std::size_t i = 0; i < 256; ++i) indices[i] = static_cast<std::int64_t>(i);
  Tensor x = empty({256, 1, 1}), y = empty({256}, DType::i64);
  set->gather(indices, x, y);
  for (std::size_t i = 0; i < 256; ++i)
    CHECK(x.data<float>()[i] == static_cast<float>(static_cast<double>(set->pixels()[i]) / 255));
}

TEST_CASE("image_dataset: scale, mean and std are applied as (pixel * scale - mean) / std") {
  for (const ImageOptions options : {ImageOptions{.mean = 0.1307, .std = 0.3081}, ImageOptions{.scale = 1},
                                     ImageOptions{.scale = -0.5, .mean = 3, .std = 2}}) {
    const auto set = striped(2, 3, 4, options);
    Tensor x = empty({1, 3, 4}), y = empty({1}, DType::i64);
    set->gather(Indices{1}, x, y);
    for (std::size_t k = 0; k < 12; ++k) {
      const double expected = (set->image(1)[k] * options.scale - options.mean) / options.std;
      CHECK(std::abs(x.data<float>()[k] - expected) <= 3e-7 * std::max(1.0, std::abs(expected)));
    }
  }
}

TEST_CASE("image_dataset: gather takes samples in the order asked, also twice") {
  const auto set = striped(30, 2, 3);
  Tensor x = empty({4, 2, 3}), y = empty({4}, DType::i64);
  set->gather(Indices{29, 0, 12, 12}, x, y);
  CHECK(labels_of(y) == Indices{9, 0, 2, 2});
  for (std::size_t k = 0; k < 6; ++k) {
    CHECK(x.data<float>()[k] == static_cast<float>(set->image(29)[k]) / 255);
    CHECK(x.data<float>()[6 + k] == static_cast<float>(set->image(0)[k]) / 255);
    CHECK(x.data<float>()[12 + k] == static_cast<float>(set->image(12)[k]) / 255);
    CHECK(x.data<float>()[18 + k] == x.data<float>()[12 + k]);
  }
}

TEST_CASE("threads: gather writes the same bits for 1, 2 and 3 threads") {
  const int before = num_threads();
  const auto set = striped(300, 28, 28, {.mean = 0.1307, .std = 0.3081});
  Indices indices(1100);  // enough for three threads
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i * 7 % 300);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Tensor x = empty({1100, 28, 28}), y = empty({1100}, DType::i64);
    set->gather(indices, x, y);
    const auto data = x.data<float>();
    if (threads == 1) first.assign(data.begin(), data.end());
    CHECK(std::equal(data.begin(), data.end(), first.begin(), first.end()));
  }
  set_num_threads(before);
}

TEST_CASE("threads: several threads may gather from one dataset") {
  const auto set = striped(100, 8, 8);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (std::int64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Tensor x = empty({2, 8, 8}), y = empty({2}, DType::i64);
      for (std::int64_t i = 0; i < 50; ++i) {
        set->gather(Indices{t + i, i}, x, y);
        if (labels_of(y) == Indices{(t + i) % 10, i % 10}) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 150);
}

TEST_CASE("image_dataset: sizes, labels and options that do not fit are refused") {
  const auto make = [](std::size_t pixels, Indices labels, std::int64_t rows, std::int64_t cols,
                       std::int64_t classes, ImageOptions options = {}) {
    ImageDataset(Bytes(pixels), std::move(labels), rows, cols, classes, options);
  };
  CHECK_THROWS_WITH_AS(make(0, {}, 2, 2, 10), "image_dataset: there are 0 images, expected at least 1",
                       Error);
  CHECK_THROWS_WITH_AS(make(0, {1}, 0, 2, 10), "image_dataset: images are 0 x 2, expected at least 1 x 1",
                       Error);
  CHECK_THROWS_WITH_AS(make(7, {1, 2}, 2, 2, 10),
                       "image_dataset: there are 7 pixels, expected 8 for [2, 2, 2]", Error);
  CHECK_THROWS_WITH_AS(make(4, {0}, 2, 2, 0), "image_dataset: classes is 0, expected at least 1", Error);
  CHECK_THROWS_WITH_AS(make(8, {0, 3}, 2, 2, 3), "image_dataset: label 1 is 3, expected 0 to 2", Error);
  CHECK_THROWS_WITH_AS(make(4, {-1}, 2, 2, 3), "image_dataset: label 0 is -1, expected 0 to 2", Error);
  CHECK_THROWS_WITH_AS(make(4, {0}, 2, 2, 1, {.scale = 0}),
                       "image_dataset: scale is 0, expected a number other than 0", Error);
  CHECK_THROWS_WITH_AS(make(4, {0}, 2, 2, 1, {.mean = std::numeric_limits<double>::infinity()}),
                       "image_dataset: mean is inf, expected a finite number", Error);
  CHECK_THROWS_WITH_AS(make(4, {0}, 2, 2, 1, {.std = 0}),
                       "image_dataset: std is 0, expected a number above 0", Error);
  CHECK_THROWS_WITH_AS(make(4, {0}, 2, 2, 1, {.scale = 1e-300, .mean = 1}),
                       "image_dataset: scale 1e-300, mean 1 and std 1 leave the range of f32, expected "
                       "mean / scale and std / scale inside it",
                       Error);
}

TEST_CASE("image_dataset: an index outside the set is refused") {
  const auto set = striped(5, 2, 2);
  CHECK_THROWS_WITH_AS(set->image(5), "image_dataset: index is 5, expected 0 to 4", Error);
  CHECK_THROWS_WITH_AS(set->image(-1), "image_dataset: index is -1, expected 0 to 4", Error);
}

TEST_CASE("gather: tensors and indices that do not fit are refused, and nothing is written") {
  const auto set = striped(5, 2, 2);
  Tensor x = zeros({2, 2, 2}), y = zeros({2}, DType::i64);
  const auto gather = [&](Tensor& to_x, Tensor& to_y, Indices indices) { set->gather(indices, to_x, to_y); };
  CHECK_THROWS_WITH_AS(gather(x, y, {1, 2, 3}), "image_dataset: x is f32 [2, 2, 2], expected f32 [3, 2, 2]",
                       Error);
  Tensor wide = zeros({2, 2, 2}, DType::f64), long_y = zeros({3}, DType::i64), float_y = zeros({2});
  CHECK_THROWS_WITH_AS(gather(wide, y, {1, 2}), "image_dataset: x is f64 [2, 2, 2], expected f32 [2, 2, 2]",
                       Error);
  CHECK_THROWS_WITH_AS(gather(x, long_y, {1, 2}), "image_dataset: y is i64 [3], expected i64 [2]", Error);
  CHECK_THROWS_WITH_AS(gather(x, float_y, {1, 2}), "image_dataset: y is f32 [2], expected i64 [2]", Error);
  CHECK_THROWS_WITH_AS(gather(x, y, {1, 5}), "image_dataset: index 1 is 5, expected 0 to 4", Error);
  CHECK_THROWS_WITH_AS(gather(x, y, {-2, 1}), "image_dataset: index 0 is -2, expected 0 to 4", Error);
  CHECK(labels_of(y) == Indices{0, 0});
  for (const float value : x.data<float>()) CHECK(value == 0);
}

TEST_CASE("tensor_dataset: rows and labels come as they are") {
  const TensorDataset set(tensor({{1, 2}, {3, 4}, {5, 6}}), tensor({2, 0, 1}, DType::i64));
  CHECK(set.size() == 3);
  CHECK(set.sample_shape() == Shape{2});
  CHECK(set.classes() == 3);
  Tensor x = empty({2, 2}), y = empty({2}, DType::i64);
  set.gather(Indices{2, 0}, x, y);
  CHECK(std::vector<float>(x.data<float>().begin(), x.data<float>().end()) == std::vector<float>{5, 6, 1, 2});
  CHECK(labels_of(y) == Indices{1, 2});
}

TEST_CASE("tensor_dataset: samples may be single numbers, and classes without a sample may exist") {
  const TensorDataset set(tensor({1, 2}), tensor({0, 0}, DType::i64), 4);
  CHECK(set.sample_shape() == Shape{});
  CHECK(set.classes() == 4);
  CHECK(set.batch_shape(7) == Shape{7});
}

TEST_CASE("tensor_dataset: targets may be numbers of any shape, and then there are no classes") {
  const TensorDataset set(tensor({1, 2, 3}), tensor({{10, 11}, {20, 21}, {30, 31}}));
  CHECK(set.classes() == 0);
  CHECK(set.target_dtype() == DType::f32);
  CHECK(set.target_shape() == Shape{2});
  Tensor x = empty({2}), y = empty({2, 2});
  set.gather(Indices{2, 0}, x, y);
  CHECK(std::vector<float>(y.data<float>().begin(), y.data<float>().end()) ==
        std::vector<float>{30, 31, 10, 11});
  Tensor labels = empty({2}, DType::i64);
  CHECK_THROWS_WITH_AS(set.gather(Indices{2, 0}, x, labels),
                       "tensor_dataset: y is i64 [2], expected f32 [2, 2]", Error);
}

TEST_CASE("loader: batches of a regression hold numbers") {
  const auto set = std::make_shared<TensorDataset>(zeros({5, 4}), ones({5, 3}));
  for (const Batch& batch : Loader(set, {.batch_size = 2}).epoch(0)) {
    CHECK(batch.y.dtype() == DType::f32);
    CHECK(batch.y.shape() == Shape{batch.index == 2 ? 1 : 2, 3});
    CHECK(batch.y.data<float>()[0] == 1);
  }
}

TEST_CASE("loader: transforms that the samples do not fit are refused at once") {
  CHECK_THROWS_WITH_AS(
      Loader(counting(3), {.batch_size = 1, .transforms = {std::make_shared<Shift>(ShiftOptions{})}}),
      "shift: samples are [1], expected images [rows, cols] or [channels, rows, cols]", Error);
}

TEST_CASE("tensor_dataset: tensors that do not fit are refused") {
  const Tensor labels = tensor({0, 1}, DType::i64);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}, DType::f64), labels),
                       "tensor_dataset: x is f64 [2, 3], expected f32 with the samples along dimension 0",
                       Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({}), labels),
                       "tensor_dataset: x is f32 [], expected f32 with the samples along dimension 0", Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({0, 3}), zeros({0}, DType::i64)),
                       "tensor_dataset: x is [0, 3], expected at least 1 sample with 1 element", Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({3, 3}), labels),
                       "tensor_dataset: y is i64 [2], expected i64 [3] or f32 [3, ...] for x [3, 3]", Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}), zeros({2, 1}, DType::i64)),
                       "tensor_dataset: y is i64 [2, 1], expected i64 [2] or f32 [2, ...] for x [2, 3]",
                       Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}), zeros({2}, DType::f64)),
                       "tensor_dataset: y is f64 [2], expected i64 [2] or f32 [2, ...] for x [2, 3]", Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}), zeros({2, 0})),
                       "tensor_dataset: y is f32 [2, 0], expected i64 [2] or f32 [2, ...] for x [2, 3]",
                       Error);
  CHECK_THROWS_WITH_AS(
      TensorDataset(zeros({2, 3}), zeros({2}), 2),
      "tensor_dataset: classes is 2 and y is f32 [2], expected labels in i64, or no classes for "
      "a regression",
      Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}), tensor({0, -1}, DType::i64)),
                       "tensor_dataset: label 1 is -1, expected 0 or more", Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}), labels, 1),
                       "tensor_dataset: label 1 is 1, expected 0 to 0", Error);
  CHECK_THROWS_WITH_AS(TensorDataset(zeros({2, 3}), labels, 0),
                       "tensor_dataset: classes is 0, expected at least 1", Error);
}

// --- the loader ------------------------------------------------------------------------------------------------------

TEST_CASE("loader: without shuffling samples come in order, the rest in a smaller batch") {
  const Loader loader(counting(7), {.batch_size = 3});
  CHECK(loader.batches() == 3);
  CHECK(batches_of(loader.epoch(0)) == std::vector<Indices>{{0, 1, 2}, {3, 4, 5}, {6}});
}

TEST_CASE("loader: drop_last leaves out a batch that is not full, and only that") {
  const Loader seven(counting(7), {.batch_size = 3, .drop_last = true});
  CHECK(seven.batches() == 2);
  CHECK(batches_of(seven.epoch(0)) == std::vector<Indices>{{0, 1, 2}, {3, 4, 5}});
  const Loader six(counting(6), {.batch_size = 3, .drop_last = true});
  CHECK(batches_of(six.epoch(0)) == std::vector<Indices>{{0, 1, 2}, {3, 4, 5}});
}

TEST_CASE("loader: a batch may be larger than the set") {
  CHECK(batches_of(Loader(counting(2), {.batch_size = 100}).epoch(0)) == std::vector<Indices>{{0, 1}});
}

TEST_CASE("loader: batches have the dataset's sample shape, and x belongs to y") {
  const Loader images(striped(5, 2, 3), {.batch_size = 4});
  for (const Batch& batch : images.epoch(0)) CHECK(batch.x.shape() == Shape{batch.index == 0 ? 4 : 1, 2, 3});
  const Loader numbers(counting(50), {.batch_size = 8, .shuffle = true});
  for (const Batch& batch : numbers.epoch(3))
    for (std::size_t i = 0; i < batch.y.data<std::int64_t>().size(); ++i)
      CHECK(batch.x.data<float>()[i] == static_cast<float>(batch.y.data<std::int64_t>()[i]));
}

TEST_CASE("loader: the order of an epoch is the permutation of (seed, shuffle, epoch)") {
  const Loader loader(counting(100), {.batch_size = 9, .shuffle = true, .seed = 21});
  CHECK(order_of(loader, 4) == permutation(100, Stream(21, Purpose::shuffle, 4)));
}

TEST_CASE("loader: the order does not depend on epochs before or on the batch size, but on epoch and seed") {
  const auto set = counting(100);
  const Loader loader(set, {.batch_size = 9, .shuffle = true, .seed = 21});
  const Loader larger(set, {.batch_size = 50, .shuffle = true, .seed = 21});
  const Loader other(set, {.batch_size = 9, .shuffle = true, .seed = 22});
  const Indices fifth = order_of(loader, 5);
  CHECK(order_of(loader, 6) != fifth);
  CHECK(order_of(loader, 5) == fifth);
  CHECK(order_of(larger, 5) == fifth);
  CHECK(order_of(other, 5) != fifth);
}

TEST_CASE("loader: a batch that was kept is not overwritten by the next") {
  const Loader loader(counting(6), {.batch_size = 2});
  std::vector<Batch> kept;
  for (const Batch& batch : loader.epoch(0)) kept.push_back(batch);
  REQUIRE(kept.size() == 3);
  CHECK(labels_of(kept[0].y) == Indices{0, 1});
  CHECK(labels_of(kept[1].y) == Indices{2, 3});
  CHECK(labels_of(kept[2].y) == Indices{4, 5});
}

TEST_CASE("loader: keeps its dataset alive, and so does an epoch") {
  auto set = counting(2);
  const std::weak_ptr<TensorDataset> watch = set;
  std::optional<Epoch> epoch = Loader(std::move(set), {.batch_size = 2}).epoch(0);
  CHECK(batches_of(std::move(*epoch)) == std::vector<Indices>{{0, 1}});
  epoch.reset();
  CHECK(watch.expired());
}

TEST_CASE("loader: a warm epoch takes nothing from the system but its order") {
  const Loader loader(striped(640, 28, 28), {.batch_size = 64, .shuffle = true});
  const auto run = [&](std::int64_t epoch) {
    double sum = 0;
    for (const Batch& batch : loader.epoch(epoch)) sum += batch.x.data<float>()[0];
    return sum;
  };
  CHECK(run(0) > 0);
  const auto before = memory::stats().system_allocations;
  CHECK(run(1) > 0);
  CHECK(memory::stats().system_allocations == before);
}

TEST_CASE("loader: options and epochs that make no sense are refused") {
  const auto make = [](std::shared_ptr<const Dataset> set, LoaderOptions options) { Loader(set, options); };
  CHECK_THROWS_WITH_AS(make(nullptr, {.batch_size = 1}), "loader: dataset is null, expected a dataset",
                       Error);
  CHECK_THROWS_WITH_AS(make(counting(3), {}), "loader: batch_size is 0, expected at least 1", Error);
  CHECK_THROWS_WITH_AS(make(counting(3), {.batch_size = -4}), "loader: batch_size is -4, expected at least 1",
                       Error);
  CHECK_THROWS_WITH_AS(make(counting(3), {.batch_size = 4, .drop_last = true}),
                       "loader: drop_last leaves no batch of 4 from 3 samples, expected at least one; lower "
                       "batch_size or keep the last batch",
                       Error);
  const Loader loader(counting(3), {.batch_size = 2});
  CHECK_THROWS_WITH_AS(loader.epoch(-1), "loader: epoch is -1, expected 0 to 4294967295", Error);
  CHECK_THROWS_WITH_AS(loader.epoch(std::int64_t{1} << 32),
                       "loader: epoch is 4294967296, expected 0 to 4294967295", Error);
}

// --- MNIST's files ---------------------------------------------------------------------------------------------------

class Folder {
 public:
  Folder() {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("rill_loader_test_" + std::to_string(getpid()) + "_" + std::to_string(number++));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path() const { return path_.string(); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

  void write(const std::string& name, const Bytes& bytes) const {
    std::ofstream(file(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }
  void write_packed(const std::string& name, const Bytes& bytes) const {
    gzFile out = gzopen(file(name).c_str(), "wb");
    REQUIRE(gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())) ==
            static_cast<int>(bytes.size()));
    REQUIRE(gzclose(out) == Z_OK);
  }

 private:
  std::filesystem::path path_;
};

// An IDX file of unsigned bytes with small sizes.
Bytes idx(const std::vector<std::uint8_t>& sizes, const Bytes& elements) {
  Bytes file{0, 0, 8, static_cast<std::uint8_t>(sizes.size())};
  for (const std::uint8_t size : sizes) file.insert(file.end(), {0, 0, 0, size});
  file.insert(file.end(), elements.begin(), elements.end());
  return file;
}

const Bytes two_images = idx({2, 2, 3}, {0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255});
const Bytes two_labels = idx({2}, {7, 9});

// Sets a variable, or unsets it for null, until the end of the scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) { value ? setenv(name_, value, 1) : unsetenv(name_); }
  const char* name_;
  std::optional<std::string> before_;
};

TEST_CASE("load_mnist: reads plain and packed files") {
  const Folder folder;
  folder.write("train-images-idx3-ubyte", two_images);
  folder.write_packed("train-labels-idx1-ubyte.gz", two_labels);
  const auto set = load_mnist(folder.path(), true, {.mean = 0.5});
  CHECK(set->size() == 2);
  CHECK(set->sample_shape() == Shape{2, 3});
  CHECK(set->classes() == 10);
  CHECK(set->options().mean == 0.5);
  CHECK(Indices(set->labels().begin(), set->labels().end()) == Indices{7, 9});
  CHECK(Bytes(set->pixels().begin(), set->pixels().end()) ==
        Bytes(two_images.begin() + 16, two_images.end()));
}

TEST_CASE("load_mnist: the test set has names of its own, and a plain file goes before a packed one") {
  const Folder folder;
  folder.write("t10k-images-idx3-ubyte", two_images);
  folder.write("t10k-labels-idx1-ubyte", two_labels);
  folder.write_packed("t10k-labels-idx1-ubyte.gz", idx({2}, {1, 2}));
  CHECK(load_mnist(folder.path(), false)->labels()[0] == 7);
}

TEST_CASE("load_mnist: names the files that are missing, and the folder") {
  const Folder folder;
  const std::string start = "load_mnist: folder \"" + folder.path() + "\" has no ";
  const std::string end =
      ", expected each there, plain or as .gz; fetch them with tools/fetch_mnist.sh or set RILL_DATA to the "
      "folder "
      "that holds them";
  const auto text = [&](const std::string& names) { return start + names + end; };
  CHECK_THROWS_WITH_AS(load_mnist(folder.path(), true),
                       text("train-images-idx3-ubyte and train-labels-idx1-ubyte").c_str(), Error);
  CHECK_THROWS_WITH_AS(load_mnist(folder.path(), false),
                       text("t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte").c_str(), Error);
  folder.write("train-images-idx3-ubyte", two_images);
  CHECK_THROWS_WITH_AS(load_mnist(folder.path(), true), text("train-labels-idx1-ubyte").c_str(), Error);
  folder.write("t10k-labels-idx1-ubyte.gz", two_labels);
  CHECK_THROWS_WITH_AS(load_mnist(folder.path(), false), text("t10k-images-idx3-ubyte").c_str(), Error);
}

TEST_CASE("load_mnist: counts, ranks and labels that do not fit are refused, naming the file") {
  const Folder folder;
  const std::string images = folder.file("train-images-idx3-ubyte"),
                    labels = folder.file("train-labels-idx1-ubyte");
  const auto refused = [&](const Bytes& image_file, const Bytes& label_file, const std::string& text) {
    folder.write("train-images-idx3-ubyte", image_file);
    folder.write("train-labels-idx1-ubyte", label_file);
    CHECK_THROWS_WITH_AS(load_mnist(folder.path(), true), text.c_str(), Error);
  };
  refused(two_images, idx({3}, {1, 2, 3}),
          labels + ": there are 3 labels, expected 2 as there are images in " + images);
  refused(two_images, idx({2}, {9, 10}), labels + ": label 1 is 10, expected 0 to 9");
  refused(idx({2, 1}, {1, 2}), two_labels,
          images + ": data is u8 [2, 1], expected u8 [images, rows, cols] that is not empty");
  refused(two_images, idx({2, 1}, {1, 2}),
          labels + ": data is u8 [2, 1], expected u8 [labels] that is not empty");
  refused(idx({0, 2, 2}, {}), two_labels,
          images + ": data is u8 [0, 2, 2], expected u8 [images, rows, cols] that is not empty");
  refused({0, 0, 9, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 5}, two_labels,
          images + ": data is i8 [1, 1, 1], expected u8 [images, rows, cols] that is not empty");
}

TEST_CASE("has_mnist: wants all four files") {
  const Folder folder;
  CHECK_FALSE(has_mnist(folder.path()));
  CHECK_FALSE(has_mnist(folder.file("nowhere")));
  folder.write("train-images-idx3-ubyte", two_images);
  folder.write("train-labels-idx1-ubyte.gz", two_labels);
  folder.write("t10k-images-idx3-ubyte", two_images);
  CHECK_FALSE(has_mnist(folder.path()));
  folder.write("t10k-labels-idx1-ubyte", two_labels);
  CHECK(has_mnist(folder.path()));
}

TEST_CASE("find_mnist: RILL_DATA goes first, also where nothing is; then a complete data/mnist") {
  const Folder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  {
    const Variable unset("RILL_DATA", nullptr);
    CHECK(find_mnist() == "");
    std::filesystem::create_directories("data/mnist");
    CHECK(find_mnist() == "");
    for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                             "t10k-labels-idx1-ubyte"})
      folder.write(std::string("data/mnist/") + name, two_labels);
    CHECK(find_mnist() == "data/mnist");
    const Variable set("RILL_DATA", "/no/such/folder");
    CHECK(find_mnist() == "/no/such/folder");
    const Variable empty_value("RILL_DATA", "");
    CHECK(find_mnist() == "data/mnist");
  }
  std::filesystem::current_path(before);
}

}  // namespace
