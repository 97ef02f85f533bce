#include <rill/core/error.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/nn/data/npy.hpp>

namespace rill::nn::data {

std::shared_ptr<const TensorDataset> load_npy(const std::string& x_path, const std::string& y_path,
                                              const NpyOptions& options) {
  RILL_CHECK(!options.regression || !options.classes, "load_npy: classes is ", *options.classes,
             " for a regression, expected none");
  const Tensor y = io::load_npy(y_path, options.regression ? DType::f32 : DType::i64);
  RILL_CHECK(options.regression || y.dim() == 1, y_path, ": labels are ", y.shape(), ", expected [n]");
  return std::make_shared<const TensorDataset>(io::load_npy(x_path, DType::f32), y, options.classes);
}

}  // namespace rill::nn::data
