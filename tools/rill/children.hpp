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
  /// Starts the program with these arguments, in a process group of its own: a terminal's Ctrl-C comes to this process alone.
  /// Throws Error where the system starts no more.
  void start(std::size_t id, const std::vector<std::string>& arguments);

  struct Ended {
    std::size_t id;
    int status;  ///< its exit status, or 128 + the signal that ended it
  };
  /// Waits for one of them. A signal that has come to this process (see interrupted()) is passed on, once.
  Ended wait();
  /// Asks all of them to save and stop.
  void stop(int signal);

 private:
  std::map<pid_t, std::size_t> ids_;
  bool stopped_ = false;
};

}  // namespace rill::command
