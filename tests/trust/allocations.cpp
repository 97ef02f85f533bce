// K4: every allocation of loading, training and saving fails, once or, where no document of nlohmann's is at work, from one on
// for ever. That ends in bad_alloc or an Error, without a leak, and with everything as it was: the same again, with memory,
// gives what it gives without a failure.
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/bits.hpp>
#include <rill/core/create.hpp>
#include <rill/core/io/idx.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/model.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/checkpoint.hpp>

#include "../temp_dir.hpp"
#include "../thread_count.hpp"
#include "allocation_fault.hpp"
#include "checks.hpp"
#include "process.hpp"
#include "small_run.hpp"

namespace rill::trust {
namespace {

constexpr std::int64_t most_allocations = 1'000'000;

std::string bits_of(const Tensor& tensor) {
  std::string text;
  dispatch(tensor.dtype(), [&]<class T>(T) { text = test::to_text(std::as_bytes(tensor.data<T>())); });
  return text;
}

std::string bits_of(nn::Module& module) {
  std::string text;
  for (const auto& [name, value] : module.named_state()) text += name + bits_of(value);
  return text;
}

/// What is done with too little memory.
struct Subject {
  const char* name;
  bool json;                           // a document of nlohmann's is at work
  std::function<void()> prepare;       // with memory, before each try
  std::function<void()> run;           // without
  std::function<std::string()> state;  // what a failure must leave as it was, and what success makes
};

struct Counted {
  std::uint64_t cases = 0, spared = 0, other = 0, leaks = 0, changed = 0, silent = 0, not_again = 0;
};

class Starving {
 public:
  Starving(const Subject& subject, Report& report, Counted& counted)
      : subject_(subject), report_(report), counted_(counted) {
    subject_.prepare();
    subject_.run();  // and whatever is made only once is made
    expected_ = subject_.state();
  }

  // Whether so many allocations were asked for.
  bool fail(std::int64_t at, bool for_ever) {
    subject_.prepare();
    const std::string before = subject_.state();
    memory::trim();
    const std::int64_t held = pieces_held();
    const bool failed = starve(at, for_ever);
    memory::trim();
    const std::int64_t leaked = pieces_held() - held;
    if (!fired_) return false;
    ++counted_.cases;
    if (!failed) {
      // What did without the memory must have done its work all the same.
      if (subject_.state() != expected_) wrong(counted_.silent, "another result, and no error", at, for_ever);
      return true;
    }
    if (leaked != 0) wrong(counted_.leaks, fmt::format("{} pieces leaked", leaked), at, for_ever);
    if (subject_.state() != before) wrong(counted_.changed, "something has changed", at, for_ever);
    subject_.run();
    if (subject_.state() != expected_)
      wrong(counted_.not_again, "another result the next time", at, for_ever);
    return true;
  }

 private:
  bool starve(std::int64_t at, bool for_ever) {
    bool failed = true;
    {
      const AllocationFault fault(at, for_ever, subject_.json);
      try {
        subject_.run();
        failed = false;
      } catch (const std::bad_alloc&) {
      } catch (const Error&) {
      } catch (...) {
        other_ = true;
      }
      fired_ = fault.fired();
      counted_.spared += static_cast<std::uint64_t>(fault.spared());
    }
    if (std::exchange(other_, false)) wrong(counted_.other, "neither bad_alloc nor Error", at, for_ever);
    return failed;
  }

  void wrong(std::uint64_t& count, const std::string& what, std::int64_t at, bool for_ever) {
    if (count++ == 0)
      report_.detail(fmt::format("{}: allocation {}{}: {}", subject_.name, at,
                                 for_ever ? " and all behind it" : "", what));
  }

  const Subject& subject_;
  Report& report_;
  Counted& counted_;
  std::string expected_;
  bool fired_ = false, other_ = false;
};

void check_subject(const Subject& subject, std::int64_t stride, Report& report) {
  Counted counted;
  Starving starving(subject, report, counted);
  for (const bool for_ever : {false, true}) {
    if (for_ever && subject.json) continue;
    for (std::int64_t at = 0; at < most_allocations && starving.fail(at, for_ever); at += stride) {
    }
  }
  const auto line = [&](const char* what) { return fmt::format("{}: {}", subject.name, what); };
  report.at_least(
      line(subject.json ? "allocations that failed, once" : "allocations that failed, once and for ever"),
      counted.cases, 2);
  if (counted.spared > 0) report.count(line("spared within nlohmann's destructors"), counted.spared);
  report.exactly(line("leaks, changes, other exceptions, other results"),
                 counted.leaks + counted.changed + counted.other + counted.silent + counted.not_again, 0);
}

// --- what is starved -------------------------------------------------------------------------------------------------

// A model, and its first step: the optimizer has no state yet.
struct Step {
  std::unique_ptr<nn::Sequential> model;
  std::unique_ptr<optim::Adam> optimizer;
  Tensor x, y;

  void prepare() {
    Generator generator(1);
    optimizer.reset();
    model = std::make_unique<nn::Sequential>(nn::Sequential{nn::Dense(5, 7, generator), nn::ELU(),
                                                            nn::Dense(7, 4, generator), nn::PReLU(4),
                                                            nn::Dense(4, 3, generator)});
    optimizer = std::make_unique<optim::Adam>(*model, optim::AdamOptions{.lr = 0.01});
    x = randn({6, 5}, generator);
    y = zeros({6}, DType::i64);
  }

  void run() {
    try {
      optimizer->zero_grad();
      cross_entropy((*model)(x), y).backward();
      optimizer->step();
    } catch (...) {
      optimizer->zero_grad();  // some of the gradients are there
      throw;
    }
  }

  std::string state() {
    std::string text = bits_of(*model);
    for (const Tensor& parameter : model->parameters()) {
      const optim::ParamState state = optimizer->state(parameter);
      text += std::to_string(state.steps);
      for (const auto& [name, value] : state.tensors) text += name + bits_of(value);
    }
    return text;
  }
};

std::string content_of(const io::Safetensors& file) {
  std::string text;
  for (const auto& [key, value] : file.metadata) text += key + value;
  for (const auto& [name, value] : file.tensors) text += name + bits_of(value);
  return text;
}

}  // namespace

void check_allocations(const Scale& scale, Report& report) {
  report.begin("K4");
  const FoldersInMemory in_memory;
  const test::ThreadCount one(1);
  const test::TempDir folder;
  const SmallRun run(folder);
  run.train({.epochs = 1});
  const std::string checkpoint = run.checkpoint();
  const optim::detail::Checkpoint loaded = optim::detail::load_checkpoint(checkpoint);
  const io::Safetensors tensors{.tensors = loaded.weights, .metadata = {{"a", "b"}}, .checksum = true};
  nn::Model model = nn::load_model(checkpoint);
  const std::string idx = folder.file("x.idx");
  io::write_idx(idx, {{3, 4}, io::IdxType::u8, std::vector<std::byte>(12, std::byte{7})});
  const std::string target = folder.file("saved");
  Step step;

  // What is loaded, if it is.
  std::optional<optim::RunConfig> config;
  std::optional<optim::detail::Checkpoint> found;
  std::optional<nn::Model> found_model;
  io::Safetensors found_tensors;
  Tensor x;
  const auto reset = [&] {
    config.reset();
    found.reset();
    found_model.reset();
    found_tensors = {};
    x = {};
    step = {};
    folder.write("saved", "the old content");
  };
  const auto state = [&] {
    std::string text = config ? optim::to_json(*config) : "";
    if (found) text += content_of({.tensors = found->weights, .metadata = found->metadata});
    if (found_model) text += bits_of(*found_model);
    text += content_of(found_tensors) + (x.defined() ? bits_of(x) : "") + (step.model ? step.state() : "");
    for (const std::string& name : folder.names()) text += name + "\n";
    return text + folder.read("saved");
  };
  const auto prepare_step = [&] {
    reset();
    step.prepare();
  };
  const std::vector<Subject> subjects{
      {"load a run config", true, reset, [&] { config = optim::load_run(run.config()); }, state},
      {"load a checkpoint", true, reset, [&] { found = optim::detail::load_checkpoint(checkpoint); }, state},
      {"load a model", true, reset, [&] { found_model = nn::load_model(checkpoint); }, state},
      {"load safetensors", false, reset, [&] { found_tensors = io::load_safetensors(checkpoint); }, state},
      {"load IDX", false, reset, [&] { x = io::read_idx(idx).to_tensor(DType::f32); }, state},
      {"load CSV", false, reset, [&] { x = nn::data::load_csv(folder.file("data.csv")).dataset->x(); },
       state},
      {"a training step", false, prepare_step, [&] { step.run(); }, state},
      {"save safetensors", false, reset, [&] { io::save_safetensors(target, tensors); }, state},
      {"save a checkpoint", true, reset, [&] { optim::detail::save_checkpoint(target, loaded); }, state},
      {"save a model", true, reset, [&] { nn::save_model(model, target); }, state},
  };
  for (const Subject& subject : subjects) check_subject(subject, scale.of(subject.json ? 7 : 1, 1), report);
}

}  // namespace rill::trust
