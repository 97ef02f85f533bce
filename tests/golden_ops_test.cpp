// Every op against PyTorch's numbers: results and gradients, in f64 and in f32.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include <doctest/doctest.h>

#include <rill/core/op_list.hpp>
#include <rill/nn/metrics.hpp>

#include "golden.hpp"

namespace {

using namespace rill;
using test::Json;

using Inputs = std::map<std::string, Tensor>;
using Run = std::function<Tensor(const Inputs& in, const Json& args)>;

std::vector<int> axes_of(const Json& args) {
  return args.at("axes").is_null() ? std::vector<int>() : args.at("axes").get<std::vector<int>>();
}

Reduction reduction_of(const Json& args) {
  const std::string reduction = args.at("reduction");
  return reduction == "mean" ? Reduction::mean : reduction == "sum" ? Reduction::sum : Reduction::none;
}

CrossEntropyOptions cross_entropy_options(const Json& args) {
  CrossEntropyOptions options;
  options.reduction = reduction_of(args);
  options.label_smoothing = args.at("label_smoothing");
  return options;
}

const std::map<std::string, Run> runs{
    {"add", [](const Inputs& in, const Json&) { return in.at("a") + in.at("b"); }},
    {"sub", [](const Inputs& in, const Json&) { return in.at("a") - in.at("b"); }},
    {"mul", [](const Inputs& in, const Json&) { return in.at("a") * in.at("b"); }},
    {"div", [](const Inputs& in, const Json&) { return in.at("a") / in.at("b"); }},
    {"neg", [](const Inputs& in, const Json&) { return -in.at("x"); }},
    {"sum",
     [](const Inputs& in, const Json& args) { return sum(in.at("x"), axes_of(args), args.at("keepdim")); }},
    {"mean",
     [](const Inputs& in, const Json& args) { return mean(in.at("x"), axes_of(args), args.at("keepdim")); }},
    {"matmul", [](const Inputs& in, const Json&) { return matmul(in.at("a"), in.at("b")); }},
    {"linear",
     [](const Inputs& in, const Json&) { return linear(in.at("x"), in.at("weight"), in.at("bias")); }},
    {"reshape",
     [](const Inputs& in, const Json& args) {
       const std::vector<std::int64_t> sizes = args.at("shape");
       return reshape(in.at("x"), Shape(sizes));
     }},
    {"transpose", [](const Inputs& in,
                     const Json& args) { return transpose(in.at("x"), args.at("dim0"), args.at("dim1")); }},
    {"permute",
     [](const Inputs& in, const Json& args) {
       return permute(in.at("x"), args.at("dims").get<std::vector<int>>());
     }},
    {"slice",
     [](const Inputs& in, const Json& args) {
       return slice(in.at("x"), args.at("dim"), args.at("start"), args.at("stop"));
     }},
    {"concat",
     [](const Inputs& in, const Json& args) {
       return concat({in.at("a"), in.at("b")}, args.at("dim"));
     }},
    {"softmax", [](const Inputs& in, const Json& args) { return softmax(in.at("x"), args.at("axis")); }},
    {"log_softmax",
     [](const Inputs& in, const Json& args) { return log_softmax(in.at("x"), args.at("axis")); }},
    {"pow", [](const Inputs& in, const Json&) { return pow(in.at("a"), in.at("b")); }},
    {"maximum", [](const Inputs& in, const Json&) { return maximum(in.at("a"), in.at("b")); }},
    {"minimum", [](const Inputs& in, const Json&) { return minimum(in.at("a"), in.at("b")); }},
    {"where", [](const Inputs& in, const Json&) { return where(in.at("cond"), in.at("a"), in.at("b")); }},
    {"max",
     [](const Inputs& in, const Json& args) { return max(in.at("x"), axes_of(args), args.at("keepdim")); }},
    {"logsumexp", [](const Inputs& in,
                     const Json& args) { return logsumexp(in.at("x"), axes_of(args), args.at("keepdim")); }},
    {"argmax", [](const Inputs& in, const Json& args) { return argmax(in.at("x"), args.at("axis")); }},
    {"nll_loss",
     [](const Inputs& in, const Json& args) {
       return nll_loss(in.at("input"), in.at("target"), {.reduction = reduction_of(args)});
     }},
    {"mse_loss",
     [](const Inputs& in, const Json& args) {
       return mse_loss(in.at("input"), in.at("target"), reduction_of(args));
     }},
    {"l1_loss",
     [](const Inputs& in, const Json& args) {
       return l1_loss(in.at("input"), in.at("target"), reduction_of(args));
     }},
    {"huber_loss",
     [](const Inputs& in, const Json& args) {
       return huber_loss(in.at("input"), in.at("target"),
                         {.reduction = reduction_of(args), .delta = args.at("delta")});
     }},
    {"binary_cross_entropy_with_logits",
     [](const Inputs& in, const Json& args) {
       return binary_cross_entropy_with_logits(in.at("input"), in.at("target"),
                                               {.reduction = reduction_of(args)});
     }},
    {"relu", [](const Inputs& in, const Json&) { return relu(in.at("x")); }},
    {"leaky_relu",
     [](const Inputs& in, const Json& args) { return leaky_relu(in.at("x"), args.at("negative_slope")); }},
    {"elu", [](const Inputs& in, const Json& args) { return elu(in.at("x"), args.at("alpha")); }},
    {"exp", [](const Inputs& in, const Json&) { return exp(in.at("x")); }},
    {"abs", [](const Inputs& in, const Json&) { return abs(in.at("x")); }},
    {"sin", [](const Inputs& in, const Json&) { return sin(in.at("x")); }},
    {"cos", [](const Inputs& in, const Json&) { return cos(in.at("x")); }},
    {"square", [](const Inputs& in, const Json&) { return square(in.at("x")); }},
    {"log", [](const Inputs& in, const Json&) { return log(in.at("x")); }},
    {"sqrt", [](const Inputs& in, const Json&) { return sqrt(in.at("x")); }},
    {"reciprocal", [](const Inputs& in, const Json&) { return reciprocal(in.at("x")); }},
    {"rsqrt", [](const Inputs& in, const Json&) { return rsqrt(in.at("x")); }},
    {"selu", [](const Inputs& in, const Json&) { return selu(in.at("x")); }},
    {"silu", [](const Inputs& in, const Json&) { return silu(in.at("x")); }},
    {"tanh", [](const Inputs& in, const Json&) { return tanh(in.at("x")); }},
    {"sigmoid", [](const Inputs& in, const Json&) { return sigmoid(in.at("x")); }},
    {"clamp",
     [](const Inputs& in, const Json& args) { return clamp(in.at("x"), args.at("min"), args.at("max")); }},
    {"softplus", [](const Inputs& in, const Json& args) { return softplus(in.at("x"), args.at("beta")); }},
    {"gelu",
     [](const Inputs& in, const Json& args) {
       return gelu(in.at("x"),
                   args.at("approximate") == "tanh" ? GeluApproximation::tanh : GeluApproximation::none);
     }},
    {"layer_norm",
     [](const Inputs& in, const Json& args) {
       return layer_norm(in.at("x"), in.at("weight"), in.at("bias"), args.at("eps"));
     }},
    {"batch_norm",
     [](const Inputs& in, const Json& args) {
       return batch_norm(in.at("x"), {}, {}, in.at("weight"), in.at("bias"), args.at("training"),
                         args.at("momentum"), args.at("eps"));
     }},
    {"prelu", [](const Inputs& in, const Json&) { return prelu(in.at("x"), in.at("weight")); }},
    {"cross_entropy",
     [](const Inputs& in, const Json& args) {
       const auto weight = in.find("weight");
       return cross_entropy(in.at("input"), in.at("target"), cross_entropy_options(args),
                            weight == in.end() ? Tensor() : weight->second);
     }},
};

std::string label_of(const Json& stored) {
  std::string label = stored.at("op").get<std::string>() + " " + stored.at("args").dump();
  for (const auto& [name, input] : stored.at("inputs").items())
    label += " " + name + input.at("shape").dump();
  return label;
}

// A stored case in `dtype`. Where an input holds a NaN, the gradient at that element is not compared.
void check_case(const Json& stored, DType dtype) {
  const std::string label = label_of(stored);
  CAPTURE(label);
  CAPTURE(dtype);
  Inputs in;
  const bool differentiable = stored.contains("grads");
  for (const auto& [name, input] : stored.at("inputs").items()) {
    in[name] = test::golden_tensor(input, dtype);
    if (differentiable && stored.at("grads").contains(name)) in[name].requires_grad_();
  }
  const Tensor output = runs.at(stored.at("op"))(in, stored.at("args"));
  CHECK(output.dtype() == (stored.at("output").at("dtype") == "i64" ? DType::i64 : dtype));
  CHECK(test::golden_error(output, stored.at("output")) <= test::golden_bound(dtype));
  if (!differentiable) return;
  output.backward(test::golden_tensor(stored.at("grad_output"), dtype));
  for (const auto& [key, grad] : stored.at("grads").items()) {
    const std::string name = key;  // lambdas of Clang 14 do not see structured bindings
    CAPTURE(name);
    REQUIRE(in[name].grad().defined());
    const Tensor at = test::golden_tensor(stored.at("inputs").at(name));
    CHECK(test::golden_error(in[name].grad(), grad, at) <= test::golden_bound(dtype));
  }
}

// Every case of a file; there are `count`.
void check_file(const std::string& file, DType dtype, std::size_t count) {
  const Json cases = test::golden_cases(file);
  CHECK(cases.size() == count);
  for (const Json& stored : cases) check_case(stored, dtype);
}

TEST_CASE("golden: activations agree with PyTorch in f64") {
  check_file("activations.json", DType::f64, 112);
}
TEST_CASE("golden: activations agree with PyTorch in f32") {
  check_file("activations.json", DType::f32, 112);
}
TEST_CASE("golden: ops agree with PyTorch in f64") { check_file("ops.json", DType::f64, 151); }
TEST_CASE("golden: ops agree with PyTorch in f32") { check_file("ops.json", DType::f32, 151); }
TEST_CASE("golden: losses agree with PyTorch in f64") { check_file("losses.json", DType::f64, 73); }
TEST_CASE("golden: losses agree with PyTorch in f32") { check_file("losses.json", DType::f32, 73); }

}  // namespace
