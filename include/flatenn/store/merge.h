#pragma once

#include <cstdint>
#include <string>

#include "flatenn/store/store.h"

namespace flatenn::store {

struct MergeCounts {
  int64_t added = 0;  ///< Trials that were new.
  int64_t known = 0;  ///< Trials that were there already, equal in every number.
};

/// Adds the models, images, golden passes, trials and runs of plan `name` of `part` to `into`, all
/// trials in one transaction; the plan itself where it is not there yet. Doing it again changes
/// nothing.
///
/// The caller has made sure that both mean the same by the plan. Throws Error, with nothing of the
/// part's trials added, where a trial or a golden pass is in both with different numbers: one of
/// the machines computes wrongly.
MergeCounts merge_plan(const Store& part, const std::string& name, Store& into);

}  // namespace flatenn::store
