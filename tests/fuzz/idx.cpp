#include <rill/core/io/idx.hpp>

#include "reading.hpp"

namespace rill::fuzz {

void fuzz_idx(Bytes input) {
  io::IdxArray array;
  if (!accepted("x.idx: ", [&] { array = io::parse_idx({input.begin(), input.end()}, "x.idx"); })) return;
  for (const DType dtype : {DType::f32, DType::f64, DType::i64})
    accepted("idx: element ", [&] { array.to_tensor(dtype); });
  const std::string path = scratch().file("x.idx");
  io::write_idx(path, array);
  const io::IdxArray again = io::read_idx(path);
  require(again.shape == array.shape && again.type == array.type && again.bytes == array.bytes,
          "idx: the array is another one when it is written and read again");
}

// The first size, so that the elements fit, and no more bytes than those.
std::size_t mend_idx(std::span<std::byte> room, std::size_t size) {
  if (size < 8) return size;
  room[0] = room[1] = std::byte{0};
  const std::size_t rank = std::to_integer<std::size_t>(room[3]), header = 4 + 4 * rank;
  if (rank < 1 || rank > 8 || size < header) return size;
  std::size_t bytes = std::to_integer<unsigned>(room[2]) < 0x0b   ? 1
                      : std::to_integer<unsigned>(room[2]) < 0x0c ? 2
                      : std::to_integer<unsigned>(room[2]) < 0x0e ? 4
                                                                  : 8;
  for (std::size_t i = 8; i < header; i += 4) {
    for (std::size_t j = 0; j < 3; ++j) room[i + j] = std::byte{0};
    bytes *= std::to_integer<std::size_t>(room[i + 3]);
  }
  const std::size_t count = bytes == 0 ? 0 : (size - header) / bytes;
  for (std::size_t j = 0; j < 4; ++j) room[4 + j] = static_cast<std::byte>(count >> (8 * (3 - j)) & 0xff);
  return header + count * bytes;
}

}  // namespace rill::fuzz
