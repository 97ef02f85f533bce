// A simulated disk that loses power: what a folder may look like afterwards, for all that was not yet synced.
//
// The model is as bad as POSIX allows: the content of a file is safe once the file itself was synced since, a name once
// the folder was. Of what is not safe any part may have reached the disk, in any order: of each write all, the first
// half or nothing; of each change of a name all or nothing, whatever became of those before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "file_calls.hpp"

namespace rill::trust {

struct Disk {
  std::map<std::string, std::uint64_t> names = {};     ///< to inodes
  std::map<std::uint64_t, std::string> contents = {};  ///< of inodes
  const std::string* find(const std::string& name) const;
  void apply(const FileOperation& operation, bool torn = false);
};

/// Every state in which a power failure after all of `operations` may leave a disk that was, synced, as `start`. Where there
/// are more than `most`, as many random ones, with those in which all or nothing was lost; the number of states seen.
std::uint64_t each_crash(const Disk& start, std::span<const FileOperation> operations, std::uint64_t most,
                         std::uint64_t seed, const std::function<void(const Disk&)>& see);

}  // namespace rill::trust
