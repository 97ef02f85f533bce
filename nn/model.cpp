#include <rill/core/io/file.hpp>
#include <rill/nn/config/model_config.hpp>
#include <rill/nn/model.hpp>

namespace rill::nn {

Tensor Model::predict(const Tensor& raw) {
  RILL_CHECK(raw.defined() && raw.dim() >= 1 && raw.dtype() == DType::f32, "predict: raw is ",
             raw.defined() ? rill::detail::concat(raw.dtype(), " ", raw.shape()) : "undefined",
             ", expected f32 samples along dimension 0");
  std::vector<std::int64_t> sizes{raw.size(0)};
  sizes.insert(sizes.end(), input_shape.begin(), input_shape.end());
  const Shape expected(sizes);
  RILL_CHECK(raw.shape() == expected || (raw.dim() == 2 && raw.numel() == expected.numel()),
             "predict: raw is ", raw.shape(), ", expected ", expected, " or the same elements in rows");
  const EvalMode evaluation(*this);
  const NoGrad no_grad;
  Tensor x = raw.detach().clone().reshape(expected);
  data::apply_transforms(preprocessing, x);
  if (const std::vector<Tensor> values = parameters(); !values.empty()) x = x.to(values.front().dtype());
  return (*this)(x);
}

void save_config(Sequential& network, const Shape& input_shape, const std::string& path) {
  const std::string text = config::to_json(config::config_of(network, input_shape));
  config::parse_model_config(text, "save_config");  // nothing is written beyond the limits of reading
  io::write_file_atomically(path, text);
}

void save_config(Model& model, const std::string& path) {
  save_config(model.network, model.input_shape, path);
}

}  // namespace rill::nn
