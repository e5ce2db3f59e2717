#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>

#include "train/weight_faults.h"

namespace flatenn::train {

/// Maps of a training's steps, drawn on threads of their own while a device computes the steps
/// before. A map is a function of its step, so that nothing depends on how many are ahead.
class MapsAhead {
 public:
  /// `draw` gives the map of a step, from any thread. `ahead` of 0 draws in take().
  MapsAhead(std::function<WordMasks(int64_t)> draw, int ahead);

  /// The map of `step`; begins those of the steps behind it. Throws what draw threw.
  WordMasks take(int64_t step);

 private:
  std::function<WordMasks(int64_t)> draw_;
  int ahead_;
  int64_t next_ = 0;  ///< The first one's step.
  std::deque<std::future<WordMasks>> begun_;
};

/// Maps that keep a GPU busy on a machine of so many cores; 0 on the CPU, which has its cores full.
int maps_ahead(torch::Device device);

}  // namespace flatenn::train
