#include <rill/tools/rill/interrupt.hpp>

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace rill::command {
namespace {

// Two signals may be handled at once, by two threads.
constinit std::atomic<int> received{0};
constinit std::atomic<bool> requested{false};  // and no signal has come since
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void note_signal(int signal) {
  if (received.exchange(signal) != 0 && !requested.exchange(false)) ::_exit(128 + signal);
}

extern "C" void note_request(int) {
  int none = 0;
  if (received.compare_exchange_strong(none, SIGTERM)) requested = true;
}

}  // namespace

void catch_interrupts() {
  std::signal(stop_request, note_request);
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
}

bool interrupted() { return received != 0; }
int interrupted_status() { return 128 + received; }

}  // namespace rill::command
