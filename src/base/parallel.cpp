#include "flatenn/base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn {

int64_t resolve_threads(int64_t wanted) {
  constexpr int64_t kMost = 1024;
  FLATENN_CHECK(wanted >= 0 && wanted <= kMost, "threads: must be in [0, ", kMost,
                "] (0: all cores), got ", wanted);
  if (wanted > 0) return wanted;
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) == 0) return CPU_COUNT(&usable);
  return std::max<int64_t>(1, std::thread::hardware_concurrency());
}

void parallel_for(int64_t count, int64_t threads, const std::function<void(int64_t)>& body) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    for (int64_t index = next++; index < count; index = next++) {
      try {
        body(index);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  const int64_t helpers = std::min(threads, count) - 1;
  std::vector<std::jthread> pool;
  for (int64_t i = 0; i < helpers; ++i) pool.emplace_back(work);
  work();
  pool.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace flatenn
