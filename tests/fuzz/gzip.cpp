#include <cstring>
#include <zlib.h>

#include <rill/core/io/gzip.hpp>

#include "reading.hpp"

namespace rill::fuzz {

void fuzz_gzip(Bytes input) {
  constexpr std::size_t most = 1 << 16;
  const std::string where = "x.gz";
  std::vector<std::byte> all, prefix;
  const bool complete = accepted("x.gz: ", [&] { all = io::inflate(input, most, where); });
  const std::size_t size = complete ? all.size() : most;
  for (const std::size_t length : {size / 2, size}) {
    const bool read = accepted("x.gz: ", [&] { prefix = io::inflate_prefix(input, length, where); });
    require(read || !complete, "gzip: the start of what is read is refused");
    require(prefix.size() <= length, "gzip: more was decoded than was asked for");
    if (complete)
      require(std::equal(prefix.begin(), prefix.end(), all.begin()) && prefix.size() == length,
              "gzip: the start is another one");
  }
  if (complete && size > 0)
    require(!accepted("x.gz: ", [&] { io::inflate(input, size - 1, where); }), "gzip: the limit is passed");
}

// The checksum and the length of the first member, if it can be decoded, and no more members.
std::size_t mend_gzip(std::span<std::byte> room, std::size_t size) {
  constexpr std::size_t header = 10, trailer = 8, most = 1 << 16;
  if (size < header || room[3] != std::byte{0}) return size;
  std::vector<Bytef> out(most);
  z_stream stream{};
  if (::inflateInit2(&stream, -15) != Z_OK) return size;
  stream.next_in = reinterpret_cast<Bytef*>(room.data() + header);
  stream.avail_in = static_cast<uInt>(size - header);
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = ::inflate(&stream, Z_FINISH);
  const auto decoded = static_cast<std::uint32_t>(out.size() - stream.avail_out);
  const std::size_t end = size - stream.avail_in;
  ::inflateEnd(&stream);
  if (status != Z_STREAM_END || end + trailer > room.size()) return size;
  const auto sum = static_cast<std::uint32_t>(::crc32(0, out.data(), decoded));
  const std::uint32_t words[2] = {sum, decoded};
  std::memcpy(room.data() + end, words, trailer);
  return end + trailer;
}

}  // namespace rill::fuzz
