#include "flatenn/store/worker.h"

#include <chrono>
#include <cmath>
#include <condition_variable>
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

int64_t register_worker(const Database& database, const Worker::Description& description) {
  Query query = database.query(
      "INSERT INTO workers(plan, host, pid, heartbeat, engine, threads, version, started, "
      "finished, ending, trials) VALUES(?, ?, ?, ?, ?, ?, ?, ?, '', '', 0)");
  query
      .bind_all(description.plan, process_space(), process_id(), unix_time(), description.engine,
                description.threads, std::string(version()), utc_now())
      .run();
  return database.last_insert_id();
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
        own.query("UPDATE workers SET heartbeat = ? WHERE id = ?").bind_all(unix_time(), id).run();
      } catch (const Error& error) {
        log::debug("heartbeat: ", error.what());  // record() meets the same trouble and reports it
      }
    }
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
    database.query("UPDATE workers SET finished = ?, ending = ? WHERE id = ?")
        .bind_all(utc_now(), ending, id)
        .run();
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

void Worker::record(std::span<const TrialRow> trials) {
  state_->check_plan();
  const Database& database = state_->store.database();
  int64_t inserted = 0;
  const Durable durable(database);
  Transaction transaction(database);
  for (const TrialRow& row : trials) {
    inserted += insert_trial(database, state_->description.plan, row) ? 1 : 0;
    database.query("DELETE FROM claims WHERE plan = ? AND cell = ? AND trial = ? AND worker = ?")
        .bind_all(state_->description.plan, row.cell, row.trial, state_->id)
        .run();
  }
  // Storing is a sign of life, too: the time of a killed run ends with its last trials.
  database.query("UPDATE workers SET trials = trials + ?, heartbeat = ? WHERE id = ?")
      .bind_all(inserted, unix_time(), state_->id)
      .run();
  transaction.commit();
  state_->recorded += inserted;
  if (!trials.empty()) state_->settle_now_and_then();
}

void Worker::finish(const std::string& ending) {
  state_->end(ending);
  state_->store.settle();
}

int64_t Worker::trials_recorded() const { return state_->recorded; }

}  // namespace flatenn::store
