#include "allocation_fault.hpp"

#include <dlfcn.h>
#include <execinfo.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <string_view>

namespace rill::trust {
namespace {

struct Plan {
  bool active = false, for_ever = false, spare_json = false, fired = false;
  std::int64_t at = 0, seen = 0, spared = 0;
};

thread_local constinit Plan plan;
thread_local constinit std::int64_t held = 0;

// The mangled names of destructors, and of what containers call to destroy, of a nlohmann::basic_json.
bool destroys_json(std::string_view name) {
  if (name.find("nlohmann") == std::string_view::npos) return false;
  constexpr std::array<std::string_view, 6> words{"destroy", "D0Ev",     "D1Ev",
                                                  "D2Ev",    "_M_erase", "_M_drop_node"};
  return std::ranges::any_of(
      words, [&](std::string_view word) { return name.find(word) != std::string_view::npos; });
}

bool within_json_destructor() {
  std::array<void*, 24> frames{};
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  return std::any_of(frames.begin(), frames.begin() + count, [](void* frame) {
    Dl_info info{};
    return ::dladdr(frame, &info) != 0 && info.dli_sname && destroys_json(info.dli_sname);
  });
}

bool fails() {
  if (!plan.active) return false;
  const std::int64_t number = plan.seen++;
  if (number < plan.at || (plan.fired && !plan.for_ever)) return false;
  if (plan.spare_json) {
    plan.active = false;
    const bool spare = within_json_destructor();
    plan.active = true;
    if (spare) {
      ++plan.spared;
      return false;
    }
  }
  plan.fired = true;
  return true;
}

}  // namespace

AllocationFault::AllocationFault(std::int64_t at, bool for_ever, bool spare_json) {
  if (spare_json) within_json_destructor();  // what the first call loads is loaded now
  plan = {.active = true, .for_ever = for_ever, .spare_json = spare_json, .at = at};
}

AllocationFault::~AllocationFault() { plan.active = false; }

bool AllocationFault::fired() const { return plan.fired; }
std::int64_t AllocationFault::spared() const { return plan.spared; }

std::int64_t pieces_held() { return held; }

}  // namespace rill::trust

void* operator new(std::size_t bytes) {
  void* piece = rill::trust::fails() ? nullptr : std::malloc(std::max<std::size_t>(bytes, 1));
  if (!piece) throw std::bad_alloc();
  ++rill::trust::held;
  return piece;
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  void* piece = rill::trust::fails()
                    ? nullptr
                    : std::aligned_alloc(to, (std::max<std::size_t>(bytes, 1) + to - 1) / to * to);
  if (!piece) throw std::bad_alloc();
  ++rill::trust::held;
  return piece;
}

void operator delete(void* piece) noexcept {
  rill::trust::held -= piece != nullptr;
  std::free(piece);
}

void operator delete(void* piece, std::size_t) noexcept { operator delete(piece); }
void operator delete(void* piece, std::align_val_t) noexcept { operator delete(piece); }
void operator delete(void* piece, std::size_t, std::align_val_t) noexcept { operator delete(piece); }
