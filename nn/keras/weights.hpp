// The weights of a TensorFlow.js model: what its weightsManifest says, and the files, its shards, that hold the values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {

/// How a shard holds numbers.
enum class Stored { float32, float16, int32, boolean, uint8, uint16 };

std::uint64_t bytes_of(Stored stored);

/// Numbers in a shard; those of uint8 and uint16 are v · scale + min, rounded where they stand for whole ones.
struct Values {
  Stored stored = Stored::float32;
  double scale = 1, min = 0;
  bool whole = false;
  std::uint64_t offset = 0;  ///< of the first byte, in the files of the group one after the other
  std::uint64_t count = 0;
};

/// The value of element `index`; little-endian.
double value_at(const Values& values, const std::vector<std::byte>& bytes, std::uint64_t index);

class Manifest {
 public:
  /// Reads it, and finds each weight's slot by its name. No file is opened, only their sizes are asked for. Throws Error, naming the place: for files that are
  /// no plain names, missing, longer or shorter than their weights, and weights that are unknown, missing or of another shape,
  /// all of which it names.
  Manifest(const Node& node, const std::string& folder, const std::vector<Slot>& slots);

  /// Gives the model its values.
  void read_into(Model& model) const;

 private:
  struct Weight {
    Slot slot;
    Values values;
  };
  struct Group {
    std::vector<std::string> files = {};
    std::uint64_t bytes = 0;
    std::vector<Weight> weights = {};
  };

  std::vector<std::byte> read_group(const Group& group) const;

  std::vector<Group> groups_;
};

}  // namespace rill::nn::keras
