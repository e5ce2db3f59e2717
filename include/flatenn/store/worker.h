#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flatenn/store/store.h"

namespace flatenn::store {

struct TrialKey {
  int64_t cell = 0;
  int64_t trial = 0;
  bool operator==(const TrialKey&) const = default;
};

/// One process's part in a plan. Workers of several processes share the plan's trials: each claims
/// what it is about to run, and nobody else gets it while that worker lives.
///
/// A background thread renews the worker's heartbeat. Claims of a worker that was killed are free
/// again at once on the same machine, after kLeaseSeconds in any case.
class Worker {
 public:
  static constexpr double kLeaseSeconds = 30;

  struct Description {
    int64_t plan = 0;
    std::string engine;
    int64_t threads = 0;
  };
  /// Another process that computes for this one and reaches the file through it alone: a rank.
  struct Helper {
    std::string host;  ///< process_space() there.
    int64_t pid = 0;
    std::string engine;
    int64_t threads = 0;
    std::string version;
  };
  /// `store` must outlive the worker.
  Worker(Store& store, const Description& description);
  ~Worker();  ///< Frees the claims; the run is recorded as "failed" where finish() was not called.
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Claims up to `wanted` of the candidates, in their order, leaving out finished trials and those
  /// that live workers (this one too) have claimed.
  std::vector<TrialKey> claim(std::span<const TrialKey> candidates, int64_t wanted);

  /// Stores finished trials and frees their claims in one transaction; a trial stored already stays
  /// as it is. `by`: which helper ran each, 0 for this process; empty: this process ran all. Throws
  /// Error where the file or the plan was changed under the run.
  void record(std::span<const TrialRow> trials, std::span<const int64_t> by = {});

  /// Records a helper's run beside this one's, and gives its number (above 0).
  int64_t add_helper(const Helper& helper);
  void heard_of(int64_t helper);  ///< A sign of life, stored with the next heartbeat.
  /// It is gone. Those still there at the end end as this one does.
  void end_helper(int64_t helper, const std::string& ending);

  void finish(const std::string& ending);  ///< "done", "interrupted", "time limit".
  int64_t trials_recorded() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flatenn::store
