// K2: power failures while a checkpoint is written. The calls of a save are recorded, and a simulated disk enumerates what
// it may hold after a failure behind each of them: the old file or the new one, whole. The same for the folder of a
// run: in every state that a failure may leave, the run goes on and ends as if nothing had happened.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/create.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>

#include "../temp_dir.hpp"
#include "checks.hpp"
#include "crash_disk.hpp"
#include "process.hpp"
#include "small_run.hpp"

namespace rill::trust {
namespace {

using Kind = FileOperation::Kind;
using Operations = std::vector<FileOperation>;

constexpr std::uint64_t most_states = 100'000;

// What a folder's files were when a recording began.
Disk disk_of(const std::string& folder) {
  Disk disk;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    struct stat info {};
    if (::stat(entry.path().c_str(), &info) != 0) throw std::runtime_error("no " + entry.path().string());
    std::ifstream in(entry.path(), std::ios::binary);
    disk.names[entry.path().filename()] = info.st_ino;
    disk.contents[info.st_ino] = {std::istreambuf_iterator<char>(in), {}};
  }
  return disk;
}

struct Saved {
  std::string old_content = {}, new_content = {};
  bool was_there = true;
  Disk before = {};
  Operations operations = {};
};

Saved record(bool was_there, const std::function<void(const std::string&)>& save_old,
             const std::function<void(const std::string&)>& save_new) {
  const test::TempDir folder;
  const std::string path = folder.file("x");
  Saved saved{.was_there = was_there};
  if (was_there) {
    save_old(path);
    saved.old_content = folder.read("x");
  }
  saved.before = disk_of(folder.path());
  const FileCalls calls(folder.path());
  save_new(path);
  saved.operations = calls.operations();
  saved.new_content = folder.read("x");
  return saved;
}

struct Found {
  std::uint64_t states = 0, torn = 0, lost = 0, litter = 0;
};

// `lost`: the save has returned, and the new file is not there.
Found crash_everywhere(const Saved& saved, std::uint64_t seed) {
  Found found;
  for (std::size_t done = 0; done <= saved.operations.size(); ++done) {
    const bool returned = done == saved.operations.size();
    found.states += each_crash(
        saved.before, std::span(saved.operations).first(done), most_states, seed, [&](const Disk& disk) {
          const std::string* content = disk.find("x");
          const bool old_one = saved.was_there ? content && *content == saved.old_content : !content;
          const bool new_one = content && *content == saved.new_content;
          found.torn += !old_one && !new_one;
          found.lost += returned && !new_one;
          found.litter += disk.names.size() > 2;
        });
  }
  return found;
}

Saved without(Saved saved, Kind kind) {
  std::erase_if(saved.operations, [&](const FileOperation& each) { return each.kind == kind; });
  return saved;
}

// --- saves -----------------------------------------------------------------------------------------------------------

void save_tensors(const std::string& path, double value) {
  io::save_safetensors(path, {.tensors = {{"0.weight", full({3, 2}, value)}, {"0.bias", full({3}, value)}},
                              .metadata = {{"a", "b"}},
                              .checksum = true});
}

void check_saves(const Scale& scale, Report& report) {
  Found all;
  std::vector<Saved> saves;
  for (const bool was_there : {true, false}) {
    saves.push_back(record(
        was_there, [](const std::string& path) { save_tensors(path, 1); },
        [](const std::string& path) { save_tensors(path, 2); }));
    saves.push_back(record(
        was_there, [](const std::string& path) { io::write_file_atomically(path, "the old content"); },
        [](const std::string& path) { io::write_file_atomically(path, "new"); }));
  }
  for (const Saved& saved : saves) {
    const Found found = crash_everywhere(saved, scale.seed);
    all.states += found.states;
    all.torn += found.torn;
    all.lost += found.lost;
    all.litter += found.litter;
  }
  report.at_least("saves: states after a power failure, all there are", all.states, 100);
  report.exactly("saves: neither the old file nor the new one", all.torn, 0);
  report.exactly("saves: returned, and the new file is not there", all.lost, 0);
  report.exactly("saves: more than one temporary file beside it", all.litter, 0);

  // A simulation that finds nothing where a sync is missing would be none.
  report.at_least("power: torn files found where the file is not synced",
                  crash_everywhere(without(saves[0], Kind::sync_file), scale.seed).torn, 1);
  report.at_least("power: lost files found where the folder is not synced",
                  crash_everywhere(without(saves[0], Kind::sync_folder), scale.seed).lost, 1);
  const Saved in_place = record(
      true, [](const std::string& path) { io::write_file_atomically(path, "the old content"); },
      [](const std::string& path) {
        std::ofstream(path, std::ios::binary) << "the new content" << std::flush;
      });
  report.at_least("power: torn files found where a file is written in place",
                  crash_everywhere(in_place, scale.seed).torn, 1);
}

// --- a run -----------------------------------------------------------------------------------------------------------

// The files as they would be found.
void restore(const Disk& disk, const std::string& folder) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  for (const auto& [name, inode] : disk.names) {
    std::ofstream out(folder + "/" + name, std::ios::binary);
    out << disk.contents.at(inode);
  }
}

void check_run(const Scale& scale, Report& report) {
  const test::TempDir folder;
  const SmallRun run(folder);
  run.train({.epochs = 1});
  const Disk before = disk_of(run.out());
  Operations operations;
  {
    const FileCalls calls(run.out());
    run.train({.epochs = 3, .resume = true});
    operations = calls.operations();
  }
  const std::string expected = run.outcome();

  const std::uint64_t each = scale.of<std::uint64_t>(4, 60);
  std::uint64_t states = 0, refused = 0, different = 0;
  for (std::size_t done = 0; done <= operations.size(); ++done) {
    const auto part = std::span(operations).first(done);
    // Only after these can there be more to lose than before.
    if (done > 0 && (part.back().kind == Kind::sync_file || part.back().kind == Kind::sync_folder)) continue;
    states += each_crash(before, part, each, scale.seed + done, [&](const Disk& disk) {
      restore(disk, run.out());
      try {
        run.train({.epochs = 3, .resume = true});
      } catch (const Error& error) {
        if (refused++ == 0) report.detail(fmt::format("after {} operations: {}", done, error.what()));
        return;
      }
      if (run.outcome() == expected) return;
      if (different++ == 0) report.detail(fmt::format("another outcome: after {} operations", done));
    });
  }
  report.at_least("run: states after a power failure, gone on from", states, 100);
  report.exactly("run: states from which the run does not go on", refused, 0);
  report.exactly("run: other weights, optimizer state or logs at its end", different, 0);
}

}  // namespace

void check_crash_states(const Scale& scale, Report& report) {
  report.begin("K2");
  const FoldersInMemory in_memory;
  check_saves(scale, report);
  check_run(scale, report);
}

}  // namespace rill::trust
