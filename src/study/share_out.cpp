#include "study/share_out.h"

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "flatenn/base/log.h"

namespace flatenn::study {
namespace {

constexpr std::chrono::milliseconds kPause(300);
constexpr int64_t kPausesBeforeTelling = 10;

}  // namespace

bool share_out(int64_t tasks, const std::function<Step(int64_t)>& attempt,
               const std::function<bool()>& stop_requested) {
  std::vector<int64_t> open(static_cast<size_t>(tasks));
  std::iota(open.begin(), open.end(), 0);
  for (int64_t pauses = 0; !open.empty();) {
    std::vector<int64_t> elsewhere;
    for (const int64_t task : open) {
      const Step step = attempt(task);
      if (step == Step::kStopped) return false;
      if (step == Step::kElsewhere) elsewhere.push_back(task);
    }
    if (elsewhere.size() == open.size()) {
      if (stop_requested && stop_requested()) return false;
      if (++pauses == kPausesBeforeTelling)
        log::info("other processes work on what is left; waiting");
      std::this_thread::sleep_for(kPause);
    }
    open = std::move(elsewhere);
  }
  return true;
}

}  // namespace flatenn::study
