#include "store/check.h"

#include <map>

#include "flatenn/base/error.h"
#include "flatenn/base/utf8.h"
#include "flatenn/store/store.h"
#include "store/plan_shape.h"

namespace flatenn::store {
namespace {

/// What cells there are by the plans' settings, and what their trials look like.
constexpr const char* kExpected =
    "CREATE TEMP TABLE expected(plan INTEGER, cell INTEGER, model INTEGER, kind INTEGER, "
    "level INTEGER, trials INTEGER, trial_images INTEGER, PRIMARY KEY(plan, cell)) WITHOUT ROWID";

[[noreturn]] void fail(const Database& database, const std::string& what) {
  throw Error(detail::concat(database.path().string(), ": is damaged: ", what));
}

/// A statement that is made of parts, so that Database::query() cannot keep it.
class Statement {
 public:
  Statement(const Database& database, const std::string& sql)
      : statement_(database.prepare(sql)), query_(std::in_place, database, statement_) {}
  ~Statement() {
    query_.reset();
    sqlite3_finalize(statement_);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Query* operator->() { return &*query_; }

 private:
  sqlite3_stmt* statement_;
  std::optional<Query> query_;
};

/// A read transaction: all statements see one state of the file.
class Snapshot {
 public:
  explicit Snapshot(const Database& database) : database_(database) { database_.execute("BEGIN"); }
  ~Snapshot() {
    try {
      database_.execute("ROLLBACK");
    } catch (const Error&) {  // SQLite has ended it by itself
    }
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  const Database& database_;
};

/// The table with what its rules look at beside it; read as it lies, not by way of an index, which
/// may say something else.
std::string source(const std::string& table) {
  if (table != "trials" && table != "claims") return table;
  return table + (table == "trials" ? " NOT INDEXED" : "") +
         " LEFT JOIN temp.expected AS e ON e.plan = " + table + ".plan AND e.cell = " + table +
         ".cell";
}

std::string all_rules(const std::string& table) {
  std::string sql;
  for (const ColumnRule& rule : column_rules()) {
    if (rule.table == table) sql += (sql.empty() ? "(" : " AND (") + std::string(rule.holds) + ")";
  }
  return sql;
}

/// `row` is the first that breaks a rule of its table; says which one and what is there instead.
void check_rules(const Database& database, const std::string& table) {
  const std::string broken =
      " FROM " + source(table) + " WHERE (" + all_rules(table) + ") IS NOT TRUE LIMIT 1";
  std::string values;
  for (const ColumnRule& rule : column_rules()) {
    if (rule.table != table) continue;
    values += detail::concat(values.empty() ? "" : ", ", "(", rule.holds,
                             ") IS TRUE, substr(quote(", table, ".", rule.column, "), 1, 40)");
  }
  Statement statement(database, "SELECT " + values + broken);
  if (!statement->next()) return;
  for (const ColumnRule& rule : column_rules()) {
    if (rule.table != table) continue;
    const bool holds = statement->integer() != 0;
    const std::string value = statement->text();
    if (!holds) fail(database, detail::concat(table, ".", rule.column, " is ", value));
  }
}

/// What is shown and written as JSON; trials and cells hold numbers alone.
void check_text(const Database& database, const std::string& table) {
  std::string columns;
  std::vector<std::string> names;
  Statement info(database,
                 "SELECT name FROM pragma_table_info('" + table + "') WHERE type = 'TEXT'");
  while (info->next()) {
    names.push_back(info->text());
    columns += (columns.empty() ? "" : ", ") + names.back();
  }
  Statement rows(database, "SELECT " + columns + " FROM " + table);
  while (rows->next()) {
    for (const std::string& name : names) {
      const std::string text = rows->text();
      if (!is_utf8(text) || text.find('\0') != std::string::npos)
        fail(database, detail::concat(table, ".", name, " is not text"));
    }
  }
}

void expect_cells(const Database& database, const PlanRow& plan, const PlanShape& shape) {
  for (const PlanShape::Cell& cell : shape.cells) {
    Query query = database.query("INSERT INTO temp.expected VALUES(?, ?, ?, ?, ?, ?, ?)");
    query
        .bind_all(plan.id, cell.row.cell, cell.row.model, cell.row.kind, cell.row.level,
                  cell.trials, shape.images_per_trial)
        .run();
  }
  Query query = database.query("SELECT count(*) FROM cells WHERE plan = ?");
  query.bind(plan.id);
  const int64_t held = query.next() ? query.integer() : 0;
  if (held != std::ssize(shape.cells)) {
    fail(database,
         detail::concat("plan '", plan.name, "' has ", held, " cells of ", shape.cells.size()));
  }
}

void check_plans(const Database& database) {
  Statement plans(database,
                  "SELECT (SELECT images FROM datasets WHERE hash = dataset), "
                  "(SELECT count(*) FROM plan_models WHERE plan = plans.id), id, name, "
                  "fingerprint, settings, layout, pilot FROM plans");
  while (plans->next()) {
    const int64_t images = plans->integer();
    const int64_t models = plans->integer();
    PlanRow plan;
    plan.id = plans->integer();
    for (std::string* field :
         {&plan.name, &plan.fingerprint, &plan.settings, &plan.layout, &plan.pilot}) {
      *field = plans->text();
    }
    try {
      expect_cells(database, plan, plan_shape(plan, images, models));
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.starts_with(database.path().string())) throw;
      fail(database, "plan '" + plan.name + "': " + message);
    }
  }
}

/// Queries find trials by the index and read others by the table: both must hold the same.
void check_index(const Database& database) {
  const std::string sums =
      "SELECT count(*), total(plan), total(cell), total(trial), total(id) FROM trials ";
  Statement table(database, sums + "NOT INDEXED");
  Statement index(database, sums + "INDEXED BY sqlite_autoindex_trials_1");
  table->next();
  index->next();
  bool same = table->integer() == index->integer();
  for (int i = 0; i < 4; ++i) same &= table->real() == index->real();
  if (!same) fail(database, "the index of trials does not fit the table");
}

void check_tables(const Database& database) {
  const Snapshot snapshot(database);
  database.execute("DROP TABLE IF EXISTS temp.expected");
  database.execute(kExpected);
  for (const char* const table :
       {"datasets", "models", "goldens", "plans", "plan_models", "workers"}) {
    check_rules(database, table);
    check_text(database, table);
  }
  check_plans(database);
  for (const char* const table : {"cells", "trials", "claims"}) check_rules(database, table);
  check_index(database);
}

/// What SQLite finds wrong with the file itself; empty where it finds nothing.
std::string integrity(const Database& database) {
  try {
    Statement statement(database, "PRAGMA quick_check(1)");
    const std::string found = statement->next() ? statement->text() : "";
    return found == "ok" ? "" : found.substr(found.rfind('\n') + 1);
  } catch (const Error&) {
    return "";  // the first failure says enough
  }
}

}  // namespace

void check_contents(const Database& database) {
  try {
    check_tables(database);
  } catch (const Error& error) {
    if (database.is_busy()) throw;
    const std::string found = integrity(database);
    if (found.empty()) throw;
    throw Error(detail::concat(error.what(), " (SQLite's quick_check: ", found, ")"));
  }
}

}  // namespace flatenn::store
