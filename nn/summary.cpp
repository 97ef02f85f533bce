#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include <rill/nn/summary.hpp>

namespace rill::nn {
namespace {

std::string with_commas(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

// What a module returned for batches of two sizes: an axis that follows them is the batch.
struct Outputs {
  static constexpr std::int64_t batches[] = {2, 3};
  std::optional<Shape> shapes[2];

  // "[n, 10]".
  std::string text() const {
    if (!shapes[0] || !shapes[1]) return "-";
    const Shape &first = *shapes[0], &second = *shapes[1];
    std::string text = "[";
    for (int axis = 0; axis < first.rank(); ++axis) {
      const bool follows =
          second.rank() == first.rank() && first[axis] == batches[0] && second[axis] == batches[1];
      if (axis > 0) text += ", ";
      text += follows ? "n" : std::to_string(first[axis]);
    }
    return text + "]";
  }
};

// The tensors that one module holds itself.
struct OwnTensors final : Visitor {
  explicit OwnTensors(Module& module) { module.visit(*this); }
  void parameter(std::string_view, Tensor& value) override { parameters.push_back(value); }
  void buffer(std::string_view, Tensor& value) override { buffers.push_back(value); }
  std::vector<Tensor> parameters, buffers;
};

// Notes the shape that each module returns, while it lives.
class ShapeProbe {
 public:
  explicit ShapeProbe(const std::vector<NamedModule>& modules) {
    for (const NamedModule& part : modules) {
      if (!outputs.try_emplace(part.module).second) continue;
      handles_.push_back(
          part.module->register_forward_hook([this](Module& module, const Tensor&, const Tensor& y) {
            outputs[&module].shapes[pass] = y.shape();
            return Tensor();
          }));
    }
  }
  ~ShapeProbe() {
    for (ForwardHookHandle& handle : handles_) handle.remove();
  }
  ShapeProbe(const ShapeProbe&) = delete;
  ShapeProbe& operator=(const ShapeProbe&) = delete;

  std::map<const Module*, Outputs> outputs;
  std::size_t pass = 0;

 private:
  std::vector<ForwardHookHandle> handles_;
};

std::map<const Module*, Outputs> outputs_of(Module& model, const Shape& input_shape) {
  const std::vector<Tensor> parameters = model.parameters();
  const DType dtype = parameters.empty() ? DType::f32 : parameters[0].dtype();
  std::vector<std::int64_t> sizes{0};
  sizes.insert(sizes.end(), input_shape.begin(), input_shape.end());
  const EvalMode evaluation(model);
  const NoGrad no_grad;
  ShapeProbe probe(model.named_modules());
  for (const std::int64_t batch : Outputs::batches) {
    sizes[0] = batch;
    model(zeros(Shape(sizes), dtype));
    ++probe.pass;
  }
  return std::move(probe.outputs);
}

struct Totals {
  std::int64_t trainable = 0, frozen = 0, buffers = 0;
  std::size_t bytes = 0;
  std::set<const void*> seen;

  bool first(const Tensor& value) { return seen.insert(rill::detail::Access::handle(value).get()).second; }

  // The parameters of one module, as its row shows them.
  std::string add(const OwnTensors& own) {
    std::int64_t count = 0;
    bool tied = false;
    for (const Tensor& value : own.parameters) {
      if (!first(value)) {
        tied = true;
        continue;
      }
      count += value.numel();
      (value.requires_grad() ? trainable : frozen) += value.numel();
      bytes += static_cast<std::size_t>(value.numel()) * size_of(value.dtype());
    }
    for (const Tensor& value : own.buffers) {
      if (!first(value)) continue;
      buffers += value.numel();
      bytes += static_cast<std::size_t>(value.numel()) * size_of(value.dtype());
    }
    return with_commas(count) + (tied ? " tied" : "");
  }

  std::string text() const {
    return fmt::format("parameters {} (trainable {}, frozen {}), buffers {}, {} bytes\n",
                       with_commas(trainable + frozen), with_commas(trainable), with_commas(frozen),
                       with_commas(buffers), with_commas(static_cast<std::int64_t>(bytes)));
  }
};

using Row = std::array<std::string, 4>;

std::string table(const std::vector<Row>& rows) {
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}\n", row[0], widths[0], row[1], widths[1], row[2],
                        widths[2], row[3], widths[3]);
  }
  return text;
}

}  // namespace

std::string summary(Module& model, const Shape& input_shape) {
  const auto outputs = outputs_of(model, input_shape);
  std::vector<Row> rows{{"layer", "type", "output", "parameters"}};
  Totals totals;
  for (const NamedModule& part : model.named_modules()) {
    const OwnTensors own(*part.module);
    const std::string parameters = totals.add(own);
    rows.push_back({part.name.empty() ? "(model)" : part.name, std::string(part.module->type()),
                    outputs.at(part.module).text(), parameters});
  }
  return table(rows) + totals.text();
}

}  // namespace rill::nn
