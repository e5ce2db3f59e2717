#include <nlohmann/json.hpp>

#include "flatenn/store/store.h"
#include "store/database.h"

namespace flatenn::store {

void Store::add_dataset(const DatasetRow& row) {
  Query query = database_->query("INSERT OR IGNORE INTO datasets VALUES(?, ?, ?, ?)");
  query.bind_all(row.hash, row.name, row.split, row.images).run();
}

void Store::add_model(const ModelRow& row) {
  Query query = database_->query("INSERT OR IGNORE INTO models VALUES(?, ?)");
  query.bind_all(row.hash, row.weight_bits).run();
}

void Store::add_golden(const GoldenRow& row) {
  Query query = database_->query("INSERT OR IGNORE INTO goldens VALUES(?, ?, ?, ?, ?)");
  query.bind_all(row.model, row.dataset, row.correct, row.loss).bind(row.predictions).run();
}

int64_t Store::add_plan(const PlanRow& plan, const std::vector<PlanModelRow>& models,
                        const std::vector<CellRow>& cells) {
  Transaction transaction(*database_);
  if (const std::optional<PlanRow> other = find_plan(plan.name)) return other->id;
  {
    Query query = database_->query(
        "INSERT INTO plans(name, fingerprint, settings, layout, pilot, version, created, dataset) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
    query
        .bind_all(plan.name, plan.fingerprint, plan.settings, plan.layout, plan.pilot, plan.version,
                  plan.created, plan.dataset)
        .run();
  }
  const int64_t id = database_->last_insert_id();
  for (const PlanModelRow& row : models) {
    Query query = database_->query("INSERT INTO plan_models VALUES(?, ?, ?, ?, ?)");
    query.bind_all(id, row.position, row.hash, row.name, nlohmann::json(row.metadata).dump()).run();
  }
  for (const CellRow& row : cells) {
    Query query = database_->query("INSERT INTO cells VALUES(?, ?, ?, ?, ?)");
    query.bind_all(id, row.cell, row.model, row.kind, row.level).run();
  }
  transaction.commit();
  return id;
}

void Store::set_layout(int64_t plan, const std::string& layout) {
  Query query = database_->query("UPDATE plans SET layout = ? WHERE id = ?");
  query.bind_all(layout, plan).run();
}

}  // namespace flatenn::store
