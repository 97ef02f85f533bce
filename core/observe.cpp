#include <rill/core/observe.hpp>
#include <rill/core/tensor.hpp>

namespace rill {

Observer::~Observer() {
  Observer** link = &detail::thread_mode.observer;
  while (*link && *link != this) link = &(*link)->outer_;
  if (*link) *link = outer_;
}

namespace detail {

thread_local constinit ThreadMode thread_mode;

// An observer is not watched itself: what its own code computes goes unseen.
namespace {
class Telling {
 public:
  Telling() : before_(std::exchange(thread_mode.telling, true)) {}
  ~Telling() { thread_mode.telling = before_; }
  Telling(const Telling&) = delete;
  Telling& operator=(const Telling&) = delete;

 private:
  bool before_;
};
}  // namespace

void tell_before(const OpRun& run) {
  const Telling telling;
  Observer* next = thread_mode.observer;
  try {
    for (; next; next = next->outer()) next->before(run);
  } catch (...) {
    for (Observer* told = thread_mode.observer; told != next; told = told->outer()) told->failed(run.name);
    throw;
  }
}

void tell_after(const OpRun& run) {
  const Telling telling;
  Observer* next = thread_mode.observer;
  try {
    for (; next; next = next->outer()) next->after(run);
  } catch (...) {
    for (next = next->outer(); next; next = next->outer()) next->failed(run.name);
    throw;
  }
}

void tell_failed(std::string_view op) noexcept {
  const Telling telling;
  for (Observer* observer = thread_mode.observer; observer; observer = observer->outer())
    observer->failed(op);
}

}  // namespace detail
}  // namespace rill
