#include "engine/kernels/lanes/tiles_portable.h"

#include "engine/kernels/lanes/lanes_baseline.h"

namespace flatenn::engine::lanes {

void use_tiles_portable(bool) {}
void tile_dot_portable(const TileDotArgs& args) { tile_dot_any<PortableTiles, Baseline>(args); }

}  // namespace flatenn::engine::lanes
