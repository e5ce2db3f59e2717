#include "campaign/pilot_run.h"
#include "campaign/prepare.h"
#include "flatenn/base/error.h"

namespace flatenn::campaign {

void check_forecast(const Plan& plan) {
  FLATENN_CHECK(plan.single_fault == SingleFault::kOff,
                "campaign plan: the size of a single-fault campaign is fixed by its strata");
  FLATENN_CHECK(!plan.stratified,
                "campaign plan: a stratified campaign runs a pilot of its own and takes the trials "
                "it is given");
  FLATENN_CHECK(!plan.search_within,
                "campaign plan: a search chooses its rates as it goes (find_tolerable)");
}

Forecast Campaign::forecast(store::Store& store) {
  Workload& workload = *workload_;
  const Plan& plan = workload.plan();
  check_forecast(plan);
  const store::PlanRow row = prepare(workload, store, options_, true).row;
  const Pilot pilot = row.pilot.empty() ? run_pilot(workload) : Pilot::from_json(row.pilot);
  const int64_t all = workload.images().count;
  Forecast forecast;
  forecast.plan = row.id;
  forecast.images = workload.images_per_trial();
  forecast.dataset_images = all;
  forecast.pilot_inferences =
      pilot.trials * pilot.images * static_cast<int64_t>(pilot.cells.size());
  for (const store::CellRow& cell : workload.cells()) {
    const PilotCell& learned = pilot.cells[static_cast<size_t>(cell.cell)];
    const auto trials = [&](int64_t images) {
      return plan.half_width ? learned.trials_for(*plan.half_width, images, all, plan.trials)
                             : plan.trials;
    };
    forecast.cells.push_back({.label = workload.label_of(cell),
                              .pilot = learned,
                              .trials = trials(forecast.images),
                              .full_trials = trials(all)});
  }
  return forecast;
}

Forecast forecast_campaign(const Plan& plan, store::Store& store, const CampaignOptions& options) {
  return Campaign(plan, options).forecast(store);
}

int64_t Forecast::inferences() const {
  int64_t sum = 0;
  for (const PlannedCell& cell : cells) sum += cell.trials * images;
  return sum;
}

int64_t Forecast::full_inferences() const {
  int64_t sum = 0;
  for (const PlannedCell& cell : cells) sum += cell.full_trials * dataset_images;
  return sum;
}

}  // namespace flatenn::campaign
