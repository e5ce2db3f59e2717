#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "campaign/batch_runner.h"
#include "campaign/crew_messages.h"
#include "campaign/dealer.h"
#include "flatenn/campaign/campaign.h"
#include "flatenn/campaign/transport.h"

namespace flatenn::campaign {

/// What workers compare with their own plan, and what they take over from rank 0.
nlohmann::json crew_briefing(const Workload& workload, const store::PlanRow& plan);

/// A worker of rank 0's own process: a thread with a queue of batches.
class LocalWorker {
 public:
  /// With `first` it runs the fault-free passes itself and compares them with that one's.
  LocalWorker(Workload& workload, double verify_share, const Workload* first);
  ~LocalWorker() { stop(); }
  LocalWorker(const LocalWorker&) = delete;
  LocalWorker& operator=(const LocalWorker&) = delete;

  void give(int64_t batch, std::vector<store::TrialKey> keys);
  /// A finished batch, if there is one. Throws what running it did.
  std::optional<RowsMessage> receive();
  /// Ends after the batch that runs now; stop() waits for that.
  void request_stop();
  void stop();

 private:
  void work();
  void work_on(const BatchMessage& batch);

  Workload& workload_;
  const Workload* first_;  ///< Not compared with yet, or null.
  BatchRunner runner_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<BatchMessage> batches_;
  std::deque<RowsMessage> done_;
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::thread thread_;  // last: uses the members above
};

/// All that compute for one run, seen from rank 0: trials go out, rows come back. Its workers are
/// this process's devices, one or more, and behind them the other ranks.
class Crew {
 public:
  /// `workload` has run its fault-free passes. `worker` is rank 0's, which stores the others' rows
  /// and says what is heard of them.
  Crew(Workload& workload, const CampaignOptions& options, const store::PlanRow& plan,
       store::Worker& worker, double seconds_a_trial);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int64_t wanted() const { return dealer_.wanted(); }
  bool holds(const store::TrialKey& key) const { return dealer_.holds(key); }
  int64_t outstanding() const { return dealer_.outstanding(); }
  void offer(const std::vector<store::TrialKey>& keys) { dealer_.offer(keys); }

  /// Deals and receives until rows should be stored, about half a second's, or all there are where
  /// nobody computes any more, and stores them; false where nothing came for a while. `left` as in
  /// Dealer::deal. Throws Error where a trial cannot be run here, or gave other numbers the second
  /// time.
  bool turn(int64_t left);
  void store_rows();  ///< What has come and is not stored yet.
  /// Nothing more is to run: waits for what the workers still have, unless they take too long.
  void end();

  /// Throws Error where a device's network or fault-free logits are not what they were; after
  /// end().
  void check_unchanged();

  int64_t verified() const { return verified_; }
  std::vector<Part> parts() const;  ///< Of each device and each rank.

 private:
  struct Member {
    std::string host;
    int64_t helper = 0;    ///< Its number to the worker, once it has joined.
    bool is_gone = false;  ///< Said why it takes no part, or goodbye.
  };
  void add_devices(Workload& workload, const CampaignOptions& options);
  double now() const;
  int64_t devices() const { return std::ssize(locals_); }
  int64_t ranks() const { return std::ssize(members_); }
  /// The worker that a rank other than 0 is.
  int64_t worker_of(int64_t rank) const { return devices() + rank - 1; }
  void deal(int64_t left);
  void ping();
  bool receive();
  bool receive_from(size_t device);
  void take(const Transport::Message& message);
  void add_rows(int64_t worker, int64_t helper, RowsMessage message);
  void join(int64_t rank, const nlohmann::json& who);
  void leave(int64_t rank, const char* ending);
  bool all_said_goodbye() const;

  Transport* transport_;  ///< Null: no other rank.
  store::Worker& worker_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Dealer dealer_;
  std::vector<Member> members_;                       ///< By rank.
  std::vector<Workload*> workloads_;                  ///< Of each device.
  std::vector<std::unique_ptr<Workload>> twins_;      ///< Those that the crew made.
  std::vector<std::unique_ptr<LocalWorker>> locals_;  ///< By device; they use the workloads.
  std::vector<store::TrialRow> rows_;
  std::vector<int64_t> by_;  ///< Of each row: see store::Worker::record.
  int64_t verified_ = 0;
  double stored_ = 0;  ///< When rows were last given to be stored.
  double pinged_ = 0;
  bool stopped_ = false;
};

}  // namespace flatenn::campaign
