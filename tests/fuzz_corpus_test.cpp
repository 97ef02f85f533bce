// The corpus of the fuzz targets, replayed without libFuzzer: tests/fuzz/corpus/<target>/, each file an input.
#include <filesystem>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include <rill/optim/checkpoint.hpp>

#include "fuzz/targets.hpp"
#include "temp_dir.hpp"

namespace {

using namespace rill;

const std::string corpus = "tests/fuzz/corpus";

/// The bytes of every file in a folder, by name.
std::map<std::string, std::vector<std::byte>> inputs_in(const std::string& folder) {
  std::map<std::string, std::vector<std::byte>> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    inputs[entry.path().filename().string()] =
        test::to_bytes(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  return inputs;
}

}  // namespace

TEST_CASE("fuzz: every input of the corpus is read or refused") {
  for (const fuzz::Target& target : fuzz::all_targets()) {
    const auto inputs = inputs_in(corpus + "/" + std::string(target.name));
    CAPTURE(target.name);
    CHECK(inputs.size() >= 10);
    for (const auto& input : inputs) {
      CAPTURE(input.first);
      CHECK_NOTHROW(target.run(input.second));
    }
  }
}

TEST_CASE("fuzz: a whole checkpoint is among the inputs") {
  const auto checkpoint = optim::detail::load_checkpoint(corpus + "/safetensors/seed095");
  CHECK(checkpoint.history.size() == 2);
  CHECK(checkpoint.callbacks.size() == 1);
}

TEST_CASE("fuzz: an input cut off anywhere is read or refused") {
  for (const fuzz::Target& target : fuzz::all_targets()) {
    const auto inputs = inputs_in(corpus + "/" + std::string(target.name));
    CAPTURE(target.name);
    const std::vector<std::byte>& bytes = inputs.begin()->second;
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_NOTHROW(target.run(std::span(bytes).first(size)));
  }
}

TEST_CASE("fuzz: every target has a corpus, and every corpus a target") {
  std::set<std::string> targets, folders;
  for (const fuzz::Target& target : fuzz::all_targets()) targets.emplace(target.name);
  for (const auto& entry : std::filesystem::directory_iterator(corpus))
    folders.insert(entry.path().filename().string());
  CHECK(targets == folders);
}
