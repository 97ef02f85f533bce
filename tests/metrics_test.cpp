// Metrics: values against counts and formulas, NaN, batches, refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include <rill/rill.hpp>

using namespace rill;

namespace {

Tensor labels(const NestedList& list) { return tensor(list, DType::i64); }

template <class Call>
void refused(const std::string& text, Call call) {
  CHECK_THROWS_WITH_AS(call(), text.c_str(), Error);
}

}  // namespace

TEST_CASE("metrics: accuracy is the share of right rows, and NaN logits are wrong") {
  const Tensor logits = tensor({{1, 2, 0}, {3, 1, 2}, {0, NAN, 1}, {-1, -2, -3}});
  CHECK(nn::accuracy(logits, labels({1, 0, 2, 2})) == 0.5);
  CHECK(std::isnan(nn::accuracy(zeros({0, 3}), zeros({0}, DType::i64))));
}

TEST_CASE("metrics: top_k_accuracy counts labels among the k largest, ties by the smaller index") {
  const Tensor logits = tensor({{1, 2, 3}, {3, 2, 1}, {1, 1, 1}, {0, NAN, 1}});
  const Tensor wanted = labels({0, 1, 1, 2});
  CHECK(nn::top_k_accuracy(logits, wanted, 1) == nn::accuracy(logits, wanted));
  CHECK(nn::top_k_accuracy(logits, wanted, 1) == 0);
  CHECK(nn::top_k_accuracy(logits, wanted, 2) == 0.5);
  CHECK(nn::top_k_accuracy(logits, wanted, 3) == 0.75);
}

TEST_CASE("metrics: a confusion matrix adds batches of logits and of classes") {
  nn::ConfusionMatrix matrix(3);
  matrix.add(tensor({{5, 1, 0}, {0, 1, 5}}), labels({0, 1}));
  matrix.add(labels({1, 1, 2, 0}), labels({1, 1, 2, 2}));
  CHECK(matrix.total() == 6);
  CHECK(matrix.count(0, 0) == 1);
  CHECK(matrix.count(1, 1) == 2);
  CHECK(matrix.count(1, 2) == 1);
  CHECK(matrix.count(2, 0) == 1);
  CHECK(matrix.accuracy() == doctest::Approx(4.0 / 6));
  CHECK(matrix.precision(0) == 0.5);
  CHECK(matrix.recall(0) == 1);
  CHECK(matrix.f1(0) == doctest::Approx(2 * 0.5 * 1 / 1.5));
  CHECK(matrix.recall(1) == doctest::Approx(2.0 / 3));
  CHECK(matrix.precision(1) == 1);
}

TEST_CASE("metrics: in a confusion matrix a NaN row is a sample that is taken for no class") {
  nn::ConfusionMatrix matrix(2);
  matrix.add(tensor({{NAN, 1}, {1, 0}}), labels({1, 0}));
  CHECK(matrix.not_a_number() == 1);
  CHECK(matrix.total() == 2);
  CHECK(matrix.recall(1) == 0);
  CHECK(std::isnan(matrix.precision(1)));
  CHECK(matrix.accuracy() == 0.5);
  CHECK(matrix.f1(1) == 0);
}

TEST_CASE("metrics: a confusion matrix prints as a table") {
  nn::ConfusionMatrix matrix(2, {"cat", "dog"});
  matrix.add(labels({0, 0, 1, 1}), labels({0, 1, 1, 1}));
  CHECK(matrix.to_string() ==
        "label  cat  dog  precision  recall      f1\n"
        "cat      1    0     0.5000  1.0000  0.6667\n"
        "dog      1    2     1.0000  0.6667  0.8000\n"
        "accuracy 0.7500 of 4\n");
}

TEST_CASE("metrics: a refused batch leaves the confusion matrix as it was") {
  nn::ConfusionMatrix matrix(2);
  refused("ConfusionMatrix: label 2 is out of range, expected 0 to 1", [&] {
    matrix.add(tensor({{1, 0}, {0, 1}}), labels({0, 2}));
  });
  CHECK(matrix.total() == 0);
}

TEST_CASE("metrics: R² is scikit-learn's, for one output and the mean over several") {
  // The examples of its documentation.
  const Tensor y = tensor({2.5, 0.0, 2, 8}, DType::f64), target = tensor({3, -0.5, 2, 7}, DType::f64);
  CHECK(nn::r2_score(y, target) == doctest::Approx(0.9486081370449679).epsilon(1e-14));
  const Tensor several = tensor({{0, 2}, {-1, 2}, {8, -5}}, DType::f64);
  const Tensor wanted = tensor({{0.5, 1}, {-1, 1}, {7, -6}}, DType::f64);
  CHECK(nn::r2_score(several, wanted) == doctest::Approx((0.965438 + 0.908163) / 2).epsilon(1e-5));
  CHECK(nn::r2_score(tensor({2, 2, 2}), tensor({1, 2, 3})) == 0);
  CHECK(nn::r2_score(tensor({3, 2, 1}), tensor({1, 2, 3})) == -3);
  CHECK(nn::r2_score(tensor({1, 1}), tensor({1, 1})) == 1);
  CHECK(nn::r2_score(tensor({1, 2}), tensor({1, 1})) == 0);
  CHECK(std::isnan(nn::r2_score(tensor({1}), tensor({1}))));
}

TEST_CASE("metrics: R² of a NaN is NaN, with a constant target too") {
  CHECK(std::isnan(nn::r2_score(tensor({NAN, 1}), tensor({1, 1}))));
  CHECK(std::isnan(nn::r2_score(tensor({NAN, 1}), tensor({1, 2}))));
  CHECK(std::isnan(nn::r2_score(tensor({1, 1}), tensor({1, NAN}))));
  CHECK(std::isnan(nn::r2_score(tensor({{1, NAN}, {2, 1}}), tensor({{1, 1}, {2, 1}}))));
}

TEST_CASE("metrics: R² in batches is R² of all, also far from zero") {
  Generator generator(1);
  const Tensor target = randn({100, 2}, generator, DType::f64) + 1e6,
               y = target + randn({100, 2}, generator, DType::f64) * 0.3;
  nn::R2Score score;
  for (std::int64_t begin = 0; begin < 100; begin += 25) {
    Tensor part_y = empty({25, 2}, DType::f64), part_target = empty({25, 2}, DType::f64);
    for (std::int64_t i = 0; i < 25; ++i)
      for (std::int64_t c = 0; c < 2; ++c) {
        part_y.set({i, c}, y.at({begin + i, c}));
        part_target.set({i, c}, target.at({begin + i, c}));
      }
    score.add(part_y, part_target);
  }
  CHECK(score.samples() == 100);
  CHECK(score.value() == doctest::Approx(nn::r2_score(y, target)).epsilon(1e-12));
  CHECK(score.value() == doctest::Approx(nn::r2_score(y - 1e6, target - 1e6)).epsilon(1e-6));
}

TEST_CASE("metrics: mean absolute and squared error") {
  const Tensor y = tensor({{1, 2}, {3, 5}}), target = tensor({{1, 0}, {4, 4}});
  CHECK(nn::mean_absolute_error(y, target) == 1);
  CHECK(nn::mean_squared_error(y, target) == 1.5);
  CHECK(std::isnan(nn::mean_squared_error(zeros({0}), zeros({0}))));
}

TEST_CASE("metrics: shapes and labels that do not fit are refused") {
  const Tensor logits = zeros({2, 3});
  refused("accuracy: labels are i64 [3], expected i64 [2]", [&] { nn::accuracy(logits, labels({0, 1, 2})); });
  refused("accuracy: logits are [3], expected [n, classes]", [] {
    nn::accuracy(zeros({3}), labels({0, 1, 2}));
  });
  refused("top_k_accuracy: k is 4, expected 1 to 3", [&] { nn::top_k_accuracy(logits, labels({0, 1}), 4); });
  refused("top_k_accuracy: label 3 is out of range, expected 0 to 2", [&] {
    nn::top_k_accuracy(logits, labels({0, 3}), 1);
  });
  refused("count_correct: label -1 is out of range, expected 0 to 2", [&] {
    nn::count_correct(logits, labels({0, -1}));
  });
  refused("accuracy: label 3 is out of range, expected 0 to 2", [&] {
    nn::accuracy(logits, labels({3, 0}));
  });
  refused("mean_squared_error: y is f32 [2] and target f32 [2, 1], expected one floating dtype and one shape",
          [] {
            nn::mean_squared_error(zeros({2}), zeros({2, 1}));
          });
  nn::ConfusionMatrix counts(3);
  refused("ConfusionMatrix: predicted is i64 [2, 1], expected i64 [n]", [&] {
    counts.add(zeros({2, 1}, DType::i64), labels({0, 1}));
  });
  refused("ConfusionMatrix: predicted class 3 is out of range, expected 0 to 2", [&] {
    counts.add(labels({3, 0}), labels({0, 1}));
  });
  refused("ConfusionMatrix: labels are i64 [2], expected i64 [1]", [&] {
    counts.add(labels({0}), labels({0, 1}));
  });
  refused("ConfusionMatrix: classes is 1, expected 2 or more", [] { nn::ConfusionMatrix(1); });
  refused("ConfusionMatrix: there are 1 names, expected 2 or none", [] { nn::ConfusionMatrix(2, {"a"}); });
  nn::ConfusionMatrix matrix(2);
  refused("ConfusionMatrix: logits are [2, 3], expected [n, 2]", [&] { matrix.add(logits, labels({0, 1})); });
  refused("ConfusionMatrix: predicted class -1 is out of range, expected 0 to 1",
          [&] { matrix.add(labels({-1}), labels({0})); });
  refused("ConfusionMatrix: class 2 is out of range, expected 0 to 1", [&] { matrix.recall(2); });
  nn::R2Score score;
  refused(
      "R2Score: y is f32 [2, 3, 1] and target f32 [2, 3, 1], expected one floating dtype and one shape, [n] "
      "or [n, "
      "outputs]",
      [&] {
        score.add(zeros({2, 3, 1}), zeros({2, 3, 1}));
      });
  score.add(zeros({2}), ones({2}));
  refused("R2Score: y has 3 outputs, expected 1 as before", [&] { score.add(zeros({2, 3}), zeros({2, 3})); });
}
