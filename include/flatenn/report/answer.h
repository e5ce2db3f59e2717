#pragma once

#include <string>
#include <vector>

#include "flatenn/report/findings.h"

namespace flatenn::report {

/// What a campaign says, in one to three sentences: which network keeps most, how much more than
/// the one it is compared with, what that costs without faults, and how sure it is. Plain text.
std::string answer_of(const campaign::PlanResult& plan);

/// The answer of each campaign (with its name where there are several), then the verdicts on a
/// study's claims; what trainings reached where no campaign was run.
std::vector<std::string> answers_of(const Findings& findings);

/// "Claims: 3 confirmed, 1 refuted, 8 undecided."; "" without claims.
std::string verdicts_of(const std::vector<Claim>& claims);

}  // namespace flatenn::report
