#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/half.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/core/io/safetensors_checksum.hpp>
#include <rill/core/io/safetensors_header.hpp>

namespace rill::io {
namespace {

using safetensors::about;
using safetensors::blank_checksum;
using safetensors::checksum_key;
using safetensors::Entry;
using safetensors::format_name;
using safetensors::in_quotes;
using safetensors::metadata_key;

static_assert(std::endian::native == std::endian::little, "tensors are copied as they lie in the file");

using Json = nlohmann::json;

constexpr std::size_t length_bytes = 8;

// A file, read once from its start to its end.
struct Source {
  std::uint64_t size;
  std::function<std::size_t(std::span<std::byte>)> read;  // how many bytes; fewer only at the end
  const std::string& where;

  void fill(std::span<std::byte> room) const {
    const std::size_t got = read(room);
    RILL_CHECK(got == room.size(), where, ": the file ended ", room.size() - got,
               " bytes early, expected the ", size, " that it had; it has changed while it was read");
  }
};

/// The bytes behind the length.
std::string read_header(const Source& source, std::uint64_t length) {
  const std::string& where = source.where;
  RILL_CHECK(length <= max_safetensors_header, where, ": header length is ", length, ", expected at most ",
             max_safetensors_header, "; is it a safetensors file?");
  const std::uint64_t rest = source.size - length_bytes;
  RILL_CHECK(length <= rest, where, ": header length is ", length, ", expected at most ", rest,
             " in a file of ", source.size, " bytes; the file is truncated");
  std::string header(static_cast<std::size_t>(length), ' ');
  source.fill(std::as_writable_bytes(std::span(header)));
  return header;
}

/// The header's text without the spaces behind it.
std::string_view text_of(std::string_view text, const std::string& where) {
  RILL_CHECK(text.starts_with('{'), where, ": header starts with ", in_quotes(text.substr(0, 1), false),
             ", expected \"{\"");
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  RILL_CHECK(text.ends_with('}'), where, ": header ends with ",
             in_quotes(text.substr(text.size() - 1), false), ", expected \"}\" and spaces");
  // The parser would take a zero byte for the end and ignore what follows.
  const std::size_t zero = text.find('\0');
  RILL_CHECK(zero == std::string_view::npos, where, ": header holds a zero byte at ", zero,
             ", expected json");
  return text;
}

/// Bytes that a tensor takes. Empty dimensions count as 1 in the check, so that a Shape can be made of the sizes.
std::uint64_t checked_bytes(const Entry& entry, const std::string& where) {
  std::uint64_t count = 1;
  bool overflow = false, empty = false;
  for (const std::uint64_t size : entry.shape) {
    empty |= size == 0;
    overflow |= __builtin_mul_overflow(count, std::max<std::uint64_t>(size, 1), &count);
  }
  RILL_CHECK(!overflow && count <= INT64_MAX / 8, about(where, entry.name), ": ", entry.describe(),
             " has too many elements, expected fewer than 2^60");
  return empty ? 0 : count * entry.stored.size;
}

/// Sorts the entries by their place and checks that they fill `data_bytes` without holes or overlaps.
void check_layout(std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& where) {
  std::ranges::stable_sort(entries, {}, &Entry::offsets);
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    const std::uint64_t bytes = checked_bytes(entry, where);
    const std::uint64_t first = entry.offsets[0], last = entry.offsets[1];
    RILL_CHECK(first == end, about(where, entry.name), ": data_offsets begin at ", first, ", expected ", end,
               first > end ? "; there is a hole" : "; tensors overlap");
    const bool overflow = __builtin_add_overflow(end, bytes, &end);
    RILL_CHECK(!overflow && last == end, about(where, entry.name), ": data_offsets end at ", last,
               ", expected ", overflow ? "less than 2^64" : std::to_string(end), " for ", entry.describe());
  }
  RILL_CHECK(data_bytes == end, where, ": ", data_bytes, " bytes follow the header, expected ", end,
             data_bytes < end ? "; the file is truncated" : "; the file is too long");
}

using Fill = std::function<void(std::span<std::byte>)>;

/// Halves are widened from a piece of fixed size.
void widen(const Entry& entry, std::span<float> values, const Fill& fill) {
  const auto convert = entry.stored.name == "F16" ? from_f16 : from_bf16;
  std::array<std::uint16_t, 4096> halves{};
  while (!values.empty()) {
    const std::span<std::uint16_t> some = std::span(halves).first(std::min(halves.size(), values.size()));
    fill(std::as_writable_bytes(some));
    std::ranges::transform(some, values.begin(), convert);
    values = values.subspan(some.size());
  }
}

Tensor read_tensor(const Entry& entry, const Fill& fill) {
  const std::vector<std::int64_t> sizes(entry.shape.begin(), entry.shape.end());
  Tensor tensor = empty(Shape(sizes), entry.stored.dtype);
  if (entry.stored.size == 2) {
    widen(entry, tensor.mutable_data<float>(), fill);
  } else {
    dispatch(entry.stored.dtype, [&]<class T>(T) { fill(std::as_writable_bytes(tensor.mutable_data<T>())); });
  }
  return tensor;
}

Safetensors read_safetensors(const Source& source) {
  const std::string& where = source.where;
  RILL_CHECK(source.size >= length_bytes, where, ": ", source.size, " bytes, expected at least ",
             length_bytes, " for the header's length");
  std::uint64_t length = 0;
  source.fill(std::as_writable_bytes(std::span(&length, 1)));
  const std::string raw = read_header(source, length);
  const std::string_view text = text_of(raw, where);
  safetensors::Header header = safetensors::parse_header(text, where);
  check_layout(header.entries, source.size - length_bytes - length, where);
  Safetensors result;
  result.metadata = std::move(header.metadata);
  safetensors::Verification verification(raw, text, result.metadata, where);
  const Fill fill = [&](std::span<std::byte> room) {
    if (room.empty()) return;
    source.fill(room);
    verification.add(room);
  };
  for (Entry& entry : header.entries) {
    Tensor tensor = read_tensor(entry, fill);
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  result.checksum = verification.finish(result.metadata);
  return result;
}

// --- writing ---------------------------------------------------------------------------------------------------------

using Named = std::pair<std::string, Tensor>;

std::string json_string(const std::string& text, const std::string& path) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    detail::fail(detail::concat(path, ": text ", in_quotes(text, false), " is not utf-8, expected utf-8"));
  }
}

/// In the order of the file, after the checks.
std::vector<const Named*> ordered(const Safetensors& file, const std::string& path) {
  std::vector<const Named*> order;
  for (const Named& each : file.tensors) {
    RILL_CHECK(!each.first.empty(), path, ": a tensor has no name, expected one");
    RILL_CHECK(each.first != metadata_key, path,
               ": a tensor is named \"__metadata__\", expected another name");
    RILL_CHECK(each.second.defined(), about(path, each.first), " is undefined, expected elements");
    order.push_back(&each);
  }
  std::ranges::sort(order, {}, &Named::first);
  const auto twice = std::ranges::adjacent_find(order, {}, &Named::first);
  if (twice != order.end()) detail::fail(about(path, (*twice)->first) + " appears twice, expected once");
  std::ranges::stable_sort(order, std::greater(),
                           [](const Named* each) { return size_of(each->second.dtype()); });
  return order;
}

/// With what a checksum demands, after the checks.
std::map<std::string, std::string> all_metadata(const Safetensors& file, const std::string& path) {
  std::map<std::string, std::string> metadata = file.metadata;
  RILL_CHECK(!metadata.contains(std::string(checksum_key)), path, ": metadata \"", checksum_key,
             "\" is given, expected other names; it is written where checksum is set");
  for (const auto& [key, value] : metadata)
    RILL_CHECK(file.checksum || !key.starts_with(safetensors::own_prefix), path, ": metadata ",
               in_quotes(key, false), " goes with a checksum alone, expected checksum to be set");
  if (!file.checksum) return metadata;
  metadata.emplace(checksum_key, blank_checksum);
  // Were this the one key of rill's, damage to it would hide that there is a checksum.
  const auto format = metadata.emplace(safetensors::format_key, "1").first;
  RILL_CHECK(format->second == "1", path, ": metadata \"", safetensors::format_key, "\" is ",
             in_quotes(format->second, false), ", expected \"1\"");
  return metadata;
}

/// Puts the file's checksum into its header.
void fill_checksum(std::string& header, const std::vector<const Named*>& order) {
  const std::uint64_t length = header.size();
  safetensors::Checksum checksum;
  checksum.add(std::as_bytes(std::span(&length, 1)));
  checksum.add(header);
  for (const Named* each : order)
    dispatch(each->second.dtype(), [&]<class T>(T) { checksum.add(std::as_bytes(each->second.data<T>())); });
  header.replace(safetensors::find_checksum(header), blank_checksum.size(), checksum.digits());
}

std::string make_header(const std::vector<const Named*>& order, const Safetensors& file,
                        const std::string& path) {
  std::string pairs, tensors;
  const std::map<std::string, std::string> metadata = all_metadata(file, path);
  RILL_CHECK(order.size() + metadata.size() <= max_safetensors_names, path, ": there are ", order.size(),
             " tensors and ", metadata.size(), " texts, expected at most ", max_safetensors_names,
             " together");
  for (const auto& [key, value] : metadata)
    pairs += (pairs.empty() ? "" : ",") + json_string(key, path) + ":" + json_string(value, path);
  std::uint64_t begin = 0;
  for (const Named* each : order) {
    const Tensor& tensor = each->second;
    std::string sizes;
    for (const std::int64_t size : tensor.shape()) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    const std::uint64_t end = begin + static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype());
    tensors += detail::concat(tensors.empty() ? "" : ",", json_string(each->first, path), ":{\"dtype\":\"",
                              format_name(tensor.dtype()), "\",\"shape\":[", sizes, "],\"data_offsets\":[",
                              begin, ",", end, "]}");
    begin = end;
  }
  std::string header = "{";
  if (!pairs.empty()) header += "\"__metadata__\":{" + pairs + (tensors.empty() ? "}" : "},");
  header += tensors + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  RILL_CHECK(header.size() <= max_safetensors_header, path, ": header takes ", header.size(),
             " bytes, expected at most ", max_safetensors_header);
  return header;
}

}  // namespace

bool begins_safetensors(std::string_view head) {
  std::uint64_t length = 0;
  if (head.size() < 9 || head[8] != '{') return false;
  std::memcpy(&length, head.data(), sizeof length);
  return length <= max_safetensors_header;
}

Safetensors parse_safetensors(std::span<const std::byte> content, const std::string& where) {
  std::span<const std::byte> rest = content;
  const auto read = [&](std::span<std::byte> room) {
    const std::size_t count = std::min(room.size(), rest.size());
    std::copy_n(rest.begin(), count, room.begin());
    rest = rest.subspan(count);
    return count;
  };
  return read_safetensors({content.size(), read, where});
}

Safetensors load_safetensors(const std::string& path) {
  FileReader file(path);
  const std::optional<std::uint64_t> size = file.size();
  if (!size) return parse_safetensors(read_file(path, max_safetensors_bytes), path);  // a pipe
  RILL_CHECK(*size <= max_safetensors_bytes, path, ": ", *size, " bytes, expected at most ",
             max_safetensors_bytes);
  return read_safetensors({*size, [&](std::span<std::byte> room) { return file.read(room); }, path});
}

void check_safetensors(const std::string& path, const Safetensors& file) {
  make_header(ordered(file, path), file, path);
}

void save_safetensors(const std::string& path, const Safetensors& file) {
  const std::vector<const Named*> order = ordered(file, path);
  std::string header = make_header(order, file, path);
  if (file.checksum) fill_checksum(header, order);
  const std::uint64_t length = header.size();
  write_file_atomically(path, [&](Writer& writer) {
    writer.write(std::as_bytes(std::span(&length, 1)));
    writer.write(header);
    for (const Named* each : order)
      dispatch(each->second.dtype(),
               [&]<class T>(T) { writer.write(std::as_bytes(each->second.data<T>())); });
  });
}

}  // namespace rill::io
