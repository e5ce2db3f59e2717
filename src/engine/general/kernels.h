#pragma once

#include "engine/isa.h"
#include "engine/kernels/general/general.h"

namespace flatenn::engine::general {

/// The kernels of one instruction set.
template <class Store>
struct Kernels {
  Isa isa;
  void (*dot)(const DotArgs<Store>& args);
  void (*depthwise)(const DepthwiseArgs<Store>& args);
  void (*combine)(const CombineArgs<Store>& args);
  void (*to_tiles)(const ToTilesArgs& args) = nullptr;  ///< Both of words alone.
  void (*from_tiles)(const FromTilesArgs& args) = nullptr;
};

/// The best ones that need no more than `isa`.
const Kernels<Words>& word_kernels(Isa isa);
/// Null: `isa` has none.
const Kernels<Bytes>* byte_kernels(Isa isa);

}  // namespace flatenn::engine::general
