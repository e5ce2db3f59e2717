#pragma once

#include "campaign/workload.h"
#include "flatenn/campaign/campaign.h"
#include "flatenn/store/store.h"

namespace flatenn::campaign {

WorkloadOptions workload_options(const CampaignOptions& options);

/// Throws Error where this machine lacks a device that the options name.
void check_devices(const CampaignOptions& options);

/// Throws Error where the plan asks for what the images or the options do not give.
void check_inputs(const Workload& workload, const CampaignOptions& options);

/// A plan as stored, and what the pilot learned of its trials' time where it ran just now.
struct PreparedPlan {
  store::PlanRow row;
  double seconds_a_trial = 0;
};

/// The plan as stored, with its pilot; made where it is not there yet. Throws Error where the file
/// holds another plan of its name or another share, and where the plan asks for what there is not.
PreparedPlan prepare(Workload& workload, store::Store& store, const CampaignOptions& options,
                     bool pilot_in_any_case);

/// Takes over what a stored plan's pilot says of images and strata, where it has one.
void use_pilot(Workload& workload, const std::string& pilot);

}  // namespace flatenn::campaign
