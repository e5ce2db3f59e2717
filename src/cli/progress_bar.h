#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "flatenn/base/progress.h"

namespace flatenn::cli {

/// A progress line that an observer (done, total) moves.
class ProgressBar {
 public:
  ProgressBar(std::string title, std::string unit, bool quiet)
      : title_(std::move(title)), unit_(std::move(unit)), quiet_(quiet) {}
  void operator()(int64_t done, int64_t total) {
    if (!progress_) {
      progress_ = std::make_shared<Progress>(
          Progress::Options{.title = title_, .total = total, .unit = unit_, .quiet = quiet_});
    }
    progress_->advance(done - done_);
    done_ = done;
    if (done >= total) progress_->finish();  // what is printed next begins a line of its own
  }

 private:
  std::string title_, unit_;
  bool quiet_;
  int64_t done_ = 0;
  std::shared_ptr<Progress> progress_;  ///< Shared by copies of the observer.
};

}  // namespace flatenn::cli
