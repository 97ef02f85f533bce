// A process that is started, sent signals at chosen times, and waited for.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace rill::trust {

class Process {
 public:
  /// Starts a program; its output goes to a file. Throws std::runtime_error if that fails.
  Process(std::vector<std::string> arguments, const std::string& output);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Kills it if it was not waited for.
  ~Process();

  void send(int signal) const;
  /// The exit status, or minus the number of the signal that ended it.
  int wait();

 private:
  pid_t id_ = -1;
};

/// While it lives, temporary folders lie in memory where the system offers that, unless TMPDIR says where: no real
/// power fails, and to wait for a disk would only take time.
class FoldersInMemory {
 public:
  FoldersInMemory();
  FoldersInMemory(const FoldersInMemory&) = delete;
  FoldersInMemory& operator=(const FoldersInMemory&) = delete;
  ~FoldersInMemory();

 private:
  bool set_ = false;
};

}  // namespace rill::trust
