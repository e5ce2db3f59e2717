#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/store/store.h"

namespace flatenn::store {

/// The message of the Error that `body` throws; a failure where it throws none.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

/// As much of a plan's JSON as the store looks at.
inline std::string small_settings(int64_t levels) {
  std::string text = R"({"dataset": {"images": 4}, "kinds": [{}], "models": [{}], "levels": [)";
  for (int64_t i = 0; i < levels; ++i) text += i == 0 ? "{}" : ", {}";
  return text + R"(], "single_fault": null, "trials": 2000000})";
}

inline std::string small_layout(int64_t levels) {
  std::string text = R"({"models": [{"goldens": ["m1"], "strata": []}], "levels": [)";
  for (int64_t i = 0; i < levels; ++i) text += i == 0 ? "\"\"" : ", \"\"";
  return text + R"(], "tolerated_drop": 0.01, "wanted_accuracy": null})";
}

/// Stores a plan of one model, one kind and `levels` levels; returns its id.
inline int64_t add_small_plan(Store& store, const std::string& name, int64_t levels = 2) {
  store.add_dataset({.hash = "d1", .name = "mnist", .split = "test", .images = 4});
  store.add_model({.hash = "m1", .weight_bits = 96});
  std::vector<CellRow> cells;
  for (int64_t i = 0; i < levels; ++i) {
    cells.push_back({.cell = i, .model = 0, .kind = 0, .level = i});
  }
  PlanRow plan;
  plan.name = name;
  plan.settings = small_settings(levels);
  plan.fingerprint = sha256_hex(plan.settings);
  plan.layout = small_layout(levels);
  plan.version = "0.1.0";
  plan.created = "2025-01-31T12:00:00Z";
  plan.dataset = "d1";
  return store.add_plan(
      plan, {{.position = 0, .hash = "m1", .name = "lenet5", .metadata = {{"recipe", "saq"}}}},
      cells);
}

inline TrialRow small_trial(int64_t cell, int64_t trial) {
  return {.cell = cell,
          .trial = trial,
          .images = 4,
          .correct = 3,
          .golden_correct = 4,
          .loss = 0.1 + static_cast<double>(trial),
          .identical = 1,
          .masked = 2,
          .sdc1_right = 1,
          .sdc1_wrong = 0,
          .drawn = 7,
          .landed = 5};
}

}  // namespace flatenn::store
