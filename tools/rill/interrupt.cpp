#include <rill/tools/rill/interrupt.hpp>

#include <unistd.h>

#include <csignal>

namespace rill::command {
namespace {

volatile std::sig_atomic_t received = 0;

extern "C" void note_signal(int signal) {
  if (received != 0) ::_exit(128 + signal);
  received = signal;
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
}

bool interrupted() { return received != 0; }
int interrupted_status() { return 128 + received; }

}  // namespace rill::command
