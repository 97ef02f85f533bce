// This program again, in processes beside this one.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace rill::command {

class Children {
 public:
  Children() = default;
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children();  // stop(), and waits

  std::size_t size() const { return ids_.size(); }
  /// Starts the program with these arguments, in a process group of its own: a terminal's Ctrl-C comes to this process alone. It
  /// belongs to this one, and is asked to save and stop should this one end; `note` is for it. Throws Error where the system starts
  /// no more.
  void start(std::size_t id, const std::vector<std::string>& arguments, const std::string& note);

  struct Ended {
    std::size_t id;
    int status;  ///< its exit status, or 128 + the signal that ended it
  };
  /// Waits for one of them. If this process has been interrupted, they are asked to stop.
  Ended wait();
  /// Asks all of them to save and stop, once; to those that have been asked by another it is no second signal.
  void stop();

 private:
  std::map<pid_t, std::size_t> ids_;
  bool stopped_ = false;
};

/// Whether this process is such a child. From the first call on it stops when its parent does.
bool belongs_to_parent();
/// The note of a child.
std::string note_of_parent();

}  // namespace rill::command
