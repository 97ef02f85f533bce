// F3 and F4: files that are not what they should be. What refusing them costs in time and memory, small ones and those as
// large as the limits allow; and damage to a checkpoint, all of which has to be seen.
#include <malloc.h>

#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/io/csv.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/idx.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/core/memory.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/model.hpp>
#include <rill/optim/checkpoint.hpp>
#include <rill/optim/run/run.hpp>

#include "../damage.hpp"
#include "../temp_dir.hpp"
#include "checks.hpp"

namespace rill::trust {
namespace {

using Read = std::function<void(const std::string& path)>;

const std::map<std::string, Read>& readers() {
  static const std::map<std::string, Read> all{
      {"checkpoint", [](const std::string& path) { optim::detail::load_checkpoint(path); }},
      {"csv", [](const std::string& path) { nn::data::load_csv(path); }},
      {"idx", [](const std::string& path) { io::read_idx(path); }},
      {"keras", [](const std::string& path) { nn::load_model(path); }},
      {"model", [](const std::string& path) { nn::load_model(path); }},
      {"npy", [](const std::string& path) { io::load_npy(path); }},
      {"run", [](const std::string& path) { optim::load_run(path); }},
      {"safetensors", [](const std::string& path) { io::load_safetensors(path); }},
      {"saved", [](const std::string& path) { nn::load_model(path); }}};
  return all;
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  all.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

/// The text with every # replaced by the numbers 0, 1, ...
std::string numbered(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    for (const char c : text) c == '#' ? all += number : all += c;
  }
  return all;
}

/// A safetensors file with that header.
std::string with_length(const std::string& header, std::string_view data = {}) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + std::string(data);
}

std::string npy(const std::string& dict) {
  const auto length = static_cast<std::uint32_t>(dict.size());
  return std::string("\x93NUMPY\x02\0", 8) + std::string(reinterpret_cast<const char*>(&length), 4) + dict;
}

struct Hostile {
  std::string kind, about;
  std::function<std::string()> content;
  std::size_t right = 0;  // as many bytes at the start are a file that is read
};

/// Whatever is as long as it may be, and wrong as late as it can be.
std::vector<Hostile> large_files() {
  constexpr std::size_t mib = std::size_t{1} << 20;
  const std::string begin = R"({"rill":1,"input_shape":[4],"layers":[)", relu = R"({"type":"relu"},)";
  const std::string row = "1.25,2.5,3\n";
  const std::size_t rows = 16 * mib / row.size();
  const std::string keras = R"({"class_name":"Sequential","config":{"name":"n","layers":[)"
                            R"({"class_name":"InputLayer","config":{"batch_input_shape":[null,4]}},)";
  return {
      {"model", "2 MiB of opening brackets", [] { return std::string(2 * mib, '['); }},
      {"model", "a list of a million numbers", [] { return "[" + repeated("0,", mib - 2) + "0]"; }},
      {"model", "a text of 2 MiB that never ends", [] { return "\"" + std::string(2 * mib - 1, 'x'); }},
      {"model", "a text of 2 MiB", [] { return "\"" + std::string(2 * mib - 2, 'x') + "\""; }},
      {"model", "44000 keys, all unknown",
       [] { return "{\"rill\":1," + numbered("\"k#\":0,", 44000) + "\"x\":0}"; }},
      {"model", "44000 keys, the last one twice",
       [] { return "{" + numbered("\"k#\":0,", 44000) + "\"k0\":0}"; }},
      {"model", "1001 layers", [=] { return begin + repeated(relu, 1000) + R"({"type":"relu"}]})"; }},
      {"model", "1000 layers, the last one unknown",
       [=] { return begin + repeated(relu, 999) + R"({"type":"rule"}]})"; }},
      {"model", "1000 layers, the last one of 2^62 units",
       [=] { return begin + repeated(relu, 999) + R"({"type":"dense","units":4611686018427387904}]})"; }},
      {"model", "1000 layers that ask for too much together",
       [=] { return begin + repeated(R"({"type":"dense","units":16384},)", 999) + R"({"type":"relu"}]})"; }},
      {"model", "2 MiB of spaces", [] { return std::string(2 * mib, ' '); }},
      {"model", "2 MiB and a byte", [] { return std::string(2 * mib + 1, ' '); }},
      {"keras", "999 layers, the last one unknown",
       [=] {
         return keras + numbered(R"({"class_name":"ReLU","config":{"name":"l#"}},)", 999) +
                R"({"class_name":"Lambda","config":{}}]}})";
       }},
      {"run", "149000 values where one is expected",
       [] {
         return R"({"rill":1,"model":")" + std::string(mib, 'm') + R"(","data":[)" + repeated("0,", 149000) +
                "0]}";
       }},
      {"checkpoint", "a training of 149000 values where one is expected",
       [] {
         const test::TempDir folder;
         io::save_safetensors(folder.file("x"),
                              {.tensors = {},
                               .metadata = {{"rill.training", "[" + repeated("0,", 149000) + "0]"}},
                               .checksum = true});
         return folder.read("x");
       }},
      {"safetensors", "a header of 2 MiB of text",
       [] {
         std::string header = R"({"__metadata__":{"a":")";
         header += std::string(2 * mib - header.size() - 5, 'x');
         return with_length(header + "\"}} ", "x");
       }},
      {"safetensors", "a header of 24999 tensors, the last one of another size",
       [] {
         const std::string empty = R"("t#":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)";
         return with_length("{" + numbered(empty, 24998) +
                            R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})");
       }},
      {"saved", "a header of 25000 texts without a checksum",
       [] {
         return with_length(R"({"__metadata__":{)" + numbered("\"k#\":\"\",", 24998) +
                            R"("rill.model":"{}"}})");
       }},
      {"npy", "a header of 1 MiB of spaces", [] { return npy("{" + std::string(mib - 2, ' ') + "\n"); }},
      {"npy", "300000 dimensions",
       [] {
         return npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + repeated("1, ", 300000) + ")}\n");
       }},
      {"idx", "16 MiB that are a byte too many",
       [] { return std::string("\0\0\x08\x01\x00\xff\xff\xff", 8) + std::string(16 * mib, 'x'); }},
      {"csv", "a quote of 5 MiB that never ends", [] { return "\"" + std::string(5 * mib, 'x'); }},
      {"csv", "as many fields in a row as there may be, the last one empty",
       [] { return repeated("1,", io::max_csv_fields - 1); }},
      {"csv", "16 MiB of rows, the last one longer", [=] { return repeated(row, rows) + "1,2,3,4\n"; },
       rows * row.size()},
      {"csv", "16 MiB of rows, the last one with a missing cell",
       [=] { return repeated(row, rows) + "1,,3\n"; }, rows * row.size()}};
}

// --- what it costs ---------------------------------------------------------------------------------------------------

/// The most memory that this process had since reset_peak(), in bytes; 0 where the system does not tell.
std::size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

void reset_peak() {
  memory::trim();
  ::malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

/// Of this thread, which no other program that runs beside it makes longer.
double processor_seconds() {
  ::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Cost {
  bool refused = false;
  double seconds = 0;
  std::size_t bytes = 0;  // of memory, at most
};

Cost cost_of(const Read& read, const std::string& path) {
  reset_peak();
  const std::size_t before = peak_memory();
  const double start = processor_seconds();
  Cost cost;
  try {
    read(path);
  } catch (const Error&) {
    cost.refused = true;
  }
  cost.seconds = processor_seconds() - start;
  cost.bytes = peak_memory() - before;
  return cost;
}

/// The largest costs of some files.
struct Costs {
  std::uint64_t files = 0, read = 0;
  double seconds = 0, over = 0;  // `over`: bytes of memory beyond `fixed`, for each byte of the file

  static constexpr double fixed = 16 << 20;

  void add(std::size_t size, const Cost& cost) {
    ++files;
    read += !cost.refused;
    seconds = std::max(seconds, cost.seconds);
    over = std::max(over, (static_cast<double>(cost.bytes) - fixed) / static_cast<double>(size));
  }
};

Costs small_costs() {
  Costs costs;
  for (const auto& [kind, read] : readers()) {
    for (const auto& entry : std::filesystem::directory_iterator("tests/data/bad/" + kind)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".gz") continue;
      const std::string path = entry.path().string();
      Cost cost = cost_of(read, path);
      for (int again = 0; again < 4; ++again)
        cost.seconds = std::min(cost.seconds, cost_of(read, path).seconds);
      costs.add(std::max<std::size_t>(entry.file_size(), 1), cost);
    }
  }
  return costs;
}

/// With a line for each file. A table is read row by row, so that time counts from the row that is wrong.
Costs large_costs(Report& report) {
  const test::TempDir folder;
  Costs costs;
  for (const Hostile& hostile : large_files()) {
    const std::string content = hostile.content();
    const auto cheapest = [&](const std::string& bytes) {
      const std::string path = folder.write("x." + hostile.kind, bytes);
      Cost cost = cost_of(readers().at(hostile.kind), path);
      for (int again = 0; again < 2; ++again)
        cost.seconds = std::min(cost.seconds, cost_of(readers().at(hostile.kind), path).seconds);
      return cost;
    };
    Cost cost = cheapest(content);
    std::string about = hostile.kind + ", " + hostile.about;
    if (hostile.right > 0) {
      const Cost reading = cheapest(content.substr(0, hostile.right));
      if (reading.refused) throw Error("hostile: what is right of a table is refused, expected it read");
      about += fmt::format(", behind {:.0f} ms for those before it", 1e3 * reading.seconds);
      cost.seconds = std::max(0.0, cost.seconds - reading.seconds);
    }
    costs.add(content.size(), cost);
    report.detail(fmt::format("{:7.1f} ms, {:5.1f} MiB: {}", 1e3 * cost.seconds,
                              static_cast<double>(content.size()) / (1 << 20), about));
  }
  return costs;
}

// --- damage ----------------------------------------------------------------------------------------------------------

/// The bytes of a checkpoint with weights, momenta and a model.
std::string checkpoint_bytes(std::uint64_t seed) {
  Generator generator(seed);
  nn::Model model(nn::Sequential{nn::Dense(3, 2, generator)}, {3});
  optim::detail::Checkpoint checkpoint;
  optim::detail::SavedGroup group{.lr = 0.5, .initial_lr = 0.5};
  for (const auto& [name, value] : model.named_state()) {
    checkpoint.weights.emplace_back(name, value);
    group.params.push_back(name);
    checkpoint.optimizer.params[name] = {.steps = 3,
                                         .tensors = {{"momentum_buffer", randn(value.shape(), generator)}}};
  }
  checkpoint.optimizer.name = "SGD";
  checkpoint.optimizer.groups = {group};
  checkpoint.position = {.epoch = 1, .epoch_step = 2, .step = 5};
  checkpoint.metadata = nn::model_metadata(model);
  const test::TempDir folder;
  optim::detail::save_checkpoint(folder.file("x"), checkpoint);
  return folder.read("x");
}

/// A whole number from 0 to `most`.
std::size_t draw(Stream& stream, std::size_t most) {
  return static_cast<std::size_t>(stream.below(most + 1));
}

/// One of the ways in which files are damaged.
std::string damaged(const std::string& good, const std::string& other, Stream& stream) {
  std::string changed = good;
  const std::size_t at = draw(stream, good.size() - 1), length = 1 + draw(stream, 63);
  const std::size_t from = draw(stream, good.size() - 1);
  switch (draw(stream, 6)) {
    case 0:  // single bytes
      for (std::size_t i = 0; i < 2 + length % 15; ++i)
        changed[draw(stream, good.size() - 1)] = static_cast<char>(draw(stream, 255));
      break;
    case 1:  // a run of zeros, as of a block that was never written
      for (std::size_t i = at; i < std::min(good.size(), at + length); ++i) changed[i] = '\0';
      break;
    case 2:  // a run of noise
      for (std::size_t i = at; i < std::min(good.size(), at + length); ++i)
        changed[i] = static_cast<char>(draw(stream, 255));
      break;
    case 3:  // one part in the place of another
      for (std::size_t i = 0; i < length; ++i)
        changed[(at + i) % good.size()] = good[(from + i) % good.size()];
      break;
    case 4:
      changed.insert(at, good.substr(from, length));
      break;
    case 5:
      changed.erase(at, length);
      break;
    default:  // the start of one file and the end of another
      changed = good.substr(0, at) + other.substr(std::min(at, other.size()));
  }
  return changed;
}

void report_damage(const Scale& scale, Report& report) {
  const std::string good = checkpoint_bytes(scale.seed), other = checkpoint_bytes(scale.seed + 1);
  if (!test::is_read(good) || !test::is_read(other))
    throw Error("hostile: the checkpoint is not read, expected it");
  report.count("flipped bits of a checkpoint, each of them", 8 * good.size());
  report.count("cuts of it, each of them", good.size());
  report.exactly("of these read", test::unseen_flips(good) + test::unseen_cuts(good), 0);

  Stream stream(scale.seed, Purpose::user);
  std::uint64_t changes = 0, accepted = 0;
  for (const auto count = scale.of<std::uint64_t>(100000, 1000000); changes < count;) {
    const std::string changed = damaged(good, other, stream);
    if (changed == good || changed == other) continue;
    ++changes;
    accepted += test::is_read(changed);
  }
  report.count("random damage of several bytes", changes);
  report.exactly("of these read", accepted, 0);
}

}  // namespace

void check_hostile(const Scale& scale, Report& report) {
  report.begin("F3");
  const Costs small = small_costs();
  report.at_least("small bad files", small.files, 100);
  report.count("slowest refusal of these, in microseconds (wished for: 50000)",
               static_cast<std::uint64_t>(small.seconds * 1e6));
  const Costs large = large_costs(report);
  report.count("slowest refusal of files as large as they may be, in milliseconds (wished for: 50)",
               static_cast<std::uint64_t>(large.seconds * 1e3));
  report.at_least("files as large as they may be, and wrong", large.files, 20);
  report.exactly("of all these read", small.read + large.read, 0);
  report.at_most("memory beyond 16 MiB, bytes for each byte of a file", std::max(small.over, large.over),
                 100);
  report.begin("F4");
  report_damage(scale, report);
}

}  // namespace rill::trust
