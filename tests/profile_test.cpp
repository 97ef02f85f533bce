// Profile: what it counts, and for which layer. Times are only compared with each other.
#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include <fmt/format.h>

#include <rill/nn/profile.hpp>
#include <rill/rill.hpp>

using namespace rill;

namespace {

const ProfileRow& row_of(const std::vector<ProfileRow>& rows, const std::string& name) {
  for (const ProfileRow& row : rows) {
    if (row.name == name) return row;
  }
  FAIL("no row ", name);
  return rows.front();
}

std::string names_of(const std::vector<ProfileRow>& rows) {
  std::string names;
  for (const ProfileRow& row : rows) names += row.name + ", ";
  return names;
}

nn::Sequential small_model() {
  Generator generator(1);
  return nn::Sequential{nn::Dense(4, 3, generator), nn::ReLU(), nn::Dense(3, 2, generator)};
}

}  // namespace

TEST_CASE("profile: calls and bytes of an op are counted exactly") {
  nn::Sequential model = small_model();
  Profile profile(model);
  const Tensor x = ones({5, 4});
  for (int i = 0; i < 3; ++i) model(x);
  const auto ops = profile.ops();
  CHECK(row_of(ops, "linear").calls == 6);
  // x, weight, bias and result of both layers, f32.
  CHECK(row_of(ops, "linear").bytes == 3 * 4 * ((20 + 12 + 3 + 15) + (15 + 6 + 2 + 10)));
  CHECK(row_of(ops, "relu").calls == 3);
  CHECK(row_of(ops, "relu").bytes == 3 * 4 * (15 + 15));
  CHECK(row_of(ops, "relu").forward > 0);
  CHECK(row_of(ops, "relu").backward == 0);
}

TEST_CASE("profile: layers come in the model's order, and a loss belongs to none") {
  nn::Sequential model = small_model();
  Profile profile(model);
  cross_entropy(model(ones({5, 4})), zeros({5}, DType::i64)).backward();
  const auto layers = profile.layers();
  CHECK(names_of(layers) == "0 dense, 1 relu, 2 dense, (no layer), ");
  for (const char* name : {"0 dense", "1 relu", "2 dense"}) {
    CHECK_MESSAGE(row_of(layers, name).forward > 0, name);
    CHECK_MESSAGE(row_of(layers, name).backward > 0, name);
  }
}

TEST_CASE("profile: another model's ops are kept apart") {
  nn::Sequential model = small_model(), other = small_model();
  Profile profile(model);
  other(ones({1, 4}));
  CHECK(names_of(profile.layers()) == "(another model), ");
  CHECK(row_of(profile.layers(), "(another model)").calls == 3);
}

TEST_CASE("profile: the times of all ops fit into the time in all") {
  nn::Sequential model = small_model();
  Profile profile(model);
  for (int i = 0; i < 20; ++i) model(ones({64, 4})).sum().backward();
  profile.stop();
  double sum = 0, by_layer = 0;
  for (const auto& row : profile.ops()) sum += row.seconds();
  for (const auto& row : profile.layers()) by_layer += row.seconds();
  CHECK(sum <= profile.seconds());
  CHECK(by_layer == doctest::Approx(sum));
}

TEST_CASE("profile: after stop() nothing is counted, and an op that throws is not") {
  Profile profile;
  CHECK_THROWS_AS(ones({2}) + ones({3}), Error);
  ones({2}).relu();
  profile.stop();
  ones({2}).relu();
  CHECK(names_of(profile.ops()) == "relu, ");
  CHECK(profile.ops()[0].calls == 1);
}

TEST_CASE("profile: both tables are printed") {
  nn::Sequential model = small_model();
  Profile profile(model);
  model(ones({5, 4}));
  std::ostringstream out;
  out << profile;
  const std::string text = out.str();
  for (const char* part :
       {"op      ", "linear  ", "layer  ", "0 dense", "calls", "backward ms", " % of it in ops\n"})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part, " is missing in\n", text);
  const ProfileRow linear = profile.ops().at(0);
  CHECK(text.find(fmt::format("{:>9}  {:>11.3f}  {:>11.3f}", linear.calls, 1e3 * linear.forward,
                              1e3 * linear.backward)) != std::string::npos);
}
