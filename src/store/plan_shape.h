#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/store/store.h"

namespace flatenn::store {

/// What the JSON of a plan says of its rows in the other tables.
struct PlanShape {
  struct Cell {
    CellRow row;
    int64_t trials = 0;  ///< A trial's number is below.
  };
  int64_t images_per_trial = 0;
  std::vector<Cell> cells;
};

/// Reads it, and checks what statistics take from there. Throws Error that says which column is not
/// as flatenn wrote it. `dataset_images` and `models` are what the other tables hold.
PlanShape plan_shape(const PlanRow& plan, int64_t dataset_images, int64_t models);

}  // namespace flatenn::store
