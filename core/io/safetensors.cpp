#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
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
struct Parts {
  std::string_view header;
  std::span<const std::byte> data;
};

/// Header and data, after the checks that need no parser.
Parts split(std::span<const std::byte> content, const std::string& where) {
  RILL_CHECK(content.size() >= length_bytes, where, ": ", content.size(), " bytes, expected at least ",
             length_bytes, " for the header's length");
  std::uint64_t length = 0;
  std::memcpy(&length, content.data(), length_bytes);
  RILL_CHECK(length <= max_safetensors_header, where, ": header length is ", length, ", expected at most ",
             max_safetensors_header, "; is it a safetensors file?");
  const std::size_t rest = content.size() - length_bytes;
  RILL_CHECK(length <= rest, where, ": header length is ", length, ", expected at most ", rest,
             " in a file of ", content.size(), " bytes; the file is truncated");
  std::string_view text(reinterpret_cast<const char*>(content.data()) + length_bytes, length);
  RILL_CHECK(text.starts_with('{'), where, ": header starts with ", in_quotes(text.substr(0, 1), false),
             ", expected \"{\"");
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  RILL_CHECK(text.ends_with('}'), where, ": header ends with ",
             in_quotes(text.substr(text.size() - 1), false), ", expected \"}\" and spaces");
  // The parser would take a zero byte for the end and ignore what follows.
  const std::size_t zero = text.find('\0');
  RILL_CHECK(zero == std::string_view::npos, where, ": header holds a zero byte at ", zero,
             ", expected json");
  return {text, content.subspan(length_bytes + length)};
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

Tensor make_tensor(const Entry& entry, std::span<const std::byte> data) {
  const std::vector<std::int64_t> sizes(entry.shape.begin(), entry.shape.end());
  Tensor tensor = empty(Shape(sizes), entry.stored.dtype);
  if (entry.stored.size == 2) {
    const auto widen = entry.stored.name == "F16" ? from_f16 : from_bf16;
    const std::byte* half = data.data() + entry.offsets[0];
    for (float& value : tensor.mutable_data<float>()) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, half, sizeof bits);
      value = widen(bits);
      half += sizeof bits;
    }
    return tensor;
  }
  dispatch(entry.stored.dtype, [&]<class T>(T) {
    const std::span<std::byte> out = std::as_writable_bytes(tensor.mutable_data<T>());
    if (!out.empty()) std::memcpy(out.data(), data.data() + entry.offsets[0], out.size());
  });
  return tensor;
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
  for (const auto& [key, value] : all_metadata(file, path))
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

Safetensors parse_safetensors(std::span<const std::byte> content, const std::string& where) {
  const Parts parts = split(content, where);
  safetensors::Header header = safetensors::parse_header(parts.header, where);
  check_layout(header.entries, parts.data.size(), where);
  Safetensors result;
  result.metadata = std::move(header.metadata);
  result.checksum = safetensors::verify_checksum(content, parts.header, result.metadata, where);
  for (Entry& entry : header.entries) {
    Tensor tensor = make_tensor(entry, parts.data);
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return result;
}

Safetensors load_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path, max_safetensors_bytes), path);
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
