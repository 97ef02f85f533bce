// The fuzz targets: each takes any bytes as the content of a hostile file, reads them as rill reads that kind of file, and
// checks what holds for every content. libFuzzer makes the bytes (main.cpp, `make fuzz`); tests/fuzz_corpus_test.cpp replays
// those in corpus/.
//
// An Error of one line that begins with the file is how content is refused; every other exception is a finding, as are a
// crash, a leak, and more time or memory than main.cpp's flags allow. What is read has to survive being written and read
// again. Targets keep nothing from one input to the next, and write to a folder of their own alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace rill::fuzz {

using Bytes = std::span<const std::byte>;

/// Arguments of the rill command, each ended by a zero byte. They are parsed, and nothing is done.
void fuzz_command_line(Bytes input);
/// A model in rill's JSON format.
void fuzz_config(Bytes input);
/// A byte that chooses the delimiter and what is made of it, then a table.
void fuzz_csv(Bytes input);
/// Gzip data, of any content.
void fuzz_gzip(Bytes input);
/// An IDX file, plain or packed.
void fuzz_idx(Bytes input);
/// A model of Keras without weights.
void fuzz_keras(Bytes input);
/// A npy file.
void fuzz_npy(Bytes input);
/// A run, and behind a zero byte each an override.
void fuzz_run(Bytes input);
/// A safetensors file, also as a saved model and as a checkpoint.
void fuzz_safetensors(Bytes input);
/// A TensorFlow.js model, and behind a zero byte its shard w.bin.
void fuzz_tfjs(Bytes input);

// Each mends what random changes nearly always break, so that they get beyond the first check: lengths and checksums. The first
// `size` bytes of `room` are the input; returns its new size.

std::size_t mend_gzip(std::span<std::byte> room, std::size_t size);
std::size_t mend_idx(std::span<std::byte> room, std::size_t size);
std::size_t mend_npy(std::span<std::byte> room, std::size_t size);
std::size_t mend_safetensors(std::span<std::byte> room, std::size_t size);

struct Target {
  std::string_view name;
  void (*run)(Bytes input);
  std::size_t (*mend)(std::span<std::byte> room, std::size_t size) = nullptr;
};

inline const std::vector<Target>& all_targets() {
  static const std::vector<Target> targets{{"command_line", fuzz_command_line},
                                           {"config", fuzz_config},
                                           {"csv", fuzz_csv},
                                           {"gzip", fuzz_gzip, mend_gzip},
                                           {"idx", fuzz_idx, mend_idx},
                                           {"keras", fuzz_keras},
                                           {"npy", fuzz_npy, mend_npy},
                                           {"run", fuzz_run},
                                           {"safetensors", fuzz_safetensors, mend_safetensors},
                                           {"tfjs", fuzz_tfjs}};
  return targets;
}

}  // namespace rill::fuzz
