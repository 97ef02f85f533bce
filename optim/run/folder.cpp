#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/core/io/safetensors_checksum.hpp>
#include <rill/core/io/uninterrupted.hpp>
#include <rill/nn/config/archive.hpp>
#include <rill/optim/run/folder.hpp>

namespace rill::optim::config {
namespace {

using nn::config::Json;

constexpr std::array own_files{"config.json",   "log.csv",          "log.jsonl",        "timing.csv",
                               "health.csv",    "last.safetensors", "best.safetensors", "report.html",
                               "loss.svg",      "accuracy.svg",     "lr.svg",           "health.svg",
                               "saturation.svg"};

std::string shown(const Json& document, const nlohmann::json_pointer<std::string>& place) {
  if (!document.contains(place)) return "nothing";
  const std::string text = document.at(place).dump();
  return text.size() <= 60 ? text : nn::config::Node(document.at(place), "").shown();
}

std::string fingerprint_of(const nn::data::Dataset& dataset) {
  constexpr std::int64_t most = 10'000, at_once = 500;
  const std::int64_t count = std::min(dataset.size(), most);
  io::safetensors::Checksum sum;
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < count; begin += at_once) {
    indices.clear();
    for (std::int64_t i = begin; i < std::min(begin + at_once, count); ++i)
      indices.push_back(i * dataset.size() / count);
    Tensor x = empty(dataset.batch_shape(std::ssize(indices)));
    Tensor y = empty(dataset.target_batch_shape(std::ssize(indices)), dataset.target_dtype());
    dataset.gather(indices, x, y);
    for (const Tensor& part : {x, y})
      dispatch(part.dtype(), [&]<class T>(T) { sum.add(std::as_bytes(part.data<T>())); });
  }
  return fmt::format("{} samples of {}, crc32 {}", dataset.size(),
                     rill::detail::concat(dataset.sample_shape()), sum.digits());
}

}  // namespace

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  RILL_CHECK(!path_.empty(), "run: /out: the folder has no name, expected one");
}

RunFolder::~RunFolder() {
  if (locked_ >= 0) ::close(locked_);
}

void RunFolder::lock() {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  RILL_CHECK(!error, path_, ": cannot be made (", error.message(), "), expected a folder");
  locked_ = io::uninterrupted([&] { return ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  RILL_CHECK(locked_ >= 0, path_, ": cannot be opened (", std::generic_category().message(errno),
             "), expected a folder to read and write");
  // Where a file system has no locks there is nothing to keep others out with.
  const bool taken = ::flock(locked_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  RILL_CHECK(!taken, path_,
             ": another run trains in this folder, expected one at a time; wait for its end, or name "
             "another folder as \"out\"");
  for (const char* name : own_files) io::remove_stale_temporaries(file(name));
}

void RunFolder::begin(bool overwrite) const {
  for (const char* name : own_files) {
    std::error_code error;
    const bool there = std::filesystem::exists(file(name), error);
    RILL_CHECK(!there || overwrite, path_, ": the folder holds ", name,
               " of another run, expected one without; resume that run, allow overwriting, or name another "
               "folder as \"out\"");
    if (there) std::filesystem::remove(file(name), error);
    RILL_CHECK(!error, file(name), ": cannot be removed (", error.message(), "), expected a writable folder");
  }
}

std::vector<std::string> RunFolder::files() const {
  std::vector<std::string> names;
  for (const char* name : own_files) {
    if (std::filesystem::exists(file(name))) names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

std::string to_line(const RunConfig& config) { return nn::config::Writer::write(config).dump(); }

std::string fingerprint(const RunData& data) {
  return fingerprint_of(*data.train) + (data.validation ? "; " + fingerprint_of(*data.validation) : "");
}

void check_resume(const std::string& path, const RunConfig& config,
                  const std::map<std::string, std::string>& metadata) {
  const io::Safetensors file = io::load_safetensors(path);
  const auto found = file.metadata.find("rill.run");
  RILL_CHECK(found != file.metadata.end(), path,
             ": the file is no checkpoint of a run, expected the last.safetensors of one");
  // As this version writes it, with the defaults of keys that are new.
  const std::string where = path + ": metadata rill.run";
  const Json before = nn::config::parse_json(to_line(parse_run(found->second, where)), where);
  const Json now = nn::config::parse_json(to_line(config), "run");
  for (const Json& change : Json::diff(before, now)) {
    const auto place = change.at("path").get<std::string>();
    if (place == "/training/epochs" || place == "/out") continue;
    const nlohmann::json_pointer<std::string> pointer(place);
    rill::detail::fail(path + ": " + place + " is " + shown(now, pointer) + ", expected " +
                       shown(before, pointer) +
                       " as in the run that goes on; only training.epochs and out may change");
  }
  const auto differs = [&](const char* key) {
    const auto saved = file.metadata.find(key);
    return saved != file.metadata.end() && saved->second != metadata.at(key);
  };
  for (const char* key : {"rill.classes", "rill.features", "rill.target"})
    RILL_CHECK(!differs(key), path, ": ", std::string_view(key).substr(5), " of the data: got ",
               nn::config::in_quotes(metadata.at(key)), ", expected ",
               nn::config::in_quotes(file.metadata.at(key)), " as in the run that goes on");
  RILL_CHECK(!differs("rill.data"), path,
             ": the data have changed since, expected the samples of the run that goes on, in their order");
}

}  // namespace rill::optim::config
