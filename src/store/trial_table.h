#pragma once

#include <cstdint>

#include "flatenn/store/store.h"
#include "store/database.h"

namespace flatenn::store {

/// Adds a finished trial; false, with nothing changed, where it is there already.
bool insert_trial(const Database& database, int64_t plan, const TrialRow& row);

/// A trial that is there.
TrialRow find_trial(const Database& database, int64_t plan, int64_t cell, int64_t trial);

/// The row's columns in the order cell, trial, images, correct, golden_correct, identical, masked,
/// sdc1_right, sdc1_wrong, drawn, landed, loss.
TrialRow read_trial(Query& query);

}  // namespace flatenn::store
