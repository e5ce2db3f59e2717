#pragma once

#include <mutex>
#include <string>

#include "flatenn/base/log.h"
#include "flatenn/base/progress.h"
#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// The progress of reading pictures by several threads, and the wish to stop.
class LoadMonitor {
 public:
  LoadMonitor(const std::string& title, int64_t total, const LoadOptions& options)
      : title_(title),
        options_(options),
        progress_({.title = title,
                   .total = total,
                   .unit = "pictures",
                   .quiet = !log::is_shown(log::Level::kInfo)}) {}

  /// One picture is done. Throws Interrupted where a caller wants to stop.
  void advance() {
    const std::lock_guard lock(mutex_);
    progress_.advance();
    if (options_.stop_requested && options_.stop_requested()) {
      throw Interrupted(title_ + ": stopped");
    }
  }

 private:
  std::string title_;
  const LoadOptions& options_;
  std::mutex mutex_;
  Progress progress_;
};

}  // namespace flatenn::data
