#include "store/trial_table.h"

#include "flatenn/base/error.h"

namespace flatenn::store {

bool insert_trial(const Database& database, int64_t plan, const TrialRow& row) {
  Query query = database.query(
      "INSERT OR IGNORE INTO trials(plan, cell, trial, images, correct, golden_correct, loss, "
      "identical, masked, sdc1_right, sdc1_wrong, drawn, landed) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query
      .bind_all(plan, row.cell, row.trial, row.images, row.correct, row.golden_correct, row.loss,
                row.identical, row.masked, row.sdc1_right, row.sdc1_wrong, row.drawn, row.landed)
      .run();
  return database.changes() == 1;
}

TrialRow find_trial(const Database& database, int64_t plan, int64_t cell, int64_t trial) {
  Query query = database.query(
      "SELECT cell, trial, images, correct, golden_correct, identical, masked, sdc1_right, "
      "sdc1_wrong, drawn, landed, loss FROM trials WHERE plan = ? AND cell = ? AND trial = ?");
  query.bind_all(plan, cell, trial);
  FLATENN_CHECK(query.next(), database.path().string(), ": is damaged: trial ", trial, " of cell ",
                cell, " is there and cannot be found");
  return read_trial(query);
}

TrialRow read_trial(Query& query) {
  TrialRow row;
  for (int64_t* field :
       {&row.cell, &row.trial, &row.images, &row.correct, &row.golden_correct, &row.identical,
        &row.masked, &row.sdc1_right, &row.sdc1_wrong, &row.drawn, &row.landed}) {
    *field = query.integer();
  }
  row.loss = query.real();
  return row;
}

}  // namespace flatenn::store
