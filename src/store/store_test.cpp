#include "flatenn/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "flatenn/store/worker.h"
#include "store/database.h"
#include "store/schema.h"
#include "store/store_test_support.h"

namespace flatenn::store {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Waiting for a lock that never opens would only slow the tests.
constexpr int kImpatientMs = 50;

TEST(Store, GivesBackWhatWasStored) {
  const TemporaryFolder folder;
  int64_t id = 0;
  {
    Store store = Store::open(folder / "a.db", Store::Access::kWrite);
    id = add_small_plan(store, "first");
    store.add_golden(
        {.model = "m1", .dataset = "d1", .correct = 3, .loss = 0.1, .predictions = {1, 0, 9, 255}});
    Worker worker(store, {.plan = id, .engine = "reference", .threads = 2});
    worker.record(std::array{small_trial(1, 3), small_trial(1, 0)});
    worker.finish("done");
  }
  const Store store = Store::open(folder / "a.db", Store::Access::kRead);
  const PlanRow plan = store.find_plan("first").value();
  EXPECT_EQ(plan.id, id);
  EXPECT_EQ(plan.fingerprint, sha256_hex(plan.settings));
  EXPECT_EQ(store.plan_models(id).at(0).metadata.at("recipe"), "saq");
  EXPECT_EQ(store.cells(id).size(), 2U);
  EXPECT_EQ(store.trials(id, 1), (std::vector{small_trial(1, 0), small_trial(1, 3)}));
  EXPECT_TRUE(store.trials(id, 0).empty());
  EXPECT_EQ(store.trial_count(id), 2);
  EXPECT_EQ(store.golden("m1", "d1").value().predictions, (std::vector<uint8_t>{1, 0, 9, 255}));
  EXPECT_EQ(store.golden("m1", "d1").value().loss, 0.1);
  EXPECT_FALSE(store.golden("m2", "d1").has_value());
  EXPECT_EQ(store.dataset("d1").value().images, 4);
  EXPECT_EQ(store.model("m1").value().weight_bits, 96);
  EXPECT_EQ(store.runs(id).at(0).end, "done");
  EXPECT_EQ(store.runs(id).at(0).trials, 2);
}

TEST(Store, ACopyOfTheFileAloneHoldsWhatAFinishedRunStored) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t id = add_small_plan(store, "first");
  Worker worker(store, {.plan = id, .engine = "reference", .threads = 1});
  worker.record(std::array{small_trial(0, 0)});
  worker.finish("done");
  std::filesystem::copy_file(folder / "a.db", folder / "b.db");
  EXPECT_EQ(Store::open(folder / "b.db", Store::Access::kRead).trial_count(id), 1);
}

TEST(Store, LeavesNothingBesideTheFile) {
  const TemporaryFolder folder;
  {
    Store store = Store::open(folder / "a.db", Store::Access::kWrite);
    const int64_t id = add_small_plan(store, "first");
    Worker worker(store, {.plan = id, .engine = "reference", .threads = 1});
    worker.record(std::array{small_trial(0, 0)});
    worker.finish("done");
  }
  for (const char* const beside : {"a.db-wal", "a.db-shm"})
    EXPECT_FALSE(std::filesystem::exists(folder / beside)) << beside;
}

TEST(Store, LeavesNothingBesideAFileThatIsRead) {
  const TemporaryFolder folder;
  int64_t id = 0;
  {
    Store store = Store::open(folder / "a.db", Store::Access::kWrite);
    id = add_small_plan(store, "first");
  }
  EXPECT_EQ(Store::open(folder / "a.db", Store::Access::kRead).trial_count(id), 0);
  for (const char* const beside : {"a.db-wal", "a.db-shm"})
    EXPECT_FALSE(std::filesystem::exists(folder / beside)) << beside;
}

TEST(Store, AReaderLeavesTheLogOfAWriterAlone) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t id = add_small_plan(store, "first");
  { const Store reader = Store::open(folder / "a.db", Store::Access::kRead); }
  EXPECT_TRUE(std::filesystem::exists(folder / "a.db-wal"));
  Worker worker(store, {.plan = id, .engine = "reference", .threads = 1});
  worker.record(std::array{small_trial(0, 0)});
  EXPECT_EQ(Store::open(folder / "a.db", Store::Access::kRead).trial_count(id), 1);
}

TEST(Store, SavesACopyWhileTheFileIsWritten) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t id = add_small_plan(store, "first");
  Worker worker(store, {.plan = id, .engine = "reference", .threads = 1});
  worker.record(std::array{small_trial(0, 0)});
  const Store reader = Store::open(folder / "a.db", Store::Access::kRead);
  reader.save_copy(folder / "b.db");
  EXPECT_FALSE(std::filesystem::exists(folder / "b.db-wal"));
  EXPECT_EQ(Store::open(folder / "b.db", Store::Access::kRead).trial_count(id), 1);
  EXPECT_THAT(error_of([&] { reader.save_copy(folder / "b.db"); }),
              HasSubstr("b.db: is there already"));
}

TEST(Store, NamesTheLogThatACopyLacks) {
  const TemporaryFolder folder;
  Database(folder / "a.db", Store::Access::kWrite).execute("PRAGMA journal_mode = WAL");
  EXPECT_THAT(error_of([&] { Store::open(folder / "a.db", Store::Access::kRead); }),
              HasSubstr("a.db: holds no campaigns (the file is empty); if it was copied, a.db-wal "
                        "was left behind"));
}

TEST(Store, TellsOnlyNewTrials) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t id = add_small_plan(store, "first");
  Worker worker(store, {.plan = id, .engine = "reference", .threads = 1});
  worker.record(std::array{small_trial(0, 1)});
  const Store::News first = store.trials_after(id, 0);
  worker.record(std::array{small_trial(0, 0)});
  const Store::News second = store.trials_after(id, first.last_row);
  EXPECT_EQ(first.trials, std::vector{small_trial(0, 1)});
  EXPECT_EQ(second.trials, std::vector{small_trial(0, 0)});
  EXPECT_TRUE(store.trials_after(id, second.last_row).trials.empty());
}

TEST(Store, KeepsTheFirstPlanOfAName) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t id = add_small_plan(store, "first", 2);
  EXPECT_EQ(add_small_plan(store, "first", 5), id);
  EXPECT_EQ(store.cells(id).size(), 2U);
  EXPECT_EQ(store.plans().size(), 1U);
}

TEST(Store, RefusesAFileThatIsNotADatabase) {
  const TemporaryFolder folder;
  std::ofstream(folder / "notes.txt") << std::string(4096, 'x');
  for (const auto access : {Store::Access::kRead, Store::Access::kWrite}) {
    EXPECT_THAT(error_of([&] { Store::open(folder / "notes.txt", access); }),
                HasSubstr("notes.txt: is not a database"));
  }
}

TEST(Store, RefusesAnotherProgramsDatabase) {
  const TemporaryFolder folder;
  Database(folder / "other.db", Store::Access::kWrite).execute("CREATE TABLE songs(title TEXT)");
  EXPECT_THAT(error_of([&] { Store::open(folder / "other.db", Store::Access::kWrite); }),
              HasSubstr("other.db: is a SQLite database of another program"));
}

TEST(Store, RefusesANewerSchemaAndNamesBothVersions) {
  const TemporaryFolder folder;
  const std::string newest = std::to_string(migrations().size());
  Store::open(folder / "a.db", Store::Access::kWrite)
      .database()
      .execute("PRAGMA user_version = 99");
  EXPECT_THAT(error_of([&] { Store::open(folder / "a.db", Store::Access::kRead); }),
              HasSubstr("a.db: has schema version 99, this flatenn knows up to " + newest));
}

TEST(Store, MigratesAnOlderSchemaAndKeepsItsRows) {
  const TemporaryFolder folder;
  {
    Store store = Store::open(folder / "a.db", Store::Access::kWrite);
    add_small_plan(store, "first");
  }
  const Database database(folder / "a.db", Store::Access::kWrite);
  std::vector<const char*> steps(migrations().begin(), migrations().end());
  steps.push_back("ALTER TABLE plans ADD COLUMN note TEXT NOT NULL DEFAULT 'none'");
  prepare_schema(database, steps);
  prepare_schema(database, steps);
  Query query = database.query("SELECT name, note FROM plans");
  ASSERT_TRUE(query.next());
  EXPECT_EQ(query.text(), "first");
  EXPECT_EQ(query.text(), "none");
  EXPECT_EQ(database.pragma("user_version"), static_cast<int64_t>(steps.size()));
}

TEST(Store, SaysThatAnOlderSchemaNeedsAWriter) {
  const TemporaryFolder folder;
  Store::open(folder / "a.db", Store::Access::kWrite).database().execute("PRAGMA user_version = 0");
  EXPECT_THAT(error_of([&] { Store::open(folder / "a.db", Store::Access::kRead); }),
              HasSubstr("has an older schema version"));
}

TEST(Store, NamesAMissingFileAndAMissingFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { Store::open(folder / "no.db", Store::Access::kRead); }),
              HasSubstr("no.db: there is no such file"));
  EXPECT_THAT(error_of([&] { Store::open(folder / "no/a.db", Store::Access::kWrite); }),
              HasSubstr("there is no folder"));
  EXPECT_THAT(error_of([&] { Store::open(folder.path(), Store::Access::kRead); }),
              HasSubstr("is a folder, not a file"));
  EXPECT_FALSE(std::filesystem::exists(folder / "no.db"));
}

TEST(Store, SaysWhenAnotherProcessHoldsTheLock) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  Store second = Store::open(folder / "a.db", Store::Access::kWrite, kImpatientMs);
  const Transaction held(store.database());
  EXPECT_THAT(error_of([&] { add_small_plan(second, "first"); }),
              HasSubstr("a.db: is locked by another process"));
}

TEST(Store, IsMadeByManyProcessesAtOnce) {
  const TemporaryFolder folder;
  constexpr int kProcesses = 6;
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() != 0) continue;
    try {
      Store store = Store::open(folder / "a.db", Store::Access::kWrite);
      ::_exit(add_small_plan(store, "first") == 1 ? 0 : 1);
    } catch (...) {
      ::_exit(2);
    }
  }
  for (int i = 0; i < kProcesses; ++i) {
    int status = -1;
    ::wait(&status);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(Store::open(folder / "a.db", Store::Access::kRead).plans().size(), 1U);
}

/// Root may write anything, so these tests become "nobody" for a while.
class WithoutRoot {
 public:
  WithoutRoot() : user_(::geteuid()) {
    constexpr uid_t kNobody = 65534;
    if (user_ == 0) become(kNobody);
  }
  ~WithoutRoot() {
    if (user_ == 0) become(user_);
  }
  WithoutRoot(const WithoutRoot&) = delete;
  WithoutRoot& operator=(const WithoutRoot&) = delete;

 private:
  static void become(uid_t user) { EXPECT_EQ(::seteuid(user), 0); }
  uid_t user_;
};

TEST(Store, SaysWhenFileOrFolderIsReadOnlyAndStillReads) {
  using std::filesystem::perms;
  const TemporaryFolder folder;
  { Store::open(folder / "a.db", Store::Access::kWrite); }
  std::filesystem::permissions(folder / "a.db",
                               perms::owner_read | perms::group_read | perms::others_read);
  std::filesystem::permissions(folder.path(), perms::all);
  {
    const WithoutRoot user;
    EXPECT_THAT(error_of([&] { Store::open(folder / "a.db", Store::Access::kWrite); }),
                HasSubstr("a.db: is read-only"));
  }
  std::filesystem::permissions(
      folder.path(), perms::all & ~(perms::owner_write | perms::group_write | perms::others_write));
  {
    const WithoutRoot user;
    EXPECT_THAT(error_of([&] { Store::open(folder / "b.db", Store::Access::kWrite); }),
                HasSubstr("b.db: is in a read-only folder"));
    EXPECT_TRUE(Store::open(folder / "a.db", Store::Access::kRead).plans().empty());
  }
  std::filesystem::permissions(folder.path(), perms::owner_all);
}

TEST(Store, AReaderCannotWrite) {
  const TemporaryFolder folder;
  { Store::open(folder / "a.db", Store::Access::kWrite); }
  Store store = Store::open(folder / "a.db", Store::Access::kRead);
  EXPECT_THAT(error_of([&] { add_small_plan(store, "first"); }), HasSubstr("a.db: is read-only"));
}

TEST(Store, SurvivesAFullDiskWithEveryFinishedTrial) {
  const TemporaryFolder folder;
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const int64_t id = add_small_plan(store, "first");
  Worker worker(store, {.plan = id, .engine = "reference", .threads = 1});
  worker.record(std::array{small_trial(0, 0)});
  const Database& database = store.database();
  database.pragma("max_page_count = " + std::to_string(database.pragma("page_count")));
  std::vector<TrialRow> many;
  for (int64_t i = 1; i < 5000; ++i) many.push_back(small_trial(0, i));
  EXPECT_THAT(error_of([&] { worker.record(many); }), HasSubstr("a.db: disk full"));
  database.pragma("max_page_count = 1000000");
  EXPECT_EQ(store.trials(id, 0), std::vector{small_trial(0, 0)});
  worker.record(many);
  EXPECT_EQ(store.trial_count(id), 5000);
}

TEST(Store, AFailureCarriesTheStatement) {
  const TemporaryFolder folder;
  const Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  const std::string message = error_of([&] { store.database().execute("SELECT tune FROM plans"); });
  EXPECT_THAT(message, HasSubstr("no such column: tune"));
  EXPECT_THAT(message, HasSubstr("SELECT tune FROM plans"));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace flatenn::store
