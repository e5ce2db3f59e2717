#pragma once

#include <cstdint>
#include <vector>

#include "engine/chunked/aligned_bytes.h"
#include "engine/lanes/layout.h"

namespace flatenn::engine::lanes {

/// One buffer an activation for a chunk of images. Borders hold code 0 and are never written.
class ChunkBuffers {
 public:
  ChunkBuffers(const std::vector<Layout>& layouts, int64_t lane_groups) {
    for (const Layout& layout : layouts) {
      buffers_.emplace_back(layout.bytes * lane_groups, layout.zero);
    }
  }
  uint8_t* operator[](int64_t activation) const {
    return buffers_[static_cast<size_t>(activation)].data();
  }

 private:
  std::vector<AlignedBytes> buffers_;
};

}  // namespace flatenn::engine::lanes
