#pragma once

#include "campaign/workload.h"
#include "flatenn/campaign/pilot.h"

namespace flatenn::campaign {

/// A few maps on a few hundred images a cell, drawn from a seed derived from the plan's, and what
/// they say about the plan. A function of the plan alone.
Pilot run_pilot(Workload& workload);

/// Divides the trials of a stratified plan as its stored pilot says; nothing to do in other plans.
void use_strata(Workload& workload, const Pilot& pilot);

}  // namespace flatenn::campaign
