#include "store/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store_test_support.h"

namespace flatenn::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Access = Store::Access;

class DatabaseFile : public ::testing::Test {
 protected:
  std::string failure(int code) const {
    return error_of([&] { database_.fail(code, "SELECT 7"); });
  }

  TemporaryFolder folder_;
  Database database_{folder_ / "r.db", Access::kWrite};
};

TEST_F(DatabaseFile, SaysWhatCanBeDoneAboutAFailure) {
  const std::string path = (folder_ / "r.db").string();
  for (const auto& [code, words] : std::initializer_list<std::pair<int, const char*>>{
           {SQLITE_BUSY, "is locked by another process"},
           {SQLITE_BUSY_SNAPSHOT, "is locked by another process"},
           {SQLITE_LOCKED, "is locked by another process"},
           {SQLITE_READONLY, "is read-only"},
           {SQLITE_READONLY_DBMOVED, "is read-only"},
           {SQLITE_FULL, "disk full"},
           {SQLITE_NOTADB, "is not a database"},
           {SQLITE_CORRUPT, "is a damaged database"},
           {SQLITE_CANTOPEN, "cannot be opened"}}) {
    EXPECT_THAT(failure(code), AllOf(HasSubstr(path + ": " + words), Not(HasSubstr("SELECT 7"))));
  }
}

TEST_F(DatabaseFile, NamesTheStatementWhereSqlitesWordsAreAllThereIs) {
  for (const int code : {SQLITE_IOERR, SQLITE_IOERR_WRITE, SQLITE_ERROR}) {
    EXPECT_THAT(failure(code), AllOf(HasSubstr("in: SELECT 7"), Not(HasSubstr("disk full"))))
        << "an I/O error where there is room";
  }
}

TEST_F(DatabaseFile, ReadsPragmasWithAndWithoutARow) {
  database_.execute("PRAGMA user_version = 41");
  EXPECT_EQ(database_.pragma("user_version"), 41);
  EXPECT_EQ(database_.pragma("user_version = 42"), 0) << "gives no row";
  EXPECT_EQ(database_.pragma("user_version"), 42);
}

TEST_F(DatabaseFile, UndoesATransactionThatWasNotCommitted) {
  database_.execute("CREATE TABLE t(x)");
  {
    const Transaction transaction(database_);
    database_.execute("INSERT INTO t VALUES(1)");
    EXPECT_EQ(database_.changes(), 1);
    EXPECT_EQ(database_.last_insert_id(), 1);
  }
  EXPECT_FALSE(database_.query("SELECT x FROM t").next());
  {
    Transaction transaction(database_);
    database_.execute("INSERT INTO t VALUES(2)");
    transaction.commit();
  }
  Query query = database_.query("SELECT x FROM t");
  ASSERT_TRUE(query.next());
  EXPECT_EQ(query.integer(), 2);
  EXPECT_FALSE(query.next());
}

TEST_F(DatabaseFile, IsDurableWhileAskedTo) {
  constexpr int kNormal = 1;
  constexpr int kFull = 2;
  database_.execute("PRAGMA synchronous = NORMAL");
  {
    const Durable durable(database_);
    EXPECT_EQ(database_.pragma("synchronous"), kFull);
  }
  EXPECT_EQ(database_.pragma("synchronous"), kNormal);
}

TEST_F(DatabaseFile, NoticesThatItWasRemovedOrReplaced) {
  database_.execute("CREATE TABLE t(x)");
  database_.check_same_file();
  const std::filesystem::path aside = folder_ / "aside.db";
  std::filesystem::rename(folder_ / "r.db", aside);
  EXPECT_THAT(error_of([&] { database_.check_same_file(); }),
              HasSubstr("was removed while in use"));
  std::filesystem::copy_file(aside, folder_ / "r.db");
  EXPECT_THAT(error_of([&] { database_.check_same_file(); }),
              HasSubstr("was replaced by another file"));
}

TEST_F(DatabaseFile, IsCopiedIntoANewFileAlone) {
  database_.execute("CREATE TABLE t(x); INSERT INTO t VALUES(3)");
  database_.back_up(folder_ / "copy.db");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "copy.db-wal"));
  const Database copy(folder_ / "copy.db", Access::kRead);
  EXPECT_TRUE(copy.query("SELECT x FROM t").next());
  EXPECT_THAT(error_of([&] { database_.back_up(folder_ / "copy.db"); }),
              HasSubstr("is there already"));
}

/// A reader of a damaged file, wherever it was cut, leaves the folder as it was.
TEST_F(DatabaseFile, LeavesNothingBesideOneThatIsCut) {
  const std::filesystem::path whole = folder_ / "whole.db";
  {
    Store store = Store::open(whole, Access::kWrite);
    add_small_plan(store, "a");
  }
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(whole));
  int64_t refused = 0;
  for (int64_t size = 0; size < bytes; size += 1 + bytes / 40) {
    const std::filesystem::path cut = folder_ / "cut.db";
    std::filesystem::copy_file(whole, cut, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(cut, static_cast<uintmax_t>(size));
    try {
      Store::open(cut, Access::kRead);
    } catch (const Error& error) {  // the last pages hold nothing yet: without them it opens
      EXPECT_THAT(error.what(), HasSubstr("cut.db: ")) << size;
      ++refused;
    }
    for (const char* const beside : {"cut.db-wal", "cut.db-shm"})
      EXPECT_FALSE(std::filesystem::exists(folder_ / beside)) << beside << " " << size;
  }
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace flatenn::store
