#include "flatenn/store/store.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/store/worker.h"
#include "store/check.h"
#include "store/database.h"
#include "store/network_file.h"
#include "store/process.h"
#include "store/schema.h"
#include "store/trial_table.h"

namespace flatenn::store {
namespace {

constexpr const char* kSelectPlans =
    "SELECT id, name, fingerprint, settings, layout, pilot, version, created, dataset FROM plans "
    "ORDER BY id";
constexpr const char* kSelectPlan =
    "SELECT id, name, fingerprint, settings, layout, pilot, version, created, dataset FROM plans "
    "WHERE name = ?";

RunLife life_of(const RunRow& row) {
  if (!row.end.empty()) return RunLife::kEnded;
  if (row.host == process_space() && !process_lives(row.pid)) return RunLife::kKilled;
  const bool silent = std::abs(row.heartbeat - unix_time()) > Worker::kLeaseSeconds;
  return silent ? RunLife::kSilent : RunLife::kRunning;
}

PlanRow read_plan(Query& query) {
  PlanRow row;
  row.id = query.integer();
  for (std::string* field : {&row.name, &row.fingerprint, &row.settings, &row.layout, &row.pilot,
                             &row.version, &row.created, &row.dataset}) {
    *field = query.text();
  }
  return row;
}

GoldenRow read_golden(Query& query) {
  GoldenRow row;
  row.model = query.text();
  row.dataset = query.text();
  row.correct = query.integer();
  row.loss = query.real();
  row.predictions = query.blob();
  return row;
}

}  // namespace

Store::Store(std::unique_ptr<OwnerMark> owner, std::unique_ptr<Database> database)
    : owner_(std::move(owner)), database_(std::move(database)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open(const std::filesystem::path& path, Access access, int busy_timeout_ms) {
  std::unique_ptr<OwnerMark> owner;
  if (access == Access::kWrite) {
    check_openable(path, access);
    const auto file_system = network_file_system(path);
    if (file_system) owner = std::make_unique<OwnerMark>(path, *file_system);
  }
  Store store(std::move(owner), std::make_unique<Database>(path, access, busy_timeout_ms));
  prepare_schema(*store.database_);
  check_contents(*store.database_);
  return store;
}

void Store::settle() const {
  try {
    database_->execute("PRAGMA wal_checkpoint(PASSIVE)");
  } catch (const Error& error) {
    log::debug("settle: ", error.what());  // what stays in the log is stored no less
  }
}

void Store::save_copy(const std::filesystem::path& copy) const { database_->back_up(copy); }

const std::filesystem::path& Store::path() const { return database_->path(); }

Database& Store::database() const { return *database_; }

std::vector<PlanRow> Store::plans() const {
  std::vector<PlanRow> rows;
  Query query = database_->query(kSelectPlans);
  while (query.next()) rows.push_back(read_plan(query));
  return rows;
}

std::optional<PlanRow> Store::find_plan(const std::string& name) const {
  Query query = database_->query(kSelectPlan);
  query.bind(name);
  if (!query.next()) return std::nullopt;
  return read_plan(query);
}

std::vector<PlanModelRow> Store::plan_models(int64_t plan) const {
  std::vector<PlanModelRow> rows;
  Query query = database_->query(
      "SELECT position, model, name, metadata FROM plan_models WHERE plan = ? ORDER BY position");
  query.bind(plan);
  while (query.next()) {
    PlanModelRow row;
    row.position = query.integer();
    row.hash = query.text();
    row.name = query.text();
    row.metadata = nlohmann::json::parse(query.text()).get<std::map<std::string, std::string>>();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<CellRow> Store::cells(int64_t plan) const {
  std::vector<CellRow> rows;
  Query query =
      database_->query("SELECT cell, model, kind, level FROM cells WHERE plan = ? ORDER BY cell");
  query.bind(plan);
  while (query.next()) {
    CellRow row;
    for (int64_t* field : {&row.cell, &row.model, &row.kind, &row.level}) *field = query.integer();
    rows.push_back(row);
  }
  return rows;
}

std::vector<TrialRow> Store::trials(int64_t plan, int64_t cell) const {
  std::vector<TrialRow> rows;
  Query query = database_->query(
      "SELECT cell, trial, images, correct, golden_correct, identical, masked, sdc1_right, "
      "sdc1_wrong, drawn, landed, loss FROM trials WHERE plan = ? AND cell = ? ORDER BY trial");
  query.bind_all(plan, cell);
  while (query.next()) rows.push_back(read_trial(query));
  return rows;
}

Store::News Store::trials_after(int64_t plan, int64_t after) const {
  News news{.trials = {}, .last_row = after};
  Query query = database_->query(
      "SELECT id, cell, trial, images, correct, golden_correct, identical, masked, sdc1_right, "
      "sdc1_wrong, drawn, landed, loss FROM trials WHERE id > ? AND plan = ? ORDER BY id");
  query.bind_all(after, plan);
  while (query.next()) {
    news.last_row = query.integer();
    news.trials.push_back(read_trial(query));
  }
  return news;
}

int64_t Store::trial_count(int64_t plan) const {
  Query query = database_->query("SELECT count(*) FROM trials WHERE plan = ?");
  query.bind(plan);
  return query.next() ? query.integer() : 0;
}

std::vector<RunRow> Store::runs(int64_t plan) const {
  std::vector<RunRow> rows;
  Query query = database_->query(
      "SELECT started, finished, engine, threads, host, version, trials, ending, "
      "heartbeat, pid FROM workers WHERE plan = ? ORDER BY id");
  query.bind(plan);
  while (query.next()) {
    RunRow row;
    row.plan = plan;
    row.started = query.text();
    row.finished = query.text();
    row.engine = query.text();
    row.threads = query.integer();
    row.host = query.text();
    row.version = query.text();
    row.trials = query.integer();
    row.end = query.text();
    row.heartbeat = query.real();
    row.pid = query.integer();
    row.life = life_of(row);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<DatasetRow> Store::dataset(const std::string& hash) const {
  Query query = database_->query("SELECT hash, name, split, images FROM datasets WHERE hash = ?");
  query.bind(hash);
  if (!query.next()) return std::nullopt;
  DatasetRow row;
  row.hash = query.text();
  row.name = query.text();
  row.split = query.text();
  row.images = query.integer();
  return row;
}

std::optional<ModelRow> Store::model(const std::string& hash) const {
  Query query = database_->query("SELECT hash, weight_bits FROM models WHERE hash = ?");
  query.bind(hash);
  if (!query.next()) return std::nullopt;
  ModelRow row;
  row.hash = query.text();
  row.weight_bits = query.integer();
  return row;
}

std::optional<GoldenRow> Store::golden(const std::string& model, const std::string& dataset) const {
  Query query = database_->query(
      "SELECT model, dataset, correct, loss, predictions FROM goldens WHERE model = ? AND dataset "
      "= ?");
  query.bind_all(model, dataset);
  if (!query.next()) return std::nullopt;
  return read_golden(query);
}

std::vector<GoldenRow> Store::goldens(const std::string& dataset) const {
  std::vector<GoldenRow> rows;
  Query query = database_->query(
      "SELECT model, dataset, correct, loss, predictions FROM goldens WHERE dataset = ?");
  query.bind(dataset);
  while (query.next()) rows.push_back(read_golden(query));
  return rows;
}

}  // namespace flatenn::store
