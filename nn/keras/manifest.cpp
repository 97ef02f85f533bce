#include <filesystem>
#include <map>
#include <set>

#include <rill/core/io/file.hpp>
#include <rill/core/text.hpp>
#include <rill/nn/keras/weights.hpp>

namespace rill::nn::keras {
namespace {

constexpr std::size_t max_named = 8;  // in one message
// What an optimizer keeps for each weight, with room: it is read with the weights that it stands beside, and passed over.
constexpr std::uint64_t max_skipped_each = 32, max_skipped = 1 << 20;  // bytes

// A plain name of a file in the model's folder; "./" may stand before it.
std::string file_name(const Node& node) {
  std::string name = node.text();
  if (name.starts_with("./")) name.erase(0, 2);
  bool plain = !name.empty() && name != "." && name.find("..") == std::string::npos && name.size() <= 255;
  for (const char c : name) plain = plain && c != '/' && c != '\\' && !rill::detail::is_control(c);
  if (!plain) node.fail("got " + node.shown() + ", expected the plain name of a file beside the model");
  return name;
}

Sizes shape_in(const Node& node) {
  Sizes sizes;
  node.expect_array();
  if (node.size() > 8) node.fail("got " + node.shown() + ", expected up to 8 sizes");
  for (std::size_t i = 0; i < node.size(); ++i) sizes.push_back(node[i].integer(0, INT64_MAX));
  return sizes;
}

Stored dtype_in(const Node& node) {
  const std::string& name = node.text();
  if (name == "float32") return Stored::float32;
  if (name == "float16") return Stored::float16;
  if (name == "int32") return Stored::int32;
  if (name == "bool") return Stored::boolean;
  node.fail("dtype " + node.shown() + " is not read, expected float32, float16, int32 or bool");
}

Values values_in(const Node& weight) {
  Values values;
  values.stored = dtype_in(weight.at("dtype"));
  if (!weight.has("quantization") || weight.at("quantization").is_null()) return values;
  const Node quantization = weight.at("quantization");
  const Node kind = quantization.at("dtype");
  values.whole = values.stored == Stored::int32;
  if (kind.text() == "float16") {
    values.stored = Stored::float16;
    return values;
  }
  if (kind.text() != "uint8" && kind.text() != "uint16")
    kind.fail("quantization " + kind.shown() + " is not read, expected uint8, uint16 or float16");
  values.stored = kind.text() == "uint8" ? Stored::uint8 : Stored::uint16;
  values.scale = quantization.at("scale").number(0, config::most, true);
  values.min = quantization.at("min").number(-config::most, config::most);
  return values;
}

// Finds slots by the names that files give their weights.
class Names {
 public:
  explicit Names(const std::vector<Slot>& slots) : slots_(slots), found_(slots.size(), false) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      std::string name = slots[i].path.back();
      for (std::size_t j = slots[i].path.size() - 1; j-- > 0;) {
        name = slots[i].path[j] + "/" + name;
        indices_[name].push_back(i);
      }
    }
  }

  /// The slot; none, and a problem, for a weight that has none.
  const Slot* find(const std::string& name, const Sizes& sizes) {
    auto match = indices_.find(name);
    if (match == indices_.end()) match = indices_.find(without_cell(name));
    const std::string quoted = config::in_quotes(name);
    if (match == indices_.end()) return problem("no layer has the weight " + quoted);
    if (match->second.size() > 1) return problem("several layers have the weight " + quoted);
    const std::size_t i = match->second.front();
    if (found_[i]) return problem("the weight " + quoted + " stands there twice");
    found_[i] = true;
    if (sizes != slots_[i].sizes)
      return problem("the weight " + quoted + " is " + shown(sizes) + ", the layer expects " +
                     shown(slots_[i].sizes));
    return &slots_[i];
  }

  void finish(const Node& node) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!found_[i]) problem("the weight " + config::in_quotes(name_of(slots_[i])) + " is missing");
    }
    if (count_ == 0) return;
    if (count_ > max_named) problems_ += " and " + std::to_string(count_ - max_named) + " more";
    node.fail(problems_ + ", expected exactly the weights of the layers");
  }

 private:
  static std::string name_of(const Slot& slot) {
    return slot.path[slot.path.size() - 2] + "/" + slot.path.back();
  }
  // "a/lstm_cell/kernel" is "a/kernel" in models of other versions.
  static std::string without_cell(const std::string& name) {
    const std::size_t last = name.rfind('/');
    if (last == std::string::npos || last == 0) return {};
    const std::size_t before = name.rfind('/', last - 1);
    return before == std::string::npos ? std::string() : name.substr(0, before) + name.substr(last);
  }
  const Slot* problem(const std::string& what) {
    if (++count_ <= max_named) problems_ += (count_ > 1 ? "; " : "") + what;
    return nullptr;
  }

  const std::vector<Slot>& slots_;
  std::map<std::string, std::vector<std::size_t>> indices_;
  std::vector<bool> found_;
  std::string problems_;
  std::size_t count_ = 0;
};

std::uint64_t size_of(const Node& node, const std::string& path) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error)
    node.fail("cannot read the weights in " + path + " (" + error.message() + "), expected a readable file");
  return size;
}

// The bytes that the group's files have, which are to be those of its weights.
void check_files(const Node& paths, const std::vector<std::string>& files, std::uint64_t expected) {
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (__builtin_add_overflow(size, size_of(paths[i], files[i]), &size))
      paths.fail("the files are too large");
  }
  if (size != expected)
    paths.fail("the files have " + std::to_string(size) + " bytes, expected " + std::to_string(expected) +
               ", those of the weights in them");
}

void set(Tensor value, const Slot& slot, const Values& values, const std::vector<std::byte>& bytes) {
  const auto rows = static_cast<std::uint64_t>(slot.transposed ? slot.sizes[0] : 1);
  const std::uint64_t columns = values.count / rows;
  rill::dispatch(value.dtype(), [&]<class T>(T) {
    const std::span<T> out = value.mutable_data<T>();
    for (std::uint64_t row = 0; row < rows; ++row) {
      for (std::uint64_t column = 0; column < columns; ++column)
        out[static_cast<std::size_t>(column * rows + row)] =
            static_cast<T>(value_at(values, bytes, row * columns + column));
    }
  });
}

}  // namespace

Manifest::Manifest(const Node& node, const std::string& folder, const std::vector<Slot>& slots) {
  Names names(slots);
  std::set<std::string> files;
  std::uint64_t allowed = max_skipped, skipped = 0;
  for (const Slot& slot : slots)
    allowed += max_skipped_each * static_cast<std::uint64_t>(elements_of(slot.sizes));
  for (std::size_t g = 0; g < node.expect_array().size(); ++g) {
    Group group;
    const Node paths = node[g].at("paths").expect_array(), weights = node[g].at("weights").expect_array();
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const std::string file = file_name(paths[i]);
      if (!files.insert(file).second)
        paths[i].fail("file " + paths[i].shown() + " stands twice, expected once");
      group.files.push_back((std::filesystem::path(folder) / file).string());
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const Sizes sizes = shape_in(weights[i].at("shape"));
      Values values = values_in(weights[i]);
      values.offset = group.bytes;
      values.count = 1;
      std::uint64_t bytes = 0;
      bool overflow = false;
      for (const std::int64_t size : sizes)
        overflow =
            __builtin_mul_overflow(values.count, static_cast<std::uint64_t>(size), &values.count) || overflow;
      overflow = __builtin_mul_overflow(values.count, bytes_of(values.stored), &bytes) || overflow;
      if (overflow || __builtin_add_overflow(group.bytes, bytes, &group.bytes))
        weights[i].at("shape").fail("the weights have more than 2^64 bytes, expected fewer");
      const std::string& name = weights[i].at("name").text();
      if (weights[i].has("group") && weights[i].json().at("group") == "optimizer") {
        if (__builtin_add_overflow(skipped, bytes, &skipped) || skipped > allowed)
          weights[i].fail("the weights of the optimizer have more than " + std::to_string(allowed) +
                          " bytes, expected no more beside those of the layers");
        continue;
      }
      if (const Slot* slot = names.find(name, sizes)) group.weights.push_back({*slot, values});
    }
    groups_.push_back(std::move(group));
  }
  names.finish(node);
  for (std::size_t g = 0; g < groups_.size(); ++g)
    check_files(node[g].at("paths"), groups_[g].files, groups_[g].bytes);
}

std::vector<std::byte> Manifest::read_group(const Group& group) const {
  std::vector<std::byte> bytes;
  for (const std::string& path : group.files) {
    const std::vector<std::byte> more = io::read_file(path, static_cast<std::size_t>(group.bytes));
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  RILL_CHECK(bytes.size() == group.bytes, group.files.empty() ? std::string("weights") : group.files.front(),
             ": ", bytes.size(), " bytes, expected ", group.bytes,
             "; the file has changed while it was read");
  return bytes;
}

void Manifest::read_into(Model& model) const {
  std::map<std::string, Tensor> targets;
  for (auto& [name, value] : model.named_state()) targets.emplace(name, value);
  for (const Group& group : groups_) {
    if (group.weights.empty()) continue;
    const std::vector<std::byte> bytes = read_group(group);
    for (const Weight& weight : group.weights)
      set(targets.at(weight.slot.target), weight.slot, weight.values, bytes);
  }
}

}  // namespace rill::nn::keras
