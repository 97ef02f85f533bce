// ONNX files: a network as other runtimes read it (onnxruntime, TensorRT, browsers).
//
// In a library of its own, librill_onnx.a, that is built where protobuf and ONNX's headers are; rill.hpp does not
// include this header. Files have opset 17 and IR version 8; the batch is the symbolic dimension "N". They compute what the
// network computes in evaluation mode: dropout is left out, BatchNorm1d uses its running statistics. Initializers have the
// parameters' names, "0.weight"; nodes are named by the module that they are from, "0/Gemm".
#pragma once

#include <cstddef>
#include <string>

#include <rill/nn/data/transform.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {

struct OnnxOptions {
  data::Transforms preprocessing =
      {};  ///< Scale, Normalize, Standardize and Impute, computed in the network's dtype before it
  std::string producer = "rill";
  std::string input = "input";
  std::string output = "output";
  std::size_t max_bytes = 2147483647;  ///< of the whole file; protobuf reads no longer ones
};

/// Writes a network of nn's layers (one, or a Sequential of any depth) as an ONNX file, for samples of `input_shape`
/// (without the batch), f32 or f64 as its parameters are; f32 without any. The file is replaced in one step or not at all. The
/// network is only read; its forward hooks are not part of the file.
///
/// Throws Error, before the file is touched, for a module that is none of nn's layers, naming it; for shapes that do not
/// fit; for parameters of two dtypes; for preprocessing that ONNX has no nodes for here; and above `max_bytes`.
void save_onnx(const std::string& path, Module& network, const Shape& input_shape,
               const OnnxOptions& options = {});

}  // namespace rill::nn
