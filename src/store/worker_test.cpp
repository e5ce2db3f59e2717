#include "flatenn/store/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "store/database.h"
#include "store/process.h"
#include "store/store_test_support.h"

namespace {

std::atomic<int64_t> syncs = 0;

}  // namespace

/// Stands before the C library's: counts how often SQLite waits for the disk.
extern "C" int fdatasync(int file) {
  ++syncs;
  return static_cast<int>(syscall(SYS_fdatasync, file));
}

namespace flatenn::store {
namespace {

using testing::HasSubstr;

const std::array kCandidates = {TrialKey{0, 0}, TrialKey{0, 1}, TrialKey{1, 0}, TrialKey{1, 1}};

Worker::Description description(int64_t plan) {
  return {.plan = plan, .engine = "reference", .threads = 1};
}

TEST(Worker, ClaimsNoTrialTwice) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  Store other = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker first(store, description(plan));
  Worker second(other, description(plan));
  EXPECT_EQ(first.claim(kCandidates, 2), (std::vector{TrialKey{0, 0}, TrialKey{0, 1}}));
  EXPECT_EQ(second.claim(kCandidates, 9), (std::vector{TrialKey{1, 0}, TrialKey{1, 1}}));
  EXPECT_TRUE(first.claim(kCandidates, 9).empty());
}

TEST(Worker, ACopyOfTheFileAloneKnowsThePlanFromTheFirstMoment) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  const Worker worker(store, description(plan));
  std::filesystem::copy_file(folder / "a.db", folder / "copy.db");
  EXPECT_EQ(Store::open(folder / "copy.db", Store::Access::kRead).plans().size(), 1);
}

TEST(Worker, WaitsForTheDiskWithFinishedTrialsAlone) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker worker(store, description(plan));
  worker.claim(kCandidates, 1);  // the first write after a settling begins the log anew
  syncs = 0;
  worker.claim(kCandidates, 4);
  EXPECT_EQ(syncs, 0);
  worker.record(std::array{small_trial(0, 0)});
  EXPECT_EQ(syncs, 1);
  worker.claim(kCandidates, 4);
  EXPECT_EQ(syncs, 1);
  worker.finish("done");
  EXPECT_EQ(syncs, 3) << "the end moves all into the file: its log, then itself";
}

TEST(Worker, LeavesOutFinishedTrials) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker worker(store, description(plan));
  worker.claim(kCandidates, 1);
  worker.record(std::array{small_trial(0, 0)});
  EXPECT_EQ(worker.claim(kCandidates, 1), std::vector(1, TrialKey{0, 1}));
}

TEST(Worker, FreesItsClaimsAtTheEnd) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  { Worker(store, description(plan)).claim(kCandidates, 4); }
  Worker worker(store, description(plan));
  EXPECT_EQ(worker.claim(kCandidates, 4).size(), 4U);
  EXPECT_EQ(store.runs(plan).at(0).end, "failed");
}

TEST(Worker, RecordsATrialOnce) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker worker(store, description(plan));
  worker.record(std::array{small_trial(0, 0)});
  worker.record(std::array{small_trial(0, 0), small_trial(0, 1)});
  EXPECT_EQ(store.trial_count(plan), 2);
  EXPECT_EQ(worker.trials_recorded(), 2);
}

TEST(Worker, GetsTheClaimsOfAKilledProcessAtOnce) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  const pid_t child = ::fork();
  if (child == 0) {
    Store own = Store::open(folder / "a.db", Store::Access::kWrite);
    Worker worker(own, description(plan));
    worker.claim(kCandidates, 4);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  Query claims = store.database().query("SELECT count(*) FROM claims");
  ASSERT_TRUE(claims.next());
  EXPECT_EQ(claims.integer(), 4);
  claims.run();
  Worker worker(store, description(plan));
  EXPECT_EQ(worker.claim(kCandidates, 4).size(), 4U);
}

TEST(Worker, GetsTheClaimsOfAWorkerWhoseHeartStopped) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker silent(store, description(plan));
  silent.claim(kCandidates, 4);
  Worker worker(store, description(plan));
  EXPECT_TRUE(worker.claim(kCandidates, 4).empty());
  store.database().execute("UPDATE workers SET heartbeat = 0 WHERE id = 1");
  EXPECT_EQ(worker.claim(kCandidates, 4).size(), 4U);
}

TEST(Worker, ARunIsToldRunningKilledOrSilentByItsProcessAndHeartbeat) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker worker(store, description(plan));
  const auto life = [&] { return store.runs(plan).at(0).life; };
  const auto set = [&](const std::string& what) {
    store.database().execute("UPDATE workers SET " + what);
  };
  EXPECT_EQ(life(), RunLife::kRunning);
  set("host = 'elsewhere/boot/space'");
  EXPECT_EQ(life(), RunLife::kRunning);  // heard of just now
  set("heartbeat = 1000");
  EXPECT_EQ(life(), RunLife::kSilent);
  EXPECT_EQ(store.runs(plan).at(0).heartbeat, 1000);
  set("host = '" + process_space() + "'");
  EXPECT_EQ(life(), RunLife::kSilent);  // stands still, or its number went to another process
  worker.record({});
  EXPECT_EQ(life(), RunLife::kRunning);  // storing is a sign of life
  set("heartbeat = " + std::to_string(unix_time()) + ", pid = 2147483647");
  EXPECT_EQ(life(), RunLife::kKilled);
  worker.finish("done");
  EXPECT_EQ(life(), RunLife::kEnded);
}

TEST(Worker, SaysWhenThePlanOrTheFileWasChangedUnderIt) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  Worker worker(store, description(plan));
  store.database().execute("DELETE FROM plans");
  EXPECT_THAT(error_of([&] { worker.record(std::array{small_trial(0, 0)}); }),
              HasSubstr("a.db: the plan was removed from it while the campaign ran"));
  std::filesystem::rename(folder / "a.db", folder / "b.db");
  EXPECT_THAT(error_of([&] { worker.record(std::array{small_trial(0, 0)}); }),
              HasSubstr("a.db: was removed while in use"));
  std::filesystem::copy_file(folder / "b.db", folder / "a.db");
  EXPECT_THAT(error_of([&] { worker.record(std::array{small_trial(0, 0)}); }),
              HasSubstr("a.db: was replaced by another file while in use"));
}

}  // namespace
}  // namespace flatenn::store
