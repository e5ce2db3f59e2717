#include "campaign/prepare.h"

#include <algorithm>
#include <chrono>

#include "campaign/pilot_run.h"
#include "campaign/settings.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/devices.h"

namespace flatenn::campaign {
namespace {

using Clock = std::chrono::steady_clock;

/// What a trial of this many images takes if the pilot's are any guide.
double seconds_a_trial(const Pilot& pilot, double pilot_seconds) {
  const auto trials = static_cast<double>(pilot.trials * std::ssize(pilot.cells));
  const double more_images =
      static_cast<double>(pilot.images_per_trial) / static_cast<double>(pilot.images);
  return pilot_seconds / trials * std::max(1.0, more_images);
}

}  // namespace

WorkloadOptions workload_options(const CampaignOptions& options) {
  engine::EngineOptions engine = options.engine;
  if (!options.devices.empty()) engine.device = options.devices.front();
  return {.engine = engine,
          .data_root = options.data_root.empty() ? data::resolve_data_root("") : options.data_root,
          .images = options.images,
          .networks = options.networks,
          .stop_requested = options.stop_requested};
}

void check_devices(const CampaignOptions& options) {
  engine::EngineChoice choice{.kind = options.engine.kind, .devices = options.devices};
  if (choice.devices.empty()) choice.devices = {options.engine.device};
  engine::check_devices(choice);
}

void use_pilot(Workload& workload, const std::string& text) {
  if (text.empty()) return;
  const Pilot pilot = Pilot::from_json(text);
  workload.set_images_per_trial(pilot.images_per_trial);
  use_strata(workload, pilot);
}

void check_inputs(const Workload& workload, const CampaignOptions& options) {
  const ImageChoice& choice = workload.plan().images;
  FLATENN_CHECK(
      !options.share || !workload.plan().search_within,
      "share: a search chooses its rates by what all trials say, so it has no shares; give "
      "the rates instead, or run it on one file");
  workload.check_images();
  FLATENN_CHECK(choice.mode != ImageChoice::Mode::kCount || choice.count <= workload.images().count,
                "images_per_trial: ", choice.count, " is more than the ", workload.images().count,
                " images there are");
}

PreparedPlan prepare(Workload& workload, store::Store& store, const CampaignOptions& options,
                     bool pilot_in_any_case) {
  check_inputs(workload, options);
  const ImageChoice::Mode images = workload.plan().images.mode;
  PreparedPlan prepared;
  auto stored = find_stored_plan(store, workload);
  if (stored) check_share(store, *stored, options.share);
  if (!stored) {
    check_devices(options);
    workload.run_goldens();
    std::string text;
    if (images != ImageChoice::Mode::kAll || workload.plan().stratified || pilot_in_any_case) {
      const auto start = Clock::now();
      const Pilot pilot = run_pilot(workload);
      prepared.seconds_a_trial =
          seconds_a_trial(pilot, std::chrono::duration<double>(Clock::now() - start).count());
      text = pilot.to_json();
    }
    stored = store_plan(store, workload, text, {options.plan_file, options.share});
  }
  update_layout(store, workload, {options.plan_file, options.share}, *stored);
  use_pilot(workload, stored->pilot);
  prepared.row = std::move(*stored);
  return prepared;
}

}  // namespace flatenn::campaign
