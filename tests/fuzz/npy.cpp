#include <optional>

#include <rill/core/io/npy.hpp>

#include "reading.hpp"

namespace rill::fuzz {

void fuzz_npy(Bytes input) {
  Tensor tensor;
  for (const std::optional<DType> dtype : {std::optional<DType>(), std::optional(DType::f32),
                                           std::optional(DType::f64), std::optional(DType::i64)}) {
    if (!accepted("x.npy: ", [&] { tensor = io::parse_npy(input, "x.npy", dtype); })) continue;
    if (dtype) require(tensor.dtype() == *dtype, "npy: the dtype is another one than was asked for");
  }
  if (!accepted("x.npy: ", [&] { tensor = io::parse_npy(input, "x.npy"); })) return;
  const std::string path = scratch().file("x.npy");
  io::save_npy(path, tensor);
  require_same(io::load_npy(path), tensor, "npy");
}

// The length of the header, which ends with a line feed.
std::size_t mend_npy(std::span<std::byte> room, std::size_t size) {
  constexpr std::size_t fixed = 10;
  if (size < fixed || room[6] != std::byte{1}) return size;
  const std::size_t end = text_of(room.first(size)).find("}", fixed);
  if (end == std::string_view::npos) return size;
  const std::size_t length = end + 1 - fixed;
  room[8] = static_cast<std::byte>(length & 0xff);
  room[9] = static_cast<std::byte>(length >> 8 & 0xff);
  return size;
}

}  // namespace rill::fuzz
