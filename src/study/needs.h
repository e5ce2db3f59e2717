#pragma once

#include "study/plan_arms.h"

namespace flatenn::study {

/// Throws Error where this machine lacks the device or the data of a study that is about to be
/// begun, or an arm does not exist. One that was begun is gone on with without that: what is
/// finished in it needs neither.
void check_needs(const Definition& definition, const StudyOptions& options);

}  // namespace flatenn::study
