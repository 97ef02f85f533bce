#include <algorithm>
#include <atomic>

#include <rill/core/bits.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/health/nan_trap.hpp>

namespace rill::nn {
namespace {

std::string described(const NonFinite& found) {
  const std::string where = found.layer.empty() ? "outside of the layers" : "layer " + found.layer;
  const std::string inputs = found.from_inputs ? ", from inputs that are not finite" : ", from finite inputs";
  return where + ": " + found.op + " gives NaN or infinity" +
         (found.backward ? " in the backward pass" : "") + inputs;
}

// Gives buffers and counters back as they were: a forward pass in training mode moves them.
class BufferKeeper {
 public:
  explicit BufferKeeper(Module& model) { snapshot_.take(model); }
  ~BufferKeeper() { snapshot_.restore(); }
  BufferKeeper(const BufferKeeper&) = delete;
  BufferKeeper& operator=(const BufferKeeper&) = delete;

 private:
  BufferSnapshot snapshot_;
};

// A product with 0 is 0, or NaN for what is not finite; summed without a branch, so that it is vectorised.
template <class T>
bool run_is_finite(const T* x, std::int64_t count) {
  T sum = 0;
  on_isa([=, out = &sum] {
    constexpr std::int64_t lanes = 32;
    T sums[lanes] = {};
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) sums[lane] += x[i + lane] * T(0);
    }
    for (; i < count; ++i) sums[0] += x[i] * T(0);
    for (const T each : sums) *out += each;
  });
  return sum == T(0);
}

}  // namespace

// What take() walks with: overwrites what an earlier one has left.
class BufferSnapshot::Taker final : public Visitor {
 public:
  explicit Taker(BufferSnapshot& into) : into_(into) {}
  void buffer(std::string_view, Tensor& value) override {
    if (!value.defined()) return;
    if (buffers_ == into_.buffers_.size()) into_.buffers_.emplace_back();
    Buffer& kept = into_.buffers_[buffers_++];
    kept.place = &value;
    kept.tensor = value;
    if (kept.values.defined() && kept.values.dtype() == value.dtype() &&
        kept.values.shape() == value.shape()) {
      rill::detail::copy_values(value, kept.values);
    } else {
      kept.values = value.detach().clone();
    }
  }
  void counter(std::string_view, std::uint64_t& value) override {
    if (counters_ == into_.counters_.size()) into_.counters_.emplace_back();
    into_.counters_[counters_++] = {&value, value};
  }
  void child(std::string_view, Module& module) override { module.visit(*this); }

  void finish() {
    into_.buffers_.resize(buffers_);
    into_.counters_.resize(counters_);
  }

 private:
  BufferSnapshot& into_;
  std::size_t buffers_ = 0, counters_ = 0;
};

void BufferSnapshot::take(Module& model) {
  Taker taker(*this);
  model.visit(taker);
  taker.finish();
}

void BufferSnapshot::restore() {
  for (Buffer& kept : buffers_) {
    rill::detail::copy_values(kept.values, kept.tensor);
    *kept.place = kept.tensor;
  }
  for (const auto& [place, value] : counters_) *place = value;
}

bool all_finite(const Tensor& x) {
  if (!x.defined() || !is_floating(x.dtype())) return true;
  std::atomic<bool> finite = true;
  dispatch_floating(x.dtype(), "all_finite", [&]<class T>(T) {
    parallel_for(x.numel(), [all = x.data<T>().data(), &finite](std::int64_t begin, std::int64_t end) {
      if (!run_is_finite(all + begin, end - begin)) finite.store(false, std::memory_order_relaxed);
    });
  });
  return finite;
}

void NanTrap::after(const OpRun& run) {
  if (found_ || std::ranges::all_of(run.results, all_finite)) return;
  found_ =
      NonFinite{.op = std::string(run.name), .layer = {}, .backward = run.backward, .from_inputs = false};
  for (const Tensor* input : run.inputs) {
    const bool overwritten = input == run.results.data();
    found_->from_inputs |= !overwritten && !all_finite(*input);
  }
  const auto layer = std::ranges::find(modules_, run.module,
                                       [](const NamedModule& part) -> const void* { return part.module; });
  if (layer != modules_.end())
    found_->layer = layer->name + (layer->name.empty() ? "" : " ") + std::string(layer->module->type());
}

std::vector<std::string> non_finite_parameters(Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, value] : model.named_parameters()) {
    if (!all_finite(value)) names.push_back(name);
  }
  return names;
}

std::vector<std::string> non_finite_gradients(Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, value] : model.named_parameters()) {
    if (!all_finite(value.grad())) names.push_back(name);
  }
  return names;
}

std::string explain_non_finite(Module& model, const std::function<Tensor()>& loss) {
  const auto broken = non_finite_parameters(model);
  if (!broken.empty()) {
    return "parameter " + broken.front() + " holds NaN or infinity" +
           (broken.size() > 1 ? ", and " + std::to_string(broken.size() - 1) + " more" : "");
  }
  std::vector<Tensor> trained;
  for (Tensor& parameter : model.parameters()) {
    if (parameter.requires_grad()) trained.push_back(std::move(parameter));
  }
  const BufferKeeper buffers(model);
  const NanTrap trap(model);
  const GradMode recording(true);
  const Tensor value = loss();
  if (!trap.found() && !trained.empty() && value.requires_grad())
    grad({value}, trained, {}, {.allow_unused = true});
  return trap.found() ? described(*trap.found()) : "";
}

}  // namespace rill::nn
