#include "flatenn/base/unfinished_files.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstring>

namespace flatenn {
namespace {

/// Fixed memory, since a signal handler reads it.
struct Slot {
  std::atomic<bool> taken = false;
  std::atomic<bool> named = false;
  std::array<char, PATH_MAX> path{};
};

std::array<Slot, 32> slots;  // files that threads write at the same time
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler reads it");

}  // namespace

UnfinishedFile::UnfinishedFile(const std::string& path) : slot_(slots.size()) {
  if (path.size() >= PATH_MAX) return;  // no such file can be made
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].taken.exchange(true)) continue;
    std::memcpy(slots[i].path.data(), path.c_str(), path.size() + 1);
    slots[i].named = true;
    slot_ = i;
    return;
  }
}

UnfinishedFile::~UnfinishedFile() {
  if (slot_ == slots.size()) return;
  slots[slot_].named = false;
  slots[slot_].taken = false;
}

void remove_unfinished_files() noexcept {
  for (const Slot& slot : slots) {
    if (slot.named) ::unlink(slot.path.data());
  }
}

}  // namespace flatenn
