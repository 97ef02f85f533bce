#include "crash_disk.hpp"

#include <algorithm>
#include <random>
#include <vector>

namespace rill::trust {
namespace {

using Kind = FileOperation::Kind;

bool of_content(const FileOperation& operation) {
  return operation.kind == Kind::write || operation.kind == Kind::cut;
}

// Makes safe what a sync does, in the order in which it came.
void sync(Disk& disk, std::vector<const FileOperation*>& pending, const FileOperation& by) {
  const auto is_safe = [&](const FileOperation* each) {
    if (by.kind == Kind::sync_folder) return !of_content(*each);
    return of_content(*each) && each->file == by.file;
  };
  for (const FileOperation* each : pending) {
    if (is_safe(each)) disk.apply(*each);
  }
  std::erase_if(pending, is_safe);
}

// 0: lost, 1: kept, 2: half.
std::uint64_t choices_of(const FileOperation& operation) {
  return operation.kind == Kind::write && operation.bytes.size() > 1 ? 3 : 2;
}

}  // namespace

const std::string* Disk::find(const std::string& name) const {
  const auto found = names.find(name);
  return found == names.end() ? nullptr : &contents.at(found->second);
}

void Disk::apply(const FileOperation& operation, bool torn) {
  switch (operation.kind) {
    case Kind::create:
      names[operation.name] = operation.file;
      contents.try_emplace(operation.file);
      break;
    case Kind::rename:
      names.erase(operation.old_name);
      names[operation.name] = operation.file;
      contents.try_emplace(operation.file);
      break;
    case Kind::remove:
      names.erase(operation.name);
      break;
    case Kind::cut:
      contents[operation.file].resize(operation.offset);
      break;
    case Kind::write: {
      const std::size_t size = torn ? operation.bytes.size() / 2 : operation.bytes.size();
      std::string& content = contents[operation.file];
      content.resize(std::max<std::size_t>(content.size(), operation.offset + size));
      content.replace(operation.offset, size, operation.bytes, 0, size);
      break;
    }
    case Kind::sync_file:
    case Kind::sync_folder:
      break;
  }
}

std::uint64_t each_crash(const Disk& start, std::span<const FileOperation> operations, std::uint64_t most,
                         std::uint64_t seed, const std::function<void(const Disk&)>& see) {
  Disk safe = start;
  std::vector<const FileOperation*> pending;
  for (const FileOperation& operation : operations) {
    if (operation.kind == Kind::sync_file || operation.kind == Kind::sync_folder) {
      sync(safe, pending, operation);
    } else {
      pending.push_back(&operation);
    }
  }
  std::uint64_t states = 1;
  for (const FileOperation* each : pending) states = std::min(states * choices_of(*each), most + 1);
  std::mt19937_64 random(seed);
  const bool all = states <= most;
  const std::uint64_t count = all ? states : most;
  for (std::uint64_t state = 0; state < count; ++state) {
    Disk disk = safe;
    std::uint64_t rest = state;
    for (const FileOperation* each : pending) {
      const std::uint64_t choices = choices_of(*each);
      std::uint64_t choice = rest % choices;
      rest /= choices;
      if (!all) choice = state < 2 ? state : random() % choices;
      if (choice > 0) disk.apply(*each, choice == 2);
    }
    see(disk);
  }
  return count;
}

}  // namespace rill::trust
