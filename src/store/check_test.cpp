#include "store/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <set>

#include "flatenn/store/worker.h"
#include "store/store_test_support.h"

namespace flatenn::store {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

/// A file with rows in every table.
void make_file(const std::filesystem::path& path) {
  Store store = Store::open(path, Store::Access::kWrite);
  const int64_t plan = add_small_plan(store, "first");
  store.add_golden(
      {.model = "m1", .dataset = "d1", .correct = 3, .loss = 0.1, .predictions = {1, 0, 9, 255}});
  Worker worker(store, {.plan = plan, .engine = "reference", .threads = 2});
  worker.record(std::array{small_trial(0, 0), small_trial(1, 3)});
  worker.finish("done");
  store.database().execute("INSERT INTO claims VALUES(1, 0, 1, 1)");
}

void damage(const std::filesystem::path& path, const std::string& sql) {
  const Database database(path, Store::Access::kWrite);
  database.execute("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
  database.execute(sql);
}

std::string message_after(const std::string& sql) {
  const TemporaryFolder folder;
  make_file(folder / "a.db");
  damage(folder / "a.db", sql);
  std::string message = error_of([&] { Store::open(folder / "a.db", Store::Access::kRead); });
  EXPECT_THAT(message, StartsWith((folder / "a.db").string() + ": is damaged: ")) << sql;
  EXPECT_EQ(error_of([&] { Store::open(folder / "a.db", Store::Access::kWrite); }), message);
  return message;
}

/// Values that a column of this type cannot have in any table.
std::vector<std::string> impossible(const std::string& type) {
  if (type == "INTEGER") return {"-4", "9000000000000000000"};
  if (type == "REAL") return {"-0.5", "9e999"};
  if (type == "BLOB") return {"x'01'", "x''"};
  return {"CAST(x'ff41' AS TEXT)", "'a' || char(0)"};
}

TEST(Check, EveryColumnOfEveryTableHasARuleAndIsChecked) {
  const TemporaryFolder folder;
  make_file(folder / "a.db");
  const Store store = Store::open(folder / "a.db", Store::Access::kRead);
  Query columns = store.database().query(
      "SELECT m.name, p.name, p.type FROM sqlite_schema AS m, pragma_table_info(m.name) AS p "
      "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'");
  std::set<std::string> ruled;
  for (const ColumnRule& rule : column_rules()) {
    EXPECT_TRUE(ruled.insert(std::string(rule.table) + "." + rule.column).second);
  }
  size_t seen = 0;
  while (columns.next()) {
    const std::string table = columns.text();
    const std::string column = columns.text();
    ++seen;
    EXPECT_TRUE(ruled.contains(table + "." + column)) << table << "." << column;
    for (const std::string& value : impossible(columns.text())) {
      const std::string where = table == "claims"  // the one row; it has no rowid
                                    ? ""
                                    : " WHERE rowid = (SELECT max(rowid) FROM " + table + ")";
      message_after("UPDATE " + table + " SET " + column + " = " + value + where);
    }
  }
  EXPECT_EQ(seen, ruled.size());
}

TEST(Check, NamesTableColumnAndValue) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"UPDATE trials SET trial = -4 WHERE id = 2", "trials.trial is -4"},
      {"UPDATE trials SET trial = 2000000 WHERE id = 2", "trials.trial is 2000000"},
      {"UPDATE trials SET cell = 2 WHERE id = 2", "trials.cell is 2"},
      {"UPDATE trials SET plan = 2 WHERE id = 2", "trials.plan is 2"},
      {"UPDATE trials SET correct = 79999 WHERE id = 1", "trials.correct is 79999"},
      {"UPDATE trials SET correct = 4 WHERE id = 1", "trials.correct is 4"},
      {"UPDATE trials SET images = 3 WHERE id = 1", "trials.images is 3"},
      {"UPDATE trials SET golden_correct = 5 WHERE id = 1", "trials.golden_correct is 5"},
      {"UPDATE trials SET masked = 3 WHERE id = 1", "trials.masked is 3"},
      {"UPDATE trials SET landed = 8 WHERE id = 1", "trials.landed is 8"},
      {"UPDATE trials SET loss = 9e999 WHERE id = 1", "trials.loss is "},
      {"UPDATE cells SET level = 9", "cells.level is 9"},
      {"UPDATE cells SET kind = 1 WHERE cell = 0", "cells.kind is 1"},
      {"UPDATE cells SET model = 1 WHERE cell = 0", "cells.model is 1"},
      {"DELETE FROM cells WHERE cell = 1", "plan 'first' has 1 cells of 2"},
      {"UPDATE goldens SET predictions = x'0100'", "goldens.predictions is X'0100'"},
      {"UPDATE goldens SET correct = 5", "goldens.correct is 5"},
      {"UPDATE goldens SET model = 'm2'", "goldens.model is 'm2'"},
      {"UPDATE datasets SET images = 5", "goldens.predictions"},
      {"UPDATE plans SET dataset = 'd2'", "plans.dataset is 'd2'"},
      {"UPDATE plans SET settings = replace(settings, '2000000', '3000000')",
       "plan 'first': settings does not fit its fingerprint"},
      {"UPDATE plans SET settings = '{'", "plan 'first': settings is not as flatenn wrote it"},
      {"UPDATE plans SET layout = '[]'", "plan 'first': layout is not as flatenn wrote it"},
      {"UPDATE plans SET layout = replace(layout, '0.01', '1e99')",
       "plan 'first': layout tolerated_drop is 1e+99, must be from 0 to 1"},
      {"UPDATE plans SET pilot = '{\"trials\": 3}'", "plan 'first': pilot is not as"},
      {"UPDATE plans SET pilot = '{\"trials\": 3, \"images\": 9}'",
       "plan 'first': pilot images is 9, must be from 1 to 4"},
      {"DELETE FROM plan_models", "plan 'first': settings tells of 1 models, plan_models of 0"},
      {"UPDATE plan_models SET position = 1", "plan_models.position is 1"},
      {"UPDATE plan_models SET metadata = '{\"a\": 1}'", "plan_models.metadata is "},
      {"UPDATE workers SET ending = 'gone'", "workers.ending is 'gone'"},
      {"UPDATE claims SET worker = 2", "claims.worker is 2"},
  };
  for (const auto& [sql, words] : cases) EXPECT_THAT(message_after(sql), HasSubstr(words)) << sql;
}

TEST(Check, TellsAnIndexThatDoesNotFitItsTable) {
  const std::string message = message_after(
      "CREATE TABLE other(id INTEGER PRIMARY KEY, plan INTEGER, cell INTEGER, trial INTEGER, "
      "UNIQUE(plan, cell, trial)); PRAGMA writable_schema = ON; "
      "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = "
      "'sqlite_autoindex_other_1') WHERE name = 'sqlite_autoindex_trials_1'");
  EXPECT_THAT(message, HasSubstr("the index of trials does not fit the table"));
}

TEST(Check, SaysWhatSqliteFindsWrongWithTheFile) {
  const TemporaryFolder folder;
  make_file(folder / "a.db");
  int64_t page = 0;
  {
    const Database database(folder / "a.db", Store::Access::kWrite);
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    Query query = database.query("SELECT rootpage FROM sqlite_schema WHERE name = 'trials'");
    ASSERT_TRUE(query.next());
    page = query.integer();
  }
  std::fstream file(folder / "a.db", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp((page - 1) * 4096 + 8);
  file.write("\xff\xff\xff\xff", 4);
  file.close();
  // Whether reading stumbles first, or a row it takes for good, hangs on what lies behind the page.
  EXPECT_THAT(error_of([&] { Store::open(folder / "a.db", Store::Access::kRead); }),
              AnyOf(HasSubstr("a.db: is a damaged database"),
                    AllOf(HasSubstr("a.db: is damaged: "), HasSubstr("SQLite's quick_check: "))));
}

TEST(Check, AWorkerFromTheFutureHoldsNothing) {
  const TemporaryFolder folder;
  make_file(folder / "a.db");
  damage(folder / "a.db", "UPDATE workers SET heartbeat = 9e10, host = 'elsewhere'");
  Store store = Store::open(folder / "a.db", Store::Access::kWrite);
  Worker worker(store, {.plan = 1, .engine = "reference", .threads = 1});
  EXPECT_EQ(worker.claim(std::array{TrialKey{0, 1}}, 1).size(), 1U);
}

}  // namespace
}  // namespace flatenn::store
