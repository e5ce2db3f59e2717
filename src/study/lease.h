#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "flatenn/base/error.h"

namespace flatenn::study {

/// Another process has taken over what this one held, and goes on with it.
class LeaseLost : public Error {
 public:
  using Error::Error;
};

struct LeaseTimes {
  std::chrono::milliseconds beat{5000};       ///< Between two signs of life of a holder.
  std::chrono::milliseconds patience{90000};  ///< Without one, as the waiting process measures it.
};

/// Held by one process, and there by one thread, at a time; ends with the object.
class Lease {
 public:
  Lease(std::filesystem::path base, int64_t generation, LeaseTimes times);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// Throws LeaseLost where another process took this one, which was silent for too long, for dead.
  void check() const;

 private:
  void beat();
  void keep_beating();

  std::filesystem::path base_;
  int64_t generation_;
  LeaseTimes times_;
  int64_t beats_ = 0;
  std::atomic<bool> lost_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;  // last: uses the members above
};

/// Hands out leases on tasks in a folder that several machines may share. No file locks: a task's
/// leases are numbered, and the next number is taken by a hard link, which one process alone can
/// make, on NFS too. The holder writes a counter beside it. It is taken over where it says that it
/// has ended, where it ran on this machine and is gone, or where its counter stood still for
/// `patience`: on the clock of the process that waits, so that clocks need not agree.
class Leases {
 public:
  explicit Leases(LeaseTimes times = {}) : times_(times) {}

  /// The lease on the task of this name (".runs-name"), whose files stand in `folder`, made where
  /// it is not there; null while another holds it. Asked again and again by who waits. Throws Error
  /// where the folder cannot be written. May be called by several threads.
  std::unique_ptr<Lease> try_take(const std::filesystem::path& folder, const std::string& task);

 private:
  /// What was last seen of a holder.
  struct Seen {
    std::string sign;  ///< Its number and counter.
    std::chrono::steady_clock::time_point since;
  };
  bool is_silent(const std::filesystem::path& base, const std::string& sign);

  LeaseTimes times_;
  std::mutex mutex_;
  std::map<std::filesystem::path, Seen> seen_;
};

}  // namespace flatenn::study
