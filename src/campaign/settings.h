#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "campaign/cell_state.h"
#include "campaign/workload.h"
#include "flatenn/campaign/pilot.h"
#include "flatenn/campaign/share.h"
#include "flatenn/store/store.h"

namespace flatenn::campaign {

/// All that changes a plan's meaning, and nothing else: no paths, device, threads, time limit.
nlohmann::json plan_settings(const Workload& workload);

/// Where a result file's trials of a plan come from.
struct Origin {
  std::string plan_file;       ///< For people.
  std::optional<Share> share;  ///< Only these trials are in the file.
};

/// What results need besides: reporting options, strata, golden passes, and where things came from.
nlohmann::json plan_layout(const Workload& workload, const Origin& origin);

/// The share that a stored plan's file holds; none where it holds all trials.
std::optional<Share> stored_share(const store::PlanRow& row);
/// Throws Error where the file holds another share of the plan.
void check_share(const store::Store& store, const store::PlanRow& row,
                 const std::optional<Share>& share);

/// The stored plan of this meaning; a new one with `pilot` where there is none of its name. Throws
/// Error naming the difference where there is one with another meaning.
store::PlanRow store_plan(store::Store& store, const Workload& workload, const std::string& pilot,
                          const Origin& origin);
/// The stored plan of this name and meaning, if any; throws as store_plan.
std::optional<store::PlanRow> find_stored_plan(const store::Store& store, const Workload& workload);

/// Stores how this run wants results told, where an earlier one wanted it otherwise.
void update_layout(store::Store& store, const Workload& workload, const Origin& origin,
                   store::PlanRow& row);

/// The golden pass of a network, by its hash, on a plan's images. Throws Error where there is none.
store::GoldenRow stored_golden(const store::Store& store, const std::string& plan,
                               const std::string& dataset, const std::string& network);

/// A cell's stop rule from a plan's settings; `max_trials` of single-fault strata.
/// `golden_accuracy` is that of the cell's network, from which a search's limit is told.
StopRule stop_rule_of(const nlohmann::json& settings, int64_t images_per_trial, int64_t max_trials,
                      double golden_accuracy);

}  // namespace flatenn::campaign
