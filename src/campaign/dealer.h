#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_set>
#include <vector>

#include "flatenn/store/worker.h"

namespace flatenn::campaign {

/// Deals a campaign's trials out to workers by their measured speed. It knows nothing of messages,
/// files or clocks: times are seconds that the caller tells.
///
/// A worker has one batch running and one waiting, so that it never waits for the dealer. A batch
/// takes about `batch_seconds`, and towards the end less, so that all workers end together (guided
/// self-scheduling: Polychronopoulos and Kuck, IEEE Trans. Computers C-36(12), 1987). Where nothing
/// else is left to deal, a batch that is long overdue is dealt a second time: its worker may be
/// gone.
class Dealer {
 public:
  struct Options {
    double batch_seconds = 1;
    int64_t most = 512;                ///< Trials of a batch.
    double seconds_a_trial = 0;        ///< Of a worker not yet measured; 0: unknown.
    std::vector<int64_t> models = {};  ///< Of each cell: a batch is of one model.
  };
  struct Hand {
    int64_t batch = 0;
    int64_t worker = 0;
    std::vector<store::TrialKey> keys;
  };

  Dealer(int64_t workers, Options options);

  void join(int64_t worker);
  /// The worker is gone: what it had is dealt again.
  void leave(int64_t worker);
  int64_t workers() const { return joined_; }

  /// Trials to run, in the order in which they are dealt.
  void offer(const std::vector<store::TrialKey>& keys);
  /// Trials worth offering now.
  int64_t wanted() const;
  bool holds(const store::TrialKey& key) const { return held_.contains(packed(key)); }
  /// Offered and not yet back.
  int64_t outstanding() const { return std::ssize(held_); }

  /// The next batch for the worker that needs it most. `left` is what the campaign still wants in
  /// all, as far as known.
  std::optional<Hand> deal(double now, int64_t left);
  /// A batch came back after `seconds` of work.
  void returned(int64_t batch, int64_t worker, double seconds, double now);
  int64_t trials_of(int64_t worker) const { return at(worker).done; }

 private:
  struct Batch {
    int64_t id = 0;
    std::vector<store::TrialKey> keys;
    double since = 0;  ///< When it could start.
    bool is_copied = false;
  };
  struct WorkerState {
    bool is_there = false;
    double speed = 0;  ///< Trials a second; 0: not measured.
    std::deque<Batch> batches;
    int64_t queued = 0;  ///< Trials of its batches.
    int64_t done = 0;
  };
  static uint64_t packed(const store::TrialKey& key) {
    return static_cast<uint64_t>(key.cell) << 40U ^ static_cast<uint64_t>(key.trial);
  }
  const WorkerState& at(int64_t worker) const { return workers_[static_cast<size_t>(worker)]; }
  double speed_of(const WorkerState& worker) const;
  double total_speed() const;
  int64_t size_for(const WorkerState& worker, int64_t left) const;
  std::vector<store::TrialKey> take(int64_t most);
  Hand give(int64_t worker, std::vector<store::TrialKey> keys, double now);
  std::optional<Hand> second_try(double now);
  void forget(const std::vector<store::TrialKey>& keys);

  Options options_;
  std::vector<WorkerState> workers_;
  std::deque<int64_t> idle_;    ///< Workers that may have no batch.
  std::deque<int64_t> single_;  ///< Workers that may have one batch only.
  std::deque<store::TrialKey> pool_;
  std::unordered_set<uint64_t> held_;  ///< In the pool or with a worker.
  int64_t joined_ = 0;
  int64_t measured_ = 0;       ///< Workers with a speed.
  double measured_speed_ = 0;  ///< Sum of theirs.
  int64_t next_batch_ = 0;
};

}  // namespace flatenn::campaign
