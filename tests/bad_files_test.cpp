// Files that are not what they should be: tests/data/bad/<kind>/, one file or folder for each mistake. messages.json has the
// message of each, in which FILE is its path. make.py beside it makes those that are binary.
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <malloc.h>
#include <map>
#include <new>
#include <set>

#include <doctest/doctest.h>

#include <rill/core/io/idx.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/optim/checkpoint.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/rill.hpp>

#include "golden.hpp"
#include "sanitized.hpp"
#include "temp_dir.hpp"
#include "values.hpp"

#if defined(__GLIBC__) && !defined(RILL_TEST_SANITIZED)
#define RILL_TEST_COUNTS_NEW 1
#endif

#ifdef RILL_TEST_COUNTS_NEW
namespace {

// What operator new, which rill's pool takes its memory from too, has given and not taken back, and the most since the last reset.
std::atomic<std::size_t> held_bytes{0}, peak_bytes{0};

void* counted(void* piece) {
  const std::size_t bytes = piece ? ::malloc_usable_size(piece) : 0;
  const std::size_t now = held_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  return piece;
}

void* or_throw(void* piece) {
  if (!piece) throw std::bad_alloc();
  return piece;
}

void* aligned(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit));
}

}  // namespace

// The other forms call these.
void* operator new(std::size_t bytes) { return or_throw(counted(std::malloc(bytes))); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted(std::malloc(bytes)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return or_throw(aligned(bytes, alignment));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return aligned(bytes, alignment);
}
void operator delete(void* piece) noexcept {
  if (piece) held_bytes.fetch_sub(::malloc_usable_size(piece), std::memory_order_relaxed);
  std::free(piece);
}
void operator delete(void* piece, std::size_t) noexcept { ::operator delete(piece); }
void operator delete(void* piece, std::align_val_t) noexcept { ::operator delete(piece); }
void operator delete(void* piece, std::size_t, std::align_val_t) noexcept { ::operator delete(piece); }
#endif

namespace {

using namespace rill;

#ifdef RILL_TEST_COUNTS_NEW
/// The most bytes that are held at once while `call` runs, beyond those held before.
std::size_t peak_of(const std::function<void()>& call) {
  memory::trim();
  const std::size_t before = held_bytes;
  peak_bytes = before;
  call();
  return peak_bytes - before;
}
#endif

const std::string folder = "tests/data/bad";

void load_tiny_weights(const std::string& path) {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 1, generator)};
  nn::load_weights(model, path);
}

/// How files of a kind are read, each by its path.
const std::map<std::string, std::function<void(const std::string&)>>& readers() {
  static const std::map<std::string, std::function<void(const std::string&)>> all{
      {"checkpoint", [](const std::string& path) { optim::detail::load_checkpoint(path); }},
      {"csv", [](const std::string& path) { nn::data::load_csv(path); }},
      {"csv_regression",
       [](const std::string& path) { nn::data::load_csv(path, {.target = "y", .regression = true}); }},
      {"gzip", [](const std::string& path) { io::read_idx(path); }},
      {"idx", [](const std::string& path) { io::read_idx(path); }},
      {"keras", [](const std::string& path) { nn::load_model(path); }},
      {"mnist", [](const std::string& path) { nn::data::load_mnist(path, true); }},
      {"model", [](const std::string& path) { nn::load_model(path); }},
      {"npy", [](const std::string& path) { io::load_npy(path); }},
      {"npy_pair", [](const std::string& path) { nn::data::load_npy(path + "/x.npy", path + "/y.npy"); }},
      {"run", [](const std::string& path) { optim::load_run(path); }},
      {"safetensors", [](const std::string& path) { io::load_safetensors(path); }},
      {"saved", [](const std::string& path) { nn::load_model(path); }},
      {"tfjs", [](const std::string& path) { nn::load_model(path + "/model.json"); }},
      {"weights", load_tiny_weights}};
  return all;
}

/// The message of each file, by kind and name.
test::Json messages() {
  std::ifstream in(folder + "/messages.json");
  REQUIRE(in);
  return test::Json::parse(in);
}

/// Calls then(kind, name, path) for each entry of the folder of each kind.
template <class Then>
void each_file(Then then) {
  for (const auto& [kind, read] : readers()) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/" + kind))
      names.insert(entry.path().filename().string());
    for (const std::string& name : names) then(kind, name, folder + "/" + kind + "/" + name);
  }
}

/// What reading says, with FILE for the path.
std::string message_at(const std::string& kind, const std::string& path) {
  std::string message = test::message_of([&] { readers().at(kind)(path); });
  for (std::size_t at = 0; (at = message.find(path, at)) != std::string::npos; at += 4)
    message.replace(at, path.size(), "FILE");
  return message;
}

}  // namespace

TEST_CASE("bad files: each is refused with its message") {
  const test::Json expected = messages();
  each_file([&](const std::string& kind, const std::string& name, const std::string& path) {
    CAPTURE(path);
    const std::string message = message_at(kind, path);
    CHECK(message == expected.value(test::Json::json_pointer("/" + kind + "/" + name), "not in the table"));
  });
}

TEST_CASE("bad files: each message is one line, short, and begins with the file or with what was asked for") {
  const test::Json expected = messages();
  for (const auto& [kind, table] : expected.items()) {
    for (const auto& item : table.items()) {
      CAPTURE(item.key());
      const std::string message = item.value();
      CHECK(message.size() < 600);
      CHECK(std::ranges::none_of(message, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
      }));
      const bool place = message.starts_with("FILE") || message.starts_with("load_mnist: folder \"FILE\"");
      CHECK(place);
      const bool advice =
          message.find("expect") != std::string::npos || message.find("did you mean") != std::string::npos;
      CHECK(advice);
    }
  }
}

TEST_CASE("bad files: folder and table name the same files") {
  std::set<std::string> there, told;
  each_file([&](const std::string& kind, const std::string& name, const std::string&) {
    there.insert(kind + "/" + name);
  });
  const test::Json expected = messages();
  for (const auto& [kind, table] : expected.items()) {
    for (const auto& [name, message] : table.items()) told.insert(kind + "/" + name);
  }
  CHECK(there == told);
  CHECK(there.size() >= 100);
  std::set<std::string> kinds, folders;
  for (const auto& [kind, read] : readers()) kinds.insert(kind);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_directory()) folders.insert(entry.path().filename().string());
  }
  CHECK(kinds == folders);
}

#ifdef RILL_TEST_COUNTS_NEW
namespace {

/// Of a file, or of all files in a folder together.
std::size_t bytes_in(const std::string& path) {
  if (std::filesystem::is_regular_file(path)) return std::filesystem::file_size(path);
  std::size_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) bytes += entry.file_size();
  return bytes;
}

}  // namespace

TEST_CASE("bad files: the most memory is seen, that of the pool too") {
  constexpr std::size_t mib = 1 << 20;
  CHECK(peak_of([] { const std::vector<char> bytes(mib); }) >= mib);
  CHECK(peak_of([] { empty({mib}); }) >= 4 * mib);
  CHECK(peak_of([] {}) < mib);
}

TEST_CASE("bad files: none takes more memory than its length justifies") {
  // gzip packs up to 1032 to 1, and its content is held twice while the buffer grows.
  constexpr std::size_t factor = 100, packed_factor = 3 * 1032, fixed = std::size_t{16} << 20;
  each_file([&](const std::string& kind, const std::string& name, const std::string& path) {
    CAPTURE(path);
    const std::size_t peak = peak_of([&] { message_at(kind, path); });
    CHECK(peak < fixed + bytes_in(path) * (name.ends_with(".gz") ? packed_factor : factor));
  });
}

TEST_CASE("bad files: a safetensors file of 8 GiB whose header tells of less is refused unread") {
  const test::TempDir dir;
  std::filesystem::copy_file(folder + "/safetensors/data_long.safetensors", dir.file("x"));
  std::filesystem::resize_file(dir.file("x"), std::uintmax_t{8} << 30);
  std::string message;
  const std::size_t peak = peak_of([&] { message = message_at("safetensors", dir.file("x")); });
  CHECK(message.ends_with(" bytes follow the header, expected 16; the file is too long"));
  CHECK(peak < std::size_t{1} << 20);
}

TEST_CASE("bad files: a good safetensors file takes the memory of its tensors") {
  const test::TempDir dir;
  const std::int64_t elements = std::int64_t{4} << 20;
  io::save_safetensors(dir.file("x"),
                       {.tensors = {{"w", zeros({elements})}}, .metadata = {}, .checksum = true});
  const std::size_t peak = peak_of([&] { io::load_safetensors(dir.file("x")); });
  CHECK(peak < static_cast<std::size_t>(4 * elements * 3 / 2));
}
#endif

TEST_CASE("bad files: a model's file that is cut before its header tells how many bytes there are") {
  const test::TempDir dir;
  const std::string path = dir.file("x.safetensors");
  dir.write("x.safetensors", std::string("\x10\0\0\0", 4));
  CHECK(message_at("saved", path) == "FILE: 4 bytes, expected at least 8 for the header's length");
  dir.write("x.safetensors", std::string("\x10\0\0\0\0\0\0\0", 8));
  CHECK(message_at("saved", path) ==
        "FILE: header length is 16, expected at most 0 in a file of 8 bytes; the file is truncated");
  dir.write("x.safetensors", "");
  CHECK(message_at("saved", path) == "FILE: 0 bytes, expected at least 8 for the header's length");
}

TEST_CASE("bad files: a header of 640 or 1152 bytes, which begins as a pickle does, is none") {
  const test::TempDir dir;
  for (const std::size_t length : {640, 1152}) {
    CAPTURE(length);
    Generator generator(1);
    nn::Model model(nn::Sequential{nn::Dense(2, 1, generator)}, {2});
    nn::save_model(model, dir.file("x"));
    model.target = std::string(length - static_cast<unsigned char>(dir.read("x")[0]) -
                                   256 * static_cast<std::size_t>(dir.read("x")[1]),
                               'y');
    nn::save_model(model, dir.file("x"));
    REQUIRE(dir.read("x").substr(0, 2) == (length == 640 ? "\x80\x02" : "\x80\x04"));
    CHECK(nn::load_model(dir.file("x")).target == model.target);
  }
}

TEST_CASE("bad files: a folder in the place of a file is refused") {
  const test::TempDir dir;
  for (const auto& reader : readers()) {
    const std::string& kind = reader.first;
    if (kind == "mnist" || kind == "tfjs" || kind == "npy_pair") continue;
    CAPTURE(kind);
    CHECK(message_at(kind, dir.path()) == "FILE: is a directory, expected a file");
  }
}
