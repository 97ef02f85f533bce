#include <cstring>
#include <zlib.h>

#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/model.hpp>
#include <rill/optim/checkpoint.hpp>

#include "models.hpp"
#include "reading.hpp"

namespace rill::fuzz {
namespace {

void write_and_read(const io::Safetensors& file) {
  for (const auto& [name, tensor] : file.tensors) {
    if (name.empty()) return;  // which is read, but not written
  }
  const std::string path = scratch().file("copy.safetensors");
  io::save_safetensors(path, file);
  const io::Safetensors again = io::load_safetensors(path);
  require(again.metadata.size() >= file.metadata.size() && again.tensors.size() == file.tensors.size() &&
              again.checksum == file.checksum,
          "safetensors: parts are missing when it is written and read again");
  for (const auto& [name, tensor] : file.tensors) {
    const auto same = std::ranges::find(
        again.tensors, name, [](const auto& each) -> const auto& { return each.first; });
    require(same != again.tensors.end(), "safetensors: a tensor is missing");
    require_same(same->second, tensor, "safetensors");
  }
}

// What was read is written, and written again from that: the same bytes.
void read_checkpoint(const std::string& path) {
  optim::detail::Checkpoint checkpoint;
  if (!accepted(path, [&] { checkpoint = optim::detail::load_checkpoint(path); })) return;
  for (const auto& [name, tensor] : checkpoint.weights) {
    if (name.empty()) return;  // which is read, but not written
  }
  const std::string once = scratch().file("once.safetensors"), twice = scratch().file("twice.safetensors");
  optim::detail::save_checkpoint(once, checkpoint);
  optim::detail::save_checkpoint(twice, optim::detail::load_checkpoint(once));
  constexpr std::size_t most = 1 << 20;
  require(io::read_file(once, most) == io::read_file(twice, most),
          "safetensors: a checkpoint changes when it is read");
}

}  // namespace

void fuzz_safetensors(Bytes input) {
  io::Safetensors file;
  if (!accepted("x.safetensors: ", [&] { file = io::parse_safetensors(input, "x.safetensors"); })) return;
  write_and_read(file);
  const std::string path = scratch().write("x.safetensors", text_of(input));
  if (file.metadata.contains("rill.training")) read_checkpoint(path);
  if (!file.metadata.contains("rill.model")) return;
  nn::Model model;
  if (accepted(path, [&] { model = nn::load_model(path, {.max_parameters = max_parameters}); }))
    check_model(model);
}

namespace {

// Behind the brace that ends the header, and the spaces behind that.
std::size_t end_of_header(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 8; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && (text[i] == '{' || text[i] == '}')) {
      depth += text[i] == '{' ? 1 : -1;
      if (depth > 0) continue;
      return std::min(text.size(), text.find_first_not_of(' ', i + 1));
    }
  }
  return text.size();
}

}  // namespace

// The header's length, and the checksum if there is one.
std::size_t mend_safetensors(std::span<std::byte> room, std::size_t size) {
  constexpr std::string_view key = "\"rill.checksum\":\"", blank = "00000000";
  if (size < 8) return size;
  const std::string_view text = text_of(room.first(size));
  const std::uint64_t length = end_of_header(text) - 8;
  std::memcpy(room.data(), &length, sizeof length);
  const std::size_t place = text.find(key), digits = place + key.size();
  if (place == std::string_view::npos || digits + blank.size() > size) return size;
  std::memcpy(room.data() + digits, blank.data(), blank.size());
  const auto sum = ::crc32(0, reinterpret_cast<const Bytef*>(room.data()), static_cast<uInt>(size));
  for (std::size_t i = 0; i < blank.size(); ++i)
    room[digits + i] = static_cast<std::byte>("0123456789abcdef"[sum >> (28 - 4 * i) & 15]);
  return size;
}

}  // namespace rill::fuzz
