#include "campaign/pilot_run.h"

#include <algorithm>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"
#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {
namespace {

constexpr int64_t kMaps = 8;
constexpr int64_t kImages = 500;

PilotTrial counts_of(const store::TrialRow& row) {
  const int64_t both = row.golden_correct - row.sdc1_right;
  return {.images = row.images,
          .right_both = both,
          .right_golden = row.sdc1_right,
          .right_faulty = row.correct - both};
}

int64_t images_of(const Plan& plan, const std::vector<PilotCell>& cells, int64_t all) {
  switch (plan.images.mode) {
    case ImageChoice::Mode::kAll:
      return all;
    case ImageChoice::Mode::kCount:
      return plan.images.count;
    case ImageChoice::Mode::kAuto:
      return choose_images(cells, all, plan.half_width, plan.trials);
  }
  return all;
}

/// Of a map, and of a golden pass on the same images: what the faults cost.
double loss_of(const store::TrialRow& row) {
  return static_cast<double>(row.golden_correct - row.correct) / static_cast<double>(row.images);
}

/// As many maps of each stratum, and the trials that their losses ask for.
PilotCell run_strata(Workload& workload, const store::CellRow& cell, uint64_t seed) {
  const MapStrata& maps = workload.map_strata()[static_cast<size_t>(cell.cell)];
  const std::vector<int64_t> each(static_cast<size_t>(maps.count()), kMaps);
  const std::vector<int32_t> order = stratum_order(each);
  workload.set_stratum_order(cell.cell, order);
  std::vector<store::TrialKey> keys;
  for (int64_t trial = 0; trial < std::ssize(order); ++trial) keys.push_back({cell.cell, trial});
  std::vector<std::vector<double>> losses(each.size());
  double floor = 1;
  for (const store::TrialRow& row : workload.run(keys, seed)) {
    losses[static_cast<size_t>(order[static_cast<size_t>(row.trial)])].push_back(loss_of(row));
    floor = 1 / static_cast<double>(row.images);
  }
  PilotCell learned{
      .control = 0, .untouched = maps.untouched(), .untouched_faults = maps.untouched_faults()};
  const double golden = workload.subject_of(cell).golden->accuracy();
  learned.mean = golden;
  std::vector<double> weights, sds;
  for (int64_t i = 0; i < maps.count(); ++i) {
    const Summary summary = summarize(losses[static_cast<size_t>(i)]);
    weights.push_back(maps.weight(i));
    sds.push_back(std::max(summary.sd, floor));
    learned.mean -= weights.back() * summary.mean;
    learned.strata.push_back(
        {.name = maps.name(i), .bits = maps.bits(i), .weight = weights.back(), .sd = sds.back()});
  }
  const auto trials = allocate_trials(weights, sds, workload.plan().trials);
  for (size_t i = 0; i < trials.size(); ++i) learned.strata[i].trials = trials[i];
  return learned;
}

}  // namespace

void use_strata(Workload& workload, const Pilot& pilot) {
  if (!workload.plan().stratified) return;
  for (size_t cell = 0; cell < pilot.cells.size(); ++cell) {
    std::vector<int64_t> trials;
    for (const PilotStratum& stratum : pilot.cells[cell].strata) trials.push_back(stratum.trials);
    FLATENN_CHECK(std::ssize(trials) == workload.map_strata()[cell].count(),
                  "the stored pilot has ", trials.size(), " strata, this flatenn makes ",
                  workload.map_strata()[cell].count(), "; start the plan anew under another name");
    workload.set_stratum_order(static_cast<int64_t>(cell), stratum_order(trials));
  }
}

Pilot run_pilot(Workload& workload) {
  const uint64_t seed = RandomStream(workload.plan().seed, 0, RandomPurpose::kPilot).next_u64();
  const int64_t all = workload.images().count;
  Pilot pilot{
      .trials = kMaps, .images = std::min(kImages, all), .images_per_trial = all, .cells = {}};
  const int64_t before = workload.images_per_trial();
  workload.set_images_per_trial(pilot.images);
  for (const store::CellRow& cell : workload.cells()) {
    if (workload.plan().stratified) {
      pilot.cells.push_back(run_strata(workload, cell, seed));
      continue;
    }
    std::vector<store::TrialKey> keys;
    for (int64_t trial = 0; trial < kMaps; ++trial) keys.push_back({cell.cell, trial});
    std::vector<PilotTrial> trials;
    for (const store::TrialRow& row : workload.run(keys, seed)) trials.push_back(counts_of(row));
    pilot.cells.push_back(estimate_cell(trials, all, workload.subject_of(cell).golden->accuracy()));
  }
  workload.set_images_per_trial(before);
  pilot.images_per_trial = images_of(workload.plan(), pilot.cells, all);
  return pilot;
}

}  // namespace flatenn::campaign
