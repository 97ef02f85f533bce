#include <algorithm>
#include <cmath>

#include <rill/core/error.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/nn/data/npy.hpp>

namespace rill::nn::data {
namespace {

// As the cells of a table have to be.
void check_finite(const Tensor& values, const std::string& path) {
  if (values.dtype() != DType::f32) return;
  const auto data = values.data<float>();
  const auto bad = std::ranges::find_if(data, [](float value) { return !std::isfinite(value); });
  RILL_CHECK(bad == data.end(), path, ": element ", bad - data.begin(), " is ", *bad,
             ", expected finite numbers");
}

}  // namespace

std::shared_ptr<const TensorDataset> load_npy(const std::string& x_path, const std::string& y_path,
                                              const NpyOptions& options) {
  RILL_CHECK(!options.regression || !options.classes, "load_npy: classes is ", *options.classes,
             " for a regression, expected none");
  const Tensor y = io::load_npy(y_path, options.regression ? DType::f32 : DType::i64);
  RILL_CHECK(options.regression || y.dim() == 1, y_path, ": labels are ", y.shape(), ", expected [n]");
  const Tensor x = io::load_npy(x_path, DType::f32);
  RILL_CHECK(x.numel() > 0 && x.dim() > 0, x_path, ": samples are ", x.shape(),
             ", expected [n, ...] with at least 1 element");
  RILL_CHECK(y.dim() > 0 && y.size(0) == x.size(0), y_path, ": targets are ", y.shape(), ", expected ",
             x.size(0), " as there are samples in ", x_path);
  check_finite(x, x_path);
  check_finite(y, y_path);
  // One number a sample is a target of one number, as models give it and as that of a CSV file is.
  const bool single = options.regression && y.dim() == 1;
  try {
    return std::make_shared<const TensorDataset>(x, single ? y.reshape({y.size(0), 1}) : y, options.classes);
  } catch (const Error& error) {
    rill::detail::fail(y_path + ": " + error.what());
  }
}

}  // namespace rill::nn::data
