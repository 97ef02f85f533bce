#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <rill/core/error.hpp>
#include <rill/core/io/idx.hpp>
#include <rill/nn/data/mnist.hpp>

namespace rill::nn::data {
namespace {

constexpr std::int64_t digits = 10;

struct SetNames {
  const char *images, *labels;
};
constexpr SetNames train_names{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
constexpr SetNames test_names{"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// The file's path, plain or packed; empty if it is not there.
std::string find_file(const std::string& directory, const char* name) {
  const std::filesystem::path folder(directory);
  for (const char* ending : {"", ".gz"}) {
    std::error_code ignored;
    const auto path = folder / (std::string(name) + ending);
    if (std::filesystem::exists(path, ignored)) return path.string();
  }
  return {};
}

void check_present(const std::string& directory, const SetNames& names, const std::string& images,
                   const std::string& labels) {
  if (!images.empty() && !labels.empty()) return;
  const std::string missing = !labels.empty()   ? names.images
                              : !images.empty() ? names.labels
                                                : std::string(names.images) + " and " + names.labels;
  RILL_CHECK(false, "load_mnist: folder \"", directory, "\" has no ", missing,
             ", expected each there, plain or as .gz",
             "; fetch them with tools/fetch_mnist.sh or set RILL_DATA to the folder that holds them");
}

io::IdxArray read_bytes(const std::string& path, int rank, const char* expected) {
  io::IdxArray array = io::read_idx(path);
  RILL_CHECK(array.type == io::IdxType::u8 && array.shape.rank() == rank && array.shape.numel() > 0, path,
             ": data is ", array.type, " ", array.shape, ", expected ", expected, " that is not empty");
  return array;
}

}  // namespace

std::shared_ptr<ImageDataset> load_mnist(const std::string& directory, bool train, ImageOptions options) {
  const SetNames& names = train ? train_names : test_names;
  const std::string image_path = find_file(directory, names.images);
  const std::string label_path = find_file(directory, names.labels);
  check_present(directory, names, image_path, label_path);
  const io::IdxArray label_array = read_bytes(label_path, 1, "u8 [labels]");
  const io::IdxArray image_array = read_bytes(image_path, 3, "u8 [images, rows, cols]");
  const Shape& shape = image_array.shape;
  RILL_CHECK(label_array.shape[0] == shape[0], label_path, ": there are ", label_array.shape[0],
             " labels, expected ", shape[0], " as there are images in ", image_path);
  const auto labels = label_array.as_bytes();
  const auto wrong =
      std::find_if(labels.begin(), labels.end(), [](std::uint8_t label) { return label >= digits; });
  RILL_CHECK(wrong == labels.end(), label_path, ": label ", wrong - labels.begin(), " is ", int{*wrong},
             ", expected 0 to ", digits - 1);
  return std::make_shared<ImageDataset>(image_array.as_bytes(),
                                        std::vector<std::int64_t>(labels.begin(), labels.end()), shape[1],
                                        shape[2], digits, options);
}

bool has_mnist(const std::string& directory) {
  const auto names = {train_names.images, train_names.labels, test_names.images, test_names.labels};
  return std::all_of(names.begin(), names.end(),
                     [&](const char* name) { return !find_file(directory, name).empty(); });
}

std::string find_mnist() {
  if (const char* folder = std::getenv("RILL_DATA"); folder && *folder) return folder;
  const std::string standard = "data/mnist";
  return has_mnist(standard) ? standard : std::string();
}

}  // namespace rill::nn::data
