#include "campaign/pilot_run.h"

#include <algorithm>

#include "flatenn/base/random.h"

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

}  // namespace

Pilot run_pilot(Workload& workload) {
  const uint64_t seed = RandomStream(workload.plan().seed, 0, RandomPurpose::kPilot).next_u64();
  const int64_t all = workload.images().count;
  Pilot pilot{
      .trials = kMaps, .images = std::min(kImages, all), .images_per_trial = all, .cells = {}};
  const int64_t before = workload.images_per_trial();
  workload.set_images_per_trial(pilot.images);
  for (const store::CellRow& cell : workload.cells()) {
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
