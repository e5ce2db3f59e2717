#include "engine/lanes/image_lanes.h"

#include <algorithm>

namespace flatenn::engine::lanes {
namespace {

void load_image(const int8_t* codes, const Layout& layout, uint8_t* dst) {
  const net::Shape& shape = layout.shape;
  for (int64_t c = 0; c < shape.channels; ++c) {
    for (int64_t y = 0; y < shape.height; ++y) {
      for (int64_t x = 0; x < shape.width; ++x) {
        dst[Layout::byte(layout.element(y, x) + c, 0)] =
            static_cast<uint8_t>(*codes++ + layout.zero);
      }
    }
  }
}

}  // namespace

void load_images(const ImageCodes& images, const Chunk& chunk, const Layout& layout,
                 int64_t lane_groups, uint8_t* dst) {
  const int64_t elements = images.shape.elements();
  for (int64_t i = 0; i < lane_groups * kLanes; ++i) {
    const int64_t image = chunk.image(std::min(i, chunk.count - 1));
    load_image(&images.codes[static_cast<size_t>(image * elements)], layout,
               dst + i / kLanes * layout.bytes + i % kLanes * 4);
  }
}

}  // namespace flatenn::engine::lanes
