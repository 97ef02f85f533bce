#include <rill/tools/rill/files.hpp>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include <rill/core/io/csv.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/tools/rill/program.hpp>

namespace rill::command {
namespace {

namespace fs = std::filesystem;

bool has_one_of(const std::string& path, std::initializer_list<const char*> keys) {
  io::check_rereadable(path);
  try {
    const nn::config::Json document = nn::config::read_json(path);
    for (const char* key : keys) {
      if (document.is_object() && document.contains(key)) return true;
    }
  } catch (const Error&) {
    // Who reads the document says what is wrong with it.
  }
  return false;
}

}  // namespace

FileKind kind_of(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  // What is read from a pipe is gone.
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) return FileKind::other;
  std::vector<std::byte> bytes(64);
  bytes.resize(io::FileReader(path).read(bytes));
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (io::begins_safetensors(head)) return FileKind::safetensors;
  if (head.starts_with("\x93NUMPY")) return FileKind::npy;
  if (head.starts_with("\x1f\x8b")) return FileKind::gzip;
  if (head.size() >= 4 && head[0] == 0 && head[1] == 0) return FileKind::idx;
  const std::size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first != std::string_view::npos && (head[first] == '{' || head[first] == '[')) return FileKind::json;
  return FileKind::other;
}

std::optional<std::int64_t> column_number(std::string_view name) {
  const bool digits =
      !name.empty() && name.size() < 8 && name.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || (name.size() > 1 && name[0] == '0')) return std::nullopt;
  return std::stoll(std::string(name));
}

bool are_column_numbers(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::optional<std::int64_t> number = column_number(name);
    return number && *number <= std::ssize(names);
  });
}

bool holds_names(const io::CsvReader& record, const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    for (std::size_t i = 0; i < record.size(); ++i) {
      if (record.trimmed(i) == name) return true;
    }
    return false;
  });
}

bool counts_columns(const io::CsvReader& record) {
  for (std::size_t i = 0; i < record.size(); ++i) {
    if (record.trimmed(i) != std::to_string(i)) return false;
  }
  return record.size() > 2;
}

void refuse_overwriting(const std::string& what, const std::string& output,
                        const std::vector<std::string>& inputs) {
  std::error_code ignored;
  if (output == "-" || !fs::is_regular_file(output, ignored)) return;
  for (const std::string& input : inputs) {
    const std::string path = input == "-" ? "/dev/stdin" : input;
    if (path.empty() || !fs::is_regular_file(path, ignored)) continue;
    if (fs::equivalent(output, path, ignored))
      throw UsageError(what + " is " + output + ", which is read, expected another file");
  }
}

bool reads_as_config(const std::string& path) { return !has_one_of(path, {"weightsManifest"}); }
bool reads_as_run(const std::string& path) { return has_one_of(path, {"model", "data", "training"}); }

}  // namespace rill::command
