#include "train/meeting.h"

#include "flatenn/base/error.h"

namespace flatenn::train {

void Meeting::wait() {
  std::unique_lock lock(mutex_);
  const int64_t round = round_;
  if (++waiting_ == threads_) {
    waiting_ = 0;
    ++round_;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return round_ != round || aborted_; });
  FLATENN_CHECK(round_ != round, "another worker of this training failed");
}

void Meeting::abort() {
  const std::lock_guard lock(mutex_);
  aborted_ = true;
  changed_.notify_all();
}

}  // namespace flatenn::train
