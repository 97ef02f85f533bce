#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <zlib.h>

#include <rill/core/error.hpp>
#include <rill/core/io/gzip.hpp>

namespace rill::io {
namespace {

constexpr std::size_t max_piece = std::numeric_limits<uInt>::max();

/// One pass over the members of `data`.
class Inflater {
 public:
  Inflater(std::span<const std::byte> data, const std::string& where) : data_(data), where_(where) {
    constexpr int gzip_only = 15 + 16;  // zlib's code for the largest window and a gzip header
    const int status = ::inflateInit2(&stream_, gzip_only);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    RILL_CHECK(status == Z_OK, where_, ": zlib does not start (status ", status, "), expected version ",
               ZLIB_VERSION);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  /// Fills `out` as far as the data reaches; the number of bytes written.
  std::size_t read(std::span<std::byte> out) {
    std::size_t written = 0;
    while (written < out.size() && !finished_) written += step(out.subspan(written));
    return written;
  }

 private:
  std::size_t step(std::span<std::byte> out) {
    const std::size_t given = std::min(data_.size() - used_, max_piece);
    const std::size_t room = std::min(out.size(), max_piece);
    // zlib's field is not const, but it only reads there.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data_.data() + used_));
    stream_.avail_in = static_cast<uInt>(given);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    used_ += given - stream_.avail_in;
    const std::size_t written = room - stream_.avail_out;
    if (status == Z_STREAM_END) {
      end_member();
    } else if (status != Z_OK) {
      fail(status);
    }
    return written;
  }

  void end_member() {
    finished_ = used_ == data_.size();
    if (finished_) return;
    const std::span<const std::byte> rest = data_.subspan(used_);
    RILL_CHECK(is_gzip(rest), where_, ": gzip data ends at byte ", used_, " of ", data_.size(),
               ", expected another member or nothing behind it");
    ::inflateReset(&stream_);
  }

  [[noreturn]] void fail(int status) const {
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    RILL_CHECK(status != Z_BUF_ERROR, where_, ": gzip data ends after ", data_.size(),
               " bytes inside a member, expected its end; the file is truncated");
    const char* reason = stream_.msg ? stream_.msg : "preset dictionary";
    detail::fail(detail::concat(where_, ": gzip data is corrupt at byte ", used_, " (", reason,
                                "), expected intact gzip data"));
  }

  std::span<const std::byte> data_;
  const std::string& where_;
  std::size_t used_ = 0;
  bool finished_ = false;  // the last member has ended and was verified
  z_stream stream_{};
};

std::vector<std::byte> read_up_to(Inflater& inflater, std::size_t data_bytes, std::size_t max_bytes) {
  constexpr std::size_t usual_ratio = 4;
  std::vector<std::byte> out(std::min(max_bytes, usual_ratio * std::min(data_bytes, SIZE_MAX / 8) + 1024));
  std::size_t used = inflater.read(out);
  while (used == out.size() && used < max_bytes) {
    const std::size_t next = std::min(max_bytes, 2 * used);
    out.reserve(next);  // resize() alone may take more
    out.resize(next);
    used += inflater.read(std::span(out).subspan(used));
  }
  out.resize(used);
  return out;
}

}  // namespace

bool is_gzip(std::span<const std::byte> data) {
  return data.size() >= 2 && data[0] == std::byte{0x1f} && data[1] == std::byte{0x8b};
}

std::vector<std::byte> inflate_prefix(std::span<const std::byte> data, std::size_t max_bytes,
                                      const std::string& where) {
  Inflater inflater(data, where);
  return read_up_to(inflater, data.size(), max_bytes);
}

std::vector<std::byte> inflate(std::span<const std::byte> data, std::size_t max_bytes,
                               const std::string& where) {
  Inflater inflater(data, where);
  std::vector<std::byte> out = read_up_to(inflater, data.size(), max_bytes);
  std::byte beyond{};
  RILL_CHECK(inflater.read({&beyond, 1}) == 0, where, ": gzip data decodes to more than ", max_bytes,
             " bytes, expected at most ", max_bytes);
  return out;
}

}  // namespace rill::io
