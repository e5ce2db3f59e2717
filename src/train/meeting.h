#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace flatenn::train {

/// Where a fixed number of threads wait for one another, again and again, unless one of them fails.
class Meeting {
 public:
  explicit Meeting(int64_t threads) : threads_(threads) {}

  /// Returns when all threads have called it. Throws Error after abort().
  void wait();
  void abort();

 private:
  const int64_t threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t waiting_ = 0;
  int64_t round_ = 0;
  bool aborted_ = false;
};

}  // namespace flatenn::train
