#pragma once

#include "engine/chunked/chunk.h"
#include "engine/lanes/buffers.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine::lanes {

/// Puts images into lanes. Lanes beyond the chunk's count repeat its last image; groups of them
/// that hold none of it are left alone.
void load_images(const ImageCodes& images, const Chunk& chunk, const Layout& layout,
                 int64_t lane_groups, uint8_t* dst);

}  // namespace flatenn::engine::lanes
