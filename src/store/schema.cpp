#include "store/schema.h"

#include <array>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "flatenn/base/error.h"

namespace flatenn::store {
namespace {

constexpr std::array kMigrations = {
    R"sql(
CREATE TABLE datasets(
  hash TEXT PRIMARY KEY, name TEXT NOT NULL, split TEXT NOT NULL, images INTEGER NOT NULL) STRICT;
CREATE TABLE models(hash TEXT PRIMARY KEY, weight_bits INTEGER NOT NULL) STRICT;
CREATE TABLE goldens(
  model TEXT NOT NULL REFERENCES models, dataset TEXT NOT NULL REFERENCES datasets,
  correct INTEGER NOT NULL, loss REAL NOT NULL, predictions BLOB NOT NULL,
  PRIMARY KEY(model, dataset)) STRICT;
CREATE TABLE plans(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
  settings TEXT NOT NULL, layout TEXT NOT NULL, pilot TEXT NOT NULL, version TEXT NOT NULL,
  created TEXT NOT NULL, dataset TEXT NOT NULL REFERENCES datasets) STRICT;
CREATE TABLE plan_models(
  plan INTEGER NOT NULL REFERENCES plans ON DELETE CASCADE, position INTEGER NOT NULL,
  model TEXT NOT NULL REFERENCES models, name TEXT NOT NULL, metadata TEXT NOT NULL,
  PRIMARY KEY(plan, position)) STRICT;
CREATE TABLE cells(
  plan INTEGER NOT NULL REFERENCES plans ON DELETE CASCADE, cell INTEGER NOT NULL,
  model INTEGER NOT NULL, kind INTEGER NOT NULL, level INTEGER NOT NULL,
  PRIMARY KEY(plan, cell)) STRICT;
CREATE TABLE trials(
  id INTEGER PRIMARY KEY, plan INTEGER NOT NULL, cell INTEGER NOT NULL, trial INTEGER NOT NULL,
  images INTEGER NOT NULL, correct INTEGER NOT NULL, golden_correct INTEGER NOT NULL,
  loss REAL NOT NULL, identical INTEGER NOT NULL, masked INTEGER NOT NULL,
  sdc1_right INTEGER NOT NULL, sdc1_wrong INTEGER NOT NULL,
  drawn INTEGER NOT NULL, landed INTEGER NOT NULL,
  UNIQUE(plan, cell, trial),
  FOREIGN KEY(plan, cell) REFERENCES cells ON DELETE CASCADE) STRICT;
CREATE TABLE workers(
  id INTEGER PRIMARY KEY AUTOINCREMENT, plan INTEGER NOT NULL REFERENCES plans ON DELETE CASCADE,
  host TEXT NOT NULL, pid INTEGER NOT NULL, heartbeat REAL NOT NULL, engine TEXT NOT NULL,
  threads INTEGER NOT NULL, version TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL,
  ending TEXT NOT NULL, trials INTEGER NOT NULL) STRICT;
CREATE TABLE claims(
  plan INTEGER NOT NULL, cell INTEGER NOT NULL, trial INTEGER NOT NULL,
  worker INTEGER NOT NULL REFERENCES workers ON DELETE CASCADE,
  PRIMARY KEY(plan, cell, trial)) STRICT, WITHOUT ROWID;
CREATE INDEX claims_of_worker ON claims(worker);
)sql",
};

/// Turning WAL on needs the file alone, and SQLite does not wait for that as it does for locks: two
/// processes that make a file at once would meet here.
void turn_on_wal(const Database& database) {
  constexpr int kAttempts = 100;
  constexpr auto kPause = std::chrono::milliseconds(20);
  for (int attempt = 1;; ++attempt) {
    try {
      database.execute("PRAGMA journal_mode = WAL");
      return;
    } catch (const Error&) {
      if (!database.is_busy() || attempt == kAttempts) throw;
      std::this_thread::sleep_for(kPause);
    }
  }
}

/// A log needs memory that all processes share, which a network file system has not.
void turn_off_wal(const Database& database) {
  database.execute("PRAGMA journal_mode = DELETE");
  database.execute("PRAGMA locking_mode = NORMAL");
  database.pragma("schema_version");  // the first read after it gives up the lock
}

/// A file in WAL mode that holds nothing was copied without the "-wal" that held it all.
std::string lost_log_hint(const Database& database) {
  constexpr std::streamoff kReadVersion = 19;  // of SQLite's file header: 2 is WAL
  std::ifstream file(database.path(), std::ios::binary);
  file.seekg(kReadVersion);
  if (file.get() != 2) return "";
  return "; if it was copied, " + database.path().filename().string() +
         "-wal was left behind: copy both, or use flatenn results FILE --save-copy";
}

void check_origin(const Database& database, int64_t newest) {
  const std::string path = database.path().string();
  FLATENN_CHECK(database.pragma("application_id") == kApplicationId, path,
                ": is a SQLite database of another program, not a flatenn result file");
  const int64_t version = database.pragma("user_version");
  FLATENN_CHECK(version <= newest, path, ": has schema version ", version,
                ", this flatenn knows up to ", newest, "; use a newer flatenn");
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

void prepare_schema(const Database& database, std::span<const char* const> steps) {
  const auto newest = static_cast<int64_t>(steps.size());
  const bool fresh = database.pragma("schema_version") == 0;
  if (!fresh) check_origin(database, newest);
  if (database.access() == Store::Access::kRead) {
    FLATENN_CHECK(!fresh, database.path().string(), ": holds no campaigns (the file is empty)",
                  lost_log_hint(database));
    FLATENN_CHECK(database.pragma("user_version") == newest, database.path().string(),
                  ": has an older schema version; run a campaign on it to bring it to ", newest);
    return;
  }
  // WAL lets readers look on while a campaign writes. Each commit survives a crash of the process;
  // those of finished trials one of the machine too (Durable).
  if (database.is_on_network()) {
    turn_off_wal(database);
  } else {
    turn_on_wal(database);
  }
  database.execute("PRAGMA synchronous = NORMAL");
  if (!fresh && database.pragma("user_version") == newest) return;
  Transaction transaction(database);
  for (int64_t version = database.pragma("user_version"); version < newest; ++version) {
    database.execute(steps[static_cast<size_t>(version)]);
  }
  database.execute(detail::concat("PRAGMA application_id = ", kApplicationId,
                                  "; PRAGMA user_version = ", newest));
  transaction.commit();
}

}  // namespace flatenn::store
