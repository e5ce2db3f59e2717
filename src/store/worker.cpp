#include "flatenn/store/worker.h"

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/version.h"
#include "store/database.h"
#include "store/process.h"
#include "store/trial_table.h"

namespace flatenn::store {
namespace {

constexpr auto kHeartbeat = std::chrono::seconds(5);
constexpr auto kSettle = std::chrono::seconds(30);

int64_t register_worker(const Database& database, int64_t plan, const Worker::Helper& process) {
  Query query = database.query(
      "INSERT INTO workers(plan, host, pid, heartbeat, engine, threads, version, started, "
      "finished, ending, trials) VALUES(?, ?, ?, ?, ?, ?, ?, ?, '', '', 0)");
  query
      .bind_all(plan, process.host, process.pid, unix_time(), process.engine, process.threads,
                process.version, utc_now())
      .run();
  return database.last_insert_id();
}

int64_t register_worker(const Database& database, const Worker::Description& description) {
  return register_worker(database, description.plan,
                         {.host = process_space(),
                          .pid = process_id(),
                          .engine = description.engine,
                          .threads = description.threads,
                          .version = version()});
}

void end_worker(const Database& database, int64_t id, const std::string& ending) {
  database.query("UPDATE workers SET finished = ?, ending = ? WHERE id = ?")
      .bind_all(utc_now(), ending, id)
      .run();
}

/// Frees the claims of workers that cannot finish them any more.
void free_dead_claims(const Database& database) {
  const std::string here = process_space();
  std::vector<int64_t> dead;
  {
    Query query = database.query(
        "SELECT id, host, pid, heartbeat FROM workers WHERE id IN (SELECT worker FROM claims)");
    while (query.next()) {
      const int64_t id = query.integer();
      const bool same_space = query.text() == here;
      const int64_t pid = query.integer();
      // One from the future tells nothing either: the clock was set, or the file is damaged.
      const bool expired = std::abs(query.real() - unix_time()) > Worker::kLeaseSeconds;
      if (expired || (same_space && !process_lives(pid))) dead.push_back(id);
    }
  }
  for (const int64_t id : dead) {
    database.query("DELETE FROM claims WHERE worker = ?").bind(id).run();
  }
}

bool take(const Database& database, int64_t plan, const TrialKey& key, int64_t worker) {
  Query query = database.query(
      "INSERT INTO claims SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM trials WHERE plan "
      "= ?1 AND cell = ?2 AND trial = ?3) ON CONFLICT DO NOTHING");
  query.bind_all(plan, key.cell, key.trial, worker).run();
  return database.changes() == 1;
}

}  // namespace

struct Worker::State {
  State(Store& shared, Description worker_description)
      : store(shared),
        description(std::move(worker_description)),
        id(register_worker(store.database(), description)),
        heart([this](const std::stop_token& stop) { beat(stop); }) {}

  /// Renews the heartbeat on a connection of its own until asked to stop.
  void beat(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, kHeartbeat, [&] { return stop.stop_requested(); })) {
      try {
        Database own(store.path(), Store::Access::kWrite);
        tell_signs_of_life(own);
      } catch (const Error& error) {
        log::debug("heartbeat: ", error.what());  // record() meets the same trouble and reports it
      }
    }
  }

  void tell_signs_of_life(const Database& own) {
    std::map<int64_t, double> signs;
    {
      const std::lock_guard lock(heard_mutex);
      signs = heard;
    }
    signs[id] = unix_time();
    Transaction transaction(own);
    for (const auto& [worker, time] : signs) {
      own.query("UPDATE workers SET heartbeat = max(heartbeat, ?) WHERE id = ?")
          .bind_all(time, worker)
          .run();
    }
    transaction.commit();
  }

  void check_plan() const {
    store.database().check_same_file();
    Query query = store.database().query("SELECT 1 FROM workers WHERE id = ? AND plan = ?");
    FLATENN_CHECK(query.bind_all(id, description.plan).next(), store.path().string(),
                  ": the plan was removed from it while the campaign ran");
  }

  void end(const std::string& ending) {
    const Database& database = store.database();
    Transaction transaction(database);
    database.query("DELETE FROM claims WHERE worker = ?").bind(id).run();
    for (const auto& [helper, time] : heard) end_worker(database, helper, ending);
    end_worker(database, id, ending);
    transaction.commit();
    ended = true;
  }

  /// So that a copy of the file alone lacks little; each time costs a wait for the disk.
  void settle_now_and_then() {
    const auto now = std::chrono::steady_clock::now();
    if (now - settled < kSettle) return;
    store.settle();
    settled = now;
  }

  Store& store;
  Description description;
  std::chrono::steady_clock::time_point settled = std::chrono::steady_clock::now();
  int64_t id;
  int64_t recorded = 0;
  bool ended = false;
  std::map<int64_t, double> heard;  ///< When, of each helper that is there.
  std::mutex heard_mutex;           ///< Of changes of `heard`, and of the other thread's reading.
  std::mutex mutex;
  std::condition_variable_any wake;
  std::jthread heart;  // last: its thread uses the members above
};

Worker::Worker(Store& store, const Description& description)
    : state_(std::make_unique<State>(store, description)) {
  store.settle();  // a copy of the file alone knows the campaign from here on
}

Worker::~Worker() {
  if (state_->ended) return;
  try {
    state_->end("failed");
  } catch (const std::exception& error) {
    log::debug("worker: ", error.what());  // the claims expire by themselves
  }
}

std::vector<TrialKey> Worker::claim(std::span<const TrialKey> candidates, int64_t wanted) {
  state_->check_plan();
  const Database& database = state_->store.database();
  std::vector<TrialKey> taken;
  Transaction transaction(database);
  free_dead_claims(database);
  for (const TrialKey& key : candidates) {
    if (static_cast<int64_t>(taken.size()) >= wanted) break;
    if (take(database, state_->description.plan, key, state_->id)) taken.push_back(key);
  }
  transaction.commit();
  return taken;
}

void Worker::record(std::span<const TrialRow> trials, std::span<const int64_t> by) {
  state_->check_plan();
  const Database& database = state_->store.database();
  std::map<int64_t, int64_t> inserted = {{state_->id, 0}};  // by each worker
  int64_t all = 0;
  const Durable durable(database);
  Transaction transaction(database);
  for (size_t i = 0; i < trials.size(); ++i) {
    const TrialRow& row = trials[i];
    const int64_t is_new = insert_trial(database, state_->description.plan, row) ? 1 : 0;
    inserted[by.empty() || by[i] == 0 ? state_->id : by[i]] += is_new;
    all += is_new;
    database.query("DELETE FROM claims WHERE plan = ? AND cell = ? AND trial = ? AND worker = ?")
        .bind_all(state_->description.plan, row.cell, row.trial, state_->id)
        .run();
  }
  // Storing is a sign of life, too: the time of a killed run ends with its last trials.
  for (const auto& [worker, count] : inserted) {
    database.query("UPDATE workers SET trials = trials + ?, heartbeat = ? WHERE id = ?")
        .bind_all(count, unix_time(), worker)
        .run();
  }
  transaction.commit();
  state_->recorded += all;
  if (!trials.empty()) state_->settle_now_and_then();
}

int64_t Worker::add_helper(const Helper& helper) {
  const int64_t id = register_worker(state_->store.database(), state_->description.plan, helper);
  heard_of(id);
  return id;
}

void Worker::heard_of(int64_t helper) {
  const std::lock_guard lock(state_->heard_mutex);
  state_->heard[helper] = unix_time();
}

void Worker::end_helper(int64_t helper, const std::string& ending) {
  {
    const std::lock_guard lock(state_->heard_mutex);
    state_->heard.erase(helper);
  }
  end_worker(state_->store.database(), helper, ending);
}

void Worker::finish(const std::string& ending) {
  state_->end(ending);
  state_->store.settle();
}

int64_t Worker::trials_recorded() const { return state_->recorded; }

}  // namespace flatenn::store
