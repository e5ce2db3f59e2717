#include "flatenn/store/merge.h"

#include <cstdio>

#include "flatenn/base/error.h"
#include "store/database.h"
#include "store/trial_table.h"

namespace flatenn::store {
namespace {

/// With all digits: what differs by one bit shall look different.
std::string told(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}
std::string told(int64_t value) { return std::to_string(value); }

template <typename Number>
void compare(const char* what, Number there, Number here, std::string& difference) {
  if (there != here && difference.empty())
    difference = detail::concat(what, " ", told(there), " and ", told(here));
}

/// The first number in which two runs of a trial differ; empty where none does.
std::string difference_of(const TrialRow& a, const TrialRow& b) {
  std::string difference;
  compare("images", a.images, b.images, difference);
  compare("correct", a.correct, b.correct, difference);
  compare("golden_correct", a.golden_correct, b.golden_correct, difference);
  compare("loss", a.loss, b.loss, difference);
  compare("identical", a.identical, b.identical, difference);
  compare("masked", a.masked, b.masked, difference);
  compare("sdc1_right", a.sdc1_right, b.sdc1_right, difference);
  compare("sdc1_wrong", a.sdc1_wrong, b.sdc1_wrong, difference);
  compare("drawn", a.drawn, b.drawn, difference);
  compare("landed", a.landed, b.landed, difference);
  return difference;
}

/// Everything but trials and runs: small, and in place before the first trial.
int64_t add_plan_of(const Store& part, const PlanRow& plan, Store& into) {
  if (const auto dataset = part.dataset(plan.dataset)) into.add_dataset(*dataset);
  const auto models = part.plan_models(plan.id);
  for (const PlanModelRow& row : models) {
    if (const auto model = part.model(row.hash)) into.add_model(*model);
  }
  for (const GoldenRow& golden : part.goldens(plan.dataset)) {
    if (const auto model = part.model(golden.model)) into.add_model(*model);
    into.add_golden(golden);
    const GoldenRow held = into.golden(golden.model, golden.dataset).value();
    FLATENN_CHECK(held.correct == golden.correct && held.loss == golden.loss &&
                      held.predictions == golden.predictions,
                  part.path().string(), ": the fault-free pass of network ",
                  golden.model.substr(0, 12), " differs from that in ", into.path().string(),
                  ": correct ", golden.correct, " and ", held.correct, ", loss ", told(golden.loss),
                  " and ", told(held.loss), "; one of the machines computes wrongly");
  }
  return into.add_plan(plan, models, part.cells(plan.id));
}

MergeCounts add_trials(const Store& part, const PlanRow& plan, Store& into, int64_t id) {
  MergeCounts counts;
  const Database& database = into.database();
  for (const CellRow& cell : part.cells(plan.id)) {
    for (const TrialRow& row : part.trials(plan.id, cell.cell)) {
      if (insert_trial(database, id, row)) {
        ++counts.added;
        continue;
      }
      ++counts.known;
      const std::string difference =
          difference_of(row, find_trial(database, id, row.cell, row.trial));
      FLATENN_CHECK(difference.empty(), part.path().string(), ": trial ", row.trial, " of cell ",
                    row.cell, " of plan '", plan.name, "' differs from that in ",
                    into.path().string(), ": ", difference,
                    "; one of the machines computes wrongly, and nothing of this file is merged");
    }
  }
  return counts;
}

/// Who did it: one run is known by its plan, machine, process and start.
void add_runs(const Store& part, const PlanRow& plan, Store& into, int64_t id) {
  Query rows = part.database().query(
      "SELECT host, pid, heartbeat, engine, threads, version, started, finished, ending, trials "
      "FROM workers WHERE plan = ? ORDER BY id");
  rows.bind(plan.id);
  while (rows.next()) {
    const std::string host = rows.text();
    const int64_t pid = rows.integer();
    const double heartbeat = rows.real();
    const std::string engine = rows.text();
    const int64_t threads = rows.integer();
    const std::string version = rows.text();
    const std::string started = rows.text();
    const std::string finished = rows.text();
    const std::string ending = rows.text();
    const int64_t trials = rows.integer();
    const Database& database = into.database();
    Query update = database.query(
        "UPDATE workers SET heartbeat = ?, finished = ?, ending = ?, trials = ? "
        "WHERE plan = ? AND host = ? AND pid = ? AND started = ?");
    update.bind_all(heartbeat, finished, ending, trials, id, host, pid, started).run();
    if (database.changes() > 0) continue;
    Query insert = database.query(
        "INSERT INTO workers(plan, host, pid, heartbeat, engine, threads, version, started, "
        "finished, ending, trials) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert
        .bind_all(id, host, pid, heartbeat, engine, threads, version, started, finished, ending,
                  trials)
        .run();
  }
}

}  // namespace

MergeCounts merge_plan(const Store& part, const std::string& name, Store& into) {
  const PlanRow plan = part.find_plan(name).value();
  const int64_t id = add_plan_of(part, plan, into);
  const Durable durable(into.database());
  Transaction transaction(into.database());
  const MergeCounts counts = add_trials(part, plan, into, id);
  add_runs(part, plan, into, id);
  transaction.commit();
  return counts;
}

}  // namespace flatenn::store
