#pragma once

#include "engine/isa.h"
#include "engine/kernels/general/general.h"

namespace flatenn::engine::general {

/// The kernels of one instruction set.
struct Kernels {
  Isa isa;
  void (*dot)(const DotArgs& args);
  void (*depthwise)(const DepthwiseArgs& args);
  void (*combine)(const CombineArgs& args);
  void (*to_tiles)(const ToTilesArgs& args);
  void (*from_tiles)(const FromTilesArgs& args);
};

/// The best ones that need no more than `isa`.
const Kernels& kernels_for(Isa isa);

}  // namespace flatenn::engine::general
