// Transforms: preprocessing with its fitted values, and augmentation with its geometry, spread and streams.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/augment.hpp>
#include <rill/nn/data/drawn_digits.hpp>
#include <rill/nn/data/loader.hpp>
#include <rill/nn/data/transform.hpp>
#include <rill/nn/data/warp.hpp>

#include "thread_count.hpp"

namespace {

using namespace rill;
using namespace rill::nn::data;
using rill::test::ThreadCount;
using Floats = std::vector<float>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

Floats floats(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <class T, class... Arguments>
std::shared_ptr<const Transform> make(Arguments&&... arguments) {
  return std::make_shared<T>(std::forward<Arguments>(arguments)...);
}

std::shared_ptr<TensorDataset> unlabelled(const Tensor& x) {
  return std::make_shared<TensorDataset>(x, zeros({x.size(0)}, DType::i64));
}

Floats applied(const Transforms& transforms, const Tensor& x) {
  Tensor copy = x.clone();
  apply_transforms(transforms, copy);
  return floats(copy);
}

// --- preprocessing ---------------------------------------------------------------------------------------------------

TEST_CASE("scale: multiplies, rounded once") {
  const Floats scaled = applied({make<Scale>(1.0 / 255)}, tensor({{0, 1, 128}, {254, 255, -51}}));
  CHECK(scaled == Floats{0, static_cast<float>(1 / 255.0), static_cast<float>(128 / 255.0),
                         static_cast<float>(254 / 255.0), 1, static_cast<float>(-51 / 255.0)});
}

TEST_CASE("normalize: is (pixel · scale - mean) / std") {
  const Normalize normalize({.scale = 0.5, .mean = 3, .std = 2});
  Floats pixels{0, 6, 10, 255};
  Stream stream(1, Purpose::user);
  normalize.apply(pixels, Shape{2, 2}, stream);
  CHECK(pixels == Floats{-1.5F, 0, 1, 62.25F});
}

TEST_CASE("standardize: subtracts the mean and divides by std, for each element or for all") {
  const Tensor x = tensor({{1, 20}, {3, 40}});
  CHECK(applied({make<Standardize>(tensor({1, 30}, DType::f64), tensor({2, 10}, DType::f64))}, x) ==
        Floats{0, -1, 1, 1});
  CHECK(applied({make<Standardize>(tensor({2}, DType::f64), tensor({0.5}, DType::f64))}, x) ==
        Floats{-2, 36, 2, 76});
}

TEST_CASE("transforms: are applied in their order") {
  const auto scale = make<Scale>(2.0);
  const auto centre = make<Standardize>(tensor({1}, DType::f64), tensor({1}, DType::f64));
  CHECK(applied({scale, centre}, tensor({{3}})) == Floats{5});
  CHECK(applied({centre, scale}, tensor({{3}})) == Floats{4});
}

TEST_CASE("standardize: fit measures mean and the population's std of every feature") {
  const auto fitted = Standardize::fit(*unlabelled(tensor({{1, 10}, {2, 10}, {3, 40}, {6, 40}})));
  CHECK(std::vector<double>(fitted->mean().begin(), fitted->mean().end()) == std::vector<double>{3, 25});
  CHECK(fitted->std()[0] == doctest::Approx(std::sqrt(3.5)).epsilon(1e-15));
  CHECK(fitted->std()[1] == 15);
}

TEST_CASE("standardize: fit may measure one mean and std for all elements") {
  const auto fitted = Standardize::fit(*unlabelled(tensor({{1, 2}, {3, 6}})), {.per_feature = false});
  REQUIRE(fitted->mean().size() == 1);
  CHECK(fitted->mean()[0] == 3);
  CHECK(fitted->std()[0] == doctest::Approx(std::sqrt(3.5)).epsilon(1e-15));
}

TEST_CASE("standardize: fit keeps the elements that it is told to") {
  const auto data = unlabelled(tensor({{1, 0}, {3, 1}, {5, 0}}));
  CHECK(applied({Standardize::fit(*data, {.keep = {1}})}, tensor({{3, 1}})) == Floats{0, 1});
  CHECK_ERROR(Standardize::fit(*data, {.keep = {2}}),
              "standardize: element 2 of 2 is to be kept, expected one of a sample, and a mean per feature");
  CHECK_ERROR(Standardize::fit(*data, {.per_feature = false, .keep = {0}}),
              "standardize: element 0 of 1 is to be kept, expected one of a sample, and a mean per feature");
}

TEST_CASE("standardize: what fit measured on many samples comes out with mean 0 and std 1") {
  Generator generator(4);
  Tensor x = randn({1300, 3}, generator);
  const auto values = x.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = values[i] * static_cast<float>(1 + i % 3) + 1000.0F * static_cast<float>(i % 3);
  const auto fitted = Standardize::fit(*unlabelled(x));
  const Floats out = applied({fitted}, x);
  for (std::size_t feature = 0; feature < 3; ++feature) {
    double sum = 0, squares = 0;
    for (std::size_t i = feature; i < out.size(); i += 3) {
      sum += out[i];
      squares += out[i] * static_cast<double>(out[i]);
    }
    CHECK(std::abs(sum / 1300) < 1e-6);
    CHECK(std::abs(squares / 1300 - 1) < 1e-6);
  }
}

TEST_CASE("standardize: a feature that never changes becomes 0, whatever its value") {
  Tensor x = empty({700, 2});
  for (std::size_t i = 0; i < 1400; ++i)
    x.mutable_data<float>()[i] = i % 2 == 0 ? 0.1F : static_cast<float>(i);
  const auto fitted = Standardize::fit(*unlabelled(x));
  CHECK(fitted->std()[0] == 1);
  const Floats out = applied({fitted}, x);
  for (std::size_t i = 0; i < out.size(); i += 2) CHECK(out[i] == 0);
}

TEST_CASE("standardize: fit sees what the transforms before it make") {
  const auto fitted = Standardize::fit(*unlabelled(tensor({{2}, {4}})), {.before = {make<Scale>(10.0)}});
  CHECK(fitted->mean()[0] == 30);
  CHECK(fitted->std()[0] == 10);
}

TEST_CASE("standardize: fit refuses values that are not finite, and random transforms") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_ERROR(Standardize::fit(*unlabelled(tensor({{1, 2}, {3, nan}}))),
              "standardize: element 1 of sample 1 is nan, expected a finite number");
  CHECK_ERROR(
      Standardize::fit(*unlabelled(zeros({2, 3, 3})), {.before = {make<Shift>(ShiftOptions{})}}),
      "transforms: shift draws random numbers, expected preprocessing that does not; give seed and epoch "
      "for augmentation");
}

TEST_CASE("transforms: parameters that make no sense are refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  CHECK_ERROR(Scale(0), "scale: factor is 0, expected a finite number other than 0");
  CHECK_ERROR(Scale{nan}, "scale: factor is nan, expected a finite number other than 0");
  const Tensor one = ones({1}, DType::f64);
  CHECK_ERROR(
      Standardize(ones({1}), ones({1})),
      "standardize: mean is f32 [1] and std f32 [1], expected f64 of one shape with at least 1 element");
  CHECK_ERROR(
      Standardize(ones({2}, DType::f64), one),
      "standardize: mean is f64 [2] and std f64 [1], expected f64 of one shape with at least 1 element");
  CHECK_ERROR(Standardize(full({1}, inf, DType::f64), one),
              "standardize: mean 0 is inf, expected a finite number");
  CHECK_ERROR(Standardize(one, zeros({1}, DType::f64)),
              "standardize: std 0 is 0, expected a finite number above 0");
  CHECK_ERROR(Standardize(one, full({1}, 1e-310, DType::f64)),
              "standardize: std 0 is 1e-310, expected a number whose inverse is finite");
  CHECK_ERROR(Shift({.pixels = -1}), "shift: pixels is -1, expected 0 to 1000");
  CHECK_ERROR(Shift({.fill = nan}), "shift: fill is nan, expected a finite f32");
  CHECK_ERROR(Distort({.rotation = 181}), "distort: rotation is 181, expected 0 to 180");
  CHECK_ERROR(Distort({.rotation = -1}), "distort: rotation is -1, expected 0 to 180");
  CHECK_ERROR(Distort({.scale = 1}), "distort: scale is 1, expected at least 0 and less than 1");
  CHECK_ERROR(Distort({.shear = nan}), "distort: shear is nan, expected 0 to 1e+06");
  CHECK_ERROR(Distort({.translate = -2}), "distort: translate is -2, expected 0 to 1e+06");
  CHECK_ERROR(Distort({.alpha = inf}), "distort: alpha is inf, expected 0 to 1e+06");
  CHECK_ERROR(Distort({.sigma = 0}), "distort: sigma is 0, expected 0.1 to 100");
  CHECK_ERROR(Distort({.fill = 1e39}), "distort: fill is 1e+39, expected a finite f32");
}

TEST_CASE("transforms: batches that do not fit are refused and left as they were") {
  const Transforms wide{make<Scale>(2.0), make<Standardize>(ones({3}, DType::f64), ones({3}, DType::f64))};
  Tensor x = ones({2, 2});
  CHECK_ERROR(apply_transforms(wide, x),
              "standardize: samples are [2], expected 3 elements as mean and std have");
  CHECK(floats(x) == Floats{1, 1, 1, 1});
  CHECK_ERROR(apply_transforms({nullptr}, x), "transforms: transform 0 is null, expected a transform");
  CHECK_ERROR(apply_transforms({make<Shift>(ShiftOptions{})}, x, std::vector<std::int64_t>{0, 1}, 0, 0),
              "shift: samples are [2], expected images [rows, cols] or [channels, rows, cols]");
  CHECK_ERROR(apply_transforms({make<Scale>(2.0)}, x, std::vector<std::int64_t>{0}, 0, 0),
              "transforms: there are 1 indices, expected 2 for x [2, 2]");
  Tensor y = ones({2, 2}, DType::f64);
  CHECK_ERROR(apply_transforms(wide, y),
              "transforms: x is f64 [2, 2], expected f32 with the samples along dimension 0");
}

// --- shift -----------------------------------------------------------------------------------------------------------

// The one image [rows, cols] after the transform, as sample `index`.
Floats augmented(const std::shared_ptr<const Transform>& transform, const Tensor& image, std::int64_t index,
                 std::uint32_t epoch = 0) {
  std::vector<std::int64_t> sizes{1};
  sizes.insert(sizes.end(), image.shape().begin(), image.shape().end());
  Tensor x = image.clone().reshape(Shape(std::span<const std::int64_t>(sizes)));
  apply_transforms({transform}, x, std::vector<std::int64_t>{index}, 7, epoch);
  return floats(x);
}

Tensor counting_image(std::int64_t rows, std::int64_t cols) {
  Tensor image = empty({rows, cols});
  std::iota(image.mutable_data<float>().begin(), image.mutable_data<float>().end(), 1.0F);
  return image;
}

TEST_CASE("shift: moves the whole image by the stream's dx and dy, and fills what comes in") {
  constexpr std::int64_t rows = 4, cols = 5;
  const Tensor image = counting_image(rows, cols);
  const Floats before = floats(image);
  std::vector<int> seen(49);
  for (std::int64_t index = 0; index < 500; ++index) {
    Stream stream(7, Purpose::augment, 0, static_cast<std::uint32_t>(index));
    const auto dx = static_cast<std::int64_t>(stream.below(7)) - 3,
               dy = static_cast<std::int64_t>(stream.below(7)) - 3;
    ++seen[static_cast<std::size_t>(dx + 3 + 7 * (dy + 3))];
    Floats expected;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) {
        const std::int64_t r = row - dy, c = col - dx;
        const bool inside = r >= 0 && r < rows && c >= 0 && c < cols;
        expected.push_back(inside ? before[static_cast<std::size_t>(r * cols + c)] : -0.5F);
      }
    }
    CHECK(augmented(make<Shift>(ShiftOptions{.pixels = 3, .fill = -0.5}), image, index) == expected);
  }
  CHECK(std::count(seen.begin(), seen.end(), 0) == 0);
}

TEST_CASE("shift: further than the image is wide leaves the fill alone") {
  bool empty_seen = false;
  for (std::int64_t index = 0; index < 50; ++index) {
    const Floats out = augmented(make<Shift>(ShiftOptions{.pixels = 9, .fill = 4}), ones({2, 3}), index);
    empty_seen |= out == Floats(6, 4.0F);
  }
  CHECK(empty_seen);
}

TEST_CASE("shift: by 0 pixels leaves every bit") {
  const Tensor image = tensor({{1, -0.0}, {3, 4}}, DType::f32);
  CHECK(same_bits(augmented(make<Shift>(ShiftOptions{.pixels = 0, .fill = 9}), image, 0), floats(image)));
}

TEST_CASE("shift: channels move together") {
  Tensor image = empty({2, 3, 3});
  for (std::size_t i = 0; i < 18; ++i) image.mutable_data<float>()[i] = static_cast<float>(i % 9);
  for (std::int64_t index = 0; index < 20; ++index) {
    const Floats out = augmented(make<Shift>(ShiftOptions{.pixels = 2}), image, index);
    CHECK(std::equal(out.begin(), out.begin() + 9, out.begin() + 9));
  }
}

// --- warping ---------------------------------------------------------------------------------------------------------

Floats warped(const Tensor& image, const nn::data::detail::InverseMap& map, const Floats& displacement = {},
              float fill = 0) {
  Floats out = floats(image);
  nn::data::detail::warp(out, image.size(0), image.size(1), map, displacement, fill);
  return out;
}

TEST_CASE("warp: the identity leaves every bit") {
  Generator generator(1);
  for (const auto& [rows, cols] : {std::pair{28, 28}, {5, 8}, {1, 1}}) {
    const Tensor image = randn({rows, cols}, generator);
    CHECK(same_bits(warped(image, {}), floats(image)));
  }
}

TEST_CASE("warp: the last place that is read lies in the frame, also where f32 would round it up") {
  CHECK(nn::data::detail::last_place(28) == 29);
  CHECK(nn::data::detail::last_place(16777217) == 16777218);
  CHECK(nn::data::detail::last_place(16777218) == 16777218);  // 16777219 would become 16777220
}

TEST_CASE("warp: a half turn and quarter turns about the middle move whole pixels") {
  const Tensor image = counting_image(3, 3);
  CHECK(warped(image, {{-1, 0, 0, -1}, {0, 0}}) == Floats{9, 8, 7, 6, 5, 4, 3, 2, 1});
  // (u, v) = (y, -x): what is on top goes to the right, a turn clockwise as y runs down.
  CHECK(warped(image, {{0, 1, -1, 0}, {0, 0}}) == Floats{7, 4, 1, 8, 5, 2, 9, 6, 3});
}

TEST_CASE("warp: an offset reads further right and down, and the fill beyond the edge") {
  const Tensor image = counting_image(2, 3);
  CHECK(warped(image, {{1, 0, 0, 1}, {1, 0}}, {}, -1) == Floats{2, 3, -1, 5, 6, -1});
  CHECK(warped(image, {{1, 0, 0, 1}, {0, 1}}, {}, -1) == Floats{4, 5, 6, -1, -1, -1});
  CHECK(warped(image, {{1, 0, 0, 1}, {-50, 0}}, {}, -1) == Floats(6, -1.0F));
}

TEST_CASE("warp: between pixels it reads their weighted mean, the fill among them") {
  CHECK(warped(tensor({{0, 4}, {8, 16}}), {{1, 0, 0, 1}, {0.25F, 0}}) == Floats{1, 3, 10, 12});
  CHECK(warped(tensor({{0, 4}, {8, 16}}), {{1, 0, 0, 1}, {0.5F, 0.5F}}, {}, 2) ==
        Floats{7, (4 + 16 + 2 + 2) / 4.0F, (8 + 16 + 2 + 2) / 4.0F, (16 + 2 + 2 + 2) / 4.0F});
}

TEST_CASE("warp: a displacement moves each pixel by its own dx, then dy") {
  const Tensor image = counting_image(2, 2);
  CHECK(warped(image, {}, {1, 0, 0, 0, 0, 1, 0, 0}) == Floats{2, 4, 3, 4});
}

TEST_CASE("smooth_noise: is the noise convolved along both axes, periodically") {
  constexpr std::int64_t rows = 5, cols = 7;
  const Floats kernel{0.1F, 0.2F, 0.4F, 0.2F, 0.1F};
  Floats field(rows * cols);
  Stream stream(3, Purpose::augment), same(3, Purpose::augment);
  nn::data::detail::smooth_noise(field, rows, cols, kernel, 2, stream);
  std::vector<double> noise;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint32_t bits = 0;
    for (std::int64_t col = 0; col < cols; ++col) {
      bits = col % 2 == 0 ? same.next() : bits >> 16;
      noise.push_back(static_cast<std::int16_t>(bits) / 32768.0);
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      double expected = 0;
      for (std::int64_t i = -2; i <= 2; ++i)
        for (std::int64_t j = -2; j <= 2; ++j)
          expected +=
              2 * static_cast<double>(kernel[static_cast<std::size_t>(i + 2)]) *
              static_cast<double>(kernel[static_cast<std::size_t>(j + 2)]) *
              noise[static_cast<std::size_t>((row + i + rows) % rows * cols + (col + j + cols) % cols)];
      CHECK(std::abs(field[static_cast<std::size_t>(row * cols + col)] - expected) < 1e-6);
    }
  }
}

TEST_CASE("smooth_noise: has the deviation that the kernel tells, also at the edges, and no mean") {
  const Distort distort({.alpha = 34, .sigma = 4});
  double squares_of_weights = 0;
  for (const float weight : distort.kernel())
    squares_of_weights += static_cast<double>(weight) * static_cast<double>(weight);
  CHECK(std::accumulate(distort.kernel().begin(), distort.kernel().end(), 0.0) ==
        doctest::Approx(1).epsilon(1e-6));
  CHECK(squares_of_weights / std::sqrt(3.0) == doctest::Approx(0.163 / 4).epsilon(0.01));
  constexpr int fields = 1000;
  double sum = 0, inside = 0, corner = 0;
  Floats field(28 * 28);
  for (std::uint32_t i = 0; i < fields; ++i) {
    Stream stream(1, Purpose::augment, 0, i);
    nn::data::detail::smooth_noise(field, 28, 28, distort.kernel(), 1, stream);
    const double middle = field[14 * 28 + 14], edge = field[0];
    sum += middle;
    inside += middle * middle;
    corner += edge * edge;
  }
  const double deviation = squares_of_weights / std::sqrt(3.0);
  // Of 1000 independent draws: 4 standard errors.
  CHECK(std::abs(sum / fields) < 4 * deviation / std::sqrt(fields * 1.0));
  CHECK(std::sqrt(inside / fields) == doctest::Approx(deviation).epsilon(4 / std::sqrt(2.0 * fields)));
  CHECK(std::sqrt(corner / fields) == doctest::Approx(deviation).epsilon(4 / std::sqrt(2.0 * fields)));
}

TEST_CASE("smooth_noise: a kernel wider than the image wraps around it more than once") {
  const Floats kernel(31, 1.0F / 31);
  Floats field(12);
  Stream stream(3, Purpose::augment);
  nn::data::detail::smooth_noise(field, 3, 4, kernel, 1, stream);
  for (const float value : field) CHECK(std::abs(value) < 1);
  CHECK(field[0] != 0);
}

// --- distort ---------------------------------------------------------------------------------------------------------

constexpr DistortOptions strong{.rotation = 15, .scale = 0.15, .shear = 0.15, .translate = 2, .alpha = 34};

TEST_CASE("distort: without any distortion every bit stays") {
  const Tensor image = counting_image(6, 5);
  CHECK(same_bits(augmented(make<Distort>(DistortOptions{}), image, 3), floats(image)));
}

// Where an image's mass lies.
struct Moments {
  double mass = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
};
Moments moments_of(const Floats& image, std::int64_t cols) {
  Moments m;
  for (std::size_t i = 0; i < image.size(); ++i) {
    const double v = image[i], x = static_cast<double>(static_cast<std::int64_t>(i) % cols),
                 y = static_cast<double>(static_cast<std::int64_t>(i) / cols);
    m.mass += v;
    m.x += v * x;
    m.y += v * y;
  }
  m.x /= m.mass;
  m.y /= m.mass;
  for (std::size_t i = 0; i < image.size(); ++i) {
    const double v = image[i] / m.mass, x = static_cast<double>(static_cast<std::int64_t>(i) % cols) - m.x,
                 y = static_cast<double>(static_cast<std::int64_t>(i) / cols) - m.y;
    m.xx += v * x * x;
    m.xy += v * x * y;
    m.yy += v * y * y;
  }
  return m;
}

// A soft ellipse in the middle of 41 x 41, long from the left to the right.
Tensor ellipse() {
  Tensor image = empty({41, 41});
  const auto pixels = image.mutable_data<float>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const double x = static_cast<double>(i % 41) - 20, y = static_cast<double>(i / 41) - 20;
    pixels[i] = static_cast<float>(std::exp(-x * x / 72 - y * y / 18));
  }
  return image;
}

TEST_CASE("distort: the kernel of the elastic part is a Gaussian as far as three deviations, of sum 1") {
  const Distort distort({.alpha = 1, .sigma = 1.5});
  const std::span<const float> kernel = distort.kernel();
  REQUIRE(kernel.size() == 11);
  for (int i = -5; i <= 5; ++i)
    CHECK(kernel[static_cast<std::size_t>(i + 5)] ==
          doctest::Approx(kernel[5] * std::exp(-0.5 * i * i / 2.25)).epsilon(1e-5));
  CHECK(std::accumulate(kernel.begin(), kernel.end(), 0.0) == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("distort: rotation turns the image by an angle uniform within its range, to both sides") {
  double low = 0, high = 0;
  for (std::int64_t index = 0; index < 300; ++index) {
    const Moments m =
        moments_of(augmented(make<Distort>(DistortOptions{.rotation = 30}), ellipse(), index), 41);
    const double angle = 0.5 * std::atan2(2 * m.xy, m.xx - m.yy) * 180 / 3.14159265358979;
    Stream stream(7, Purpose::augment, 0, static_cast<std::uint32_t>(index));
    CHECK(std::abs(angle - stream.uniform(-30, 30)) < 0.2);
    low = std::min(low, angle);
    high = std::max(high, angle);
  }
  CHECK(low < -28);
  CHECK(high > 28);
}

TEST_CASE("distort: translation moves the middle, by the stream's fraction of pixels") {
  for (std::int64_t index = 0; index < 50; ++index) {
    const Moments m =
        moments_of(augmented(make<Distort>(DistortOptions{.translate = 3}), ellipse(), index), 41);
    Stream stream(7, Purpose::augment, 0, static_cast<std::uint32_t>(index));
    for (int i = 0; i < 4; ++i) stream.uniform();
    CHECK(std::abs(m.x - 20 - stream.uniform(-3, 3)) < 0.03);
    CHECK(std::abs(m.y - 20 - stream.uniform(-3, 3)) < 0.03);
  }
}

TEST_CASE("distort: scale stretches width and height apart, by the stream's factors") {
  const Moments before = moments_of(floats(ellipse()), 41);
  for (std::int64_t index = 0; index < 50; ++index) {
    const Moments m =
        moments_of(augmented(make<Distort>(DistortOptions{.scale = 0.2}), ellipse(), index), 41);
    Stream stream(7, Purpose::augment, 0, static_cast<std::uint32_t>(index));
    stream.uniform();
    CHECK(std::sqrt(m.xx / before.xx) == doctest::Approx(1 + stream.uniform(-0.2, 0.2)).epsilon(0.02));
    CHECK(std::sqrt(m.yy / before.yy) == doctest::Approx(1 + stream.uniform(-0.2, 0.2)).epsilon(0.02));
  }
}

TEST_CASE("distort: shear moves x with y") {
  const Moments before = moments_of(floats(ellipse()), 41);
  for (std::int64_t index = 0; index < 50; ++index) {
    const Moments m =
        moments_of(augmented(make<Distort>(DistortOptions{.shear = 0.4}), ellipse(), index), 41);
    Stream stream(7, Purpose::augment, 0, static_cast<std::uint32_t>(index));
    for (int i = 0; i < 3; ++i) stream.uniform();
    CHECK(std::abs(m.xy / before.yy - stream.uniform(-0.4, 0.4)) < 0.02);
  }
}

TEST_CASE("distort: the elastic part moves pixels by as much as alpha tells, and keeps the mean place") {
  double squares = 0, mean = 0;
  constexpr int images = 400;
  const auto distort = make<Distort>(DistortOptions{.alpha = 34});
  // A ramp along x shows dx as it is.
  Tensor ramp = empty({41, 41});
  for (std::size_t i = 0; i < 41 * 41; ++i) ramp.mutable_data<float>()[i] = static_cast<float>(i % 41);
  for (std::int64_t index = 0; index < images; ++index) {
    const double dx = static_cast<double>(augmented(distort, ramp, index)[20 * 41 + 20]) - 20;
    mean += dx / images;
    squares += dx * dx / images;
  }
  CHECK(std::sqrt(squares) == doctest::Approx(0.163 * 34 / 4).epsilon(4 / std::sqrt(2.0 * images)));
  CHECK(std::abs(mean) < 4 * 0.163 * 34 / 4 / std::sqrt(1.0 * images));
}

TEST_CASE("distort: channels are distorted alike") {
  Tensor image = empty({2, 28, 28});
  for (std::size_t i = 0; i < 2 * 784; ++i)
    image.mutable_data<float>()[i] = static_cast<float>(i % 784 * 7 % 31);
  const Floats out = augmented(make<Distort>(strong), image, 5);
  CHECK(std::equal(out.begin(), out.begin() + 784, out.begin() + 784));
}

TEST_CASE("distort: values stay between those of the image and the fill") {
  for (std::int64_t index = 0; index < 100; ++index)
    for (const float value : augmented(make<Distort>(strong), ones({28, 28}), index)) {
      if (value < 0 || value > 1) FAIL("outside: " << value);
    }
}

// --- streams ---------------------------------------------------------------------------------------------------------

const Transforms pictures{make<Shift>(ShiftOptions{.pixels = 2}), make<Distort>(strong), make<Scale>(0.5)};

std::shared_ptr<ImageDataset> digits() {
  static const auto set = draw_digits(200, 3, true);
  return set;
}

// The augmented samples 0 to 199 of epoch 1, in the order of their numbers.
Floats all_samples(std::int64_t batch_size, bool shuffle, std::int64_t prefetch) {
  const Loader loader(digits(), {.batch_size = batch_size,
                                 .shuffle = shuffle,
                                 .seed = 12,
                                 .transforms = pictures,
                                 .prefetch = prefetch});
  std::vector<std::int64_t> order(200);
  std::iota(order.begin(), order.end(), 0);
  if (shuffle) order = permutation(200, Stream(12, Purpose::shuffle, 1));
  Floats all(200 * 784);
  std::size_t seen = 0;
  for (const Batch& batch : loader.epoch(1)) {
    const auto x = batch.x.data<float>();
    for (std::size_t i = 0; i < x.size(); i += 784, ++seen)
      std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(i), 784,
                  all.begin() + static_cast<std::ptrdiff_t>(order[seen] * 784));
  }
  CHECK(seen == 200);
  return all;
}

TEST_CASE("threads: augmentation gives the same bits for any threads, batches, order and prefetch") {
  Floats expected;
  {
    const ThreadCount threads(1);
    expected = all_samples(200, false, 0);
  }
  for (const int n : {1, 2, 3}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    for (const std::int64_t prefetch : {0, 2}) {
      CHECK(same_bits(all_samples(200, false, prefetch), expected));
      CHECK(same_bits(all_samples(64, false, prefetch), expected));
      CHECK(same_bits(all_samples(33, true, prefetch), expected));
    }
  }
}

TEST_CASE("distort: every sample, epoch and seed has a distortion of its own") {
  const auto distort = make<Distort>(strong);
  const Tensor image = ellipse();
  CHECK(augmented(distort, image, 1, 1) == augmented(distort, image, 1, 1));
  CHECK(augmented(distort, image, 1, 1) != augmented(distort, image, 2, 1));
  CHECK(augmented(distort, image, 1, 1) != augmented(distort, image, 1, 2));
  Tensor other = image.clone().reshape({1, 41, 41});
  apply_transforms({distort}, other, std::vector<std::int64_t>{1}, 8, 1);
  CHECK(floats(other) != augmented(distort, image, 1, 1));
}

TEST_CASE("distort: an option that changes leaves the draws of the others") {
  const Moments alone =
      moments_of(augmented(make<Distort>(DistortOptions{.translate = 3}), ellipse(), 4), 41);
  const Moments both =
      moments_of(augmented(make<Distort>(DistortOptions{.rotation = 5, .translate = 3}), ellipse(), 4), 41);
  CHECK(std::abs(alone.x - both.x) < 0.03);
  CHECK(std::abs(alone.y - both.y) < 0.03);
}

TEST_CASE("transforms: a warm epoch of augmentation takes nothing from the system") {
  const Loader loader(digits(), {.batch_size = 50, .shuffle = true, .transforms = pictures});
  const auto run = [&](std::int64_t epoch) {
    double sum = 0;
    for (const Batch& batch : loader.epoch(epoch)) sum += batch.x.data<float>()[400];
    return sum;
  };
  run(0);
  const auto before = memory::stats().system_allocations;
  run(1);
  CHECK(memory::stats().system_allocations == before);
}

TEST_CASE("image_dataset: the background is what a pixel of 0 becomes") {
  const std::vector<std::uint8_t> black{0};
  const ImageDataset set(black, {0}, 1, 1, 1, {.mean = 0.1307, .std = 0.3081});
  Tensor x = empty({1, 1, 1}), y = empty({1}, DType::i64);
  set.gather(std::vector<std::int64_t>{0}, x, y);
  CHECK(x.item() == static_cast<double>(set.background()));
}

}  // namespace
