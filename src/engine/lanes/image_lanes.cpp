#include "engine/lanes/image_lanes.h"

#include <algorithm>
#include <cstring>

namespace flatenn::engine::lanes {
namespace {

/// Row `y` of an image as bytes running over [x][channel], behind `border` pixels of padding.
void copy_row(const int8_t* codes, const Layout& layout, int64_t y, uint8_t* row) {
  const net::Shape shape = layout.shape;
  const auto stored = [zero = layout.zero](int8_t code) {
    return static_cast<uint8_t>(code + zero);
  };
  row += layout.border * shape.channels;
  for (int64_t c = 0; c < shape.channels; ++c) {
    const int8_t* src = codes + (c * shape.height + y) * shape.width;
    if (shape.channels == 1) {  // a vector at a time
      std::transform(src, src + shape.width, row, stored);
      continue;
    }
    for (int64_t x = 0; x < shape.width; ++x) row[x * shape.channels + c] = stored(src[x]);
  }
}

/// Puts the rows of sixteen images, [lane][row_vectors * 4], side by side.
void interleave(const uint8_t* rows, int64_t row_vectors, uint8_t* dst) {
  for (int64_t v = 0; v < row_vectors; ++v) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      std::memcpy(dst + v * kVectorBytes + lane * 4, rows + (lane * row_vectors + v) * 4, 4);
    }
  }
}

}  // namespace

void load_images(const ImageCodes& images, const Chunk& chunk, const Layout& layout,
                 int64_t lane_groups, uint8_t* dst) {
  const int64_t elements = images.shape.elements();
  thread_local std::vector<uint8_t> rows;
  rows.assign(static_cast<size_t>(kLanes * layout.row_vectors * 4), layout.zero);
  for (int64_t group = 0; group < lane_groups; ++group) {
    for (int64_t y = 0; y < layout.shape.height; ++y) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const int64_t image = chunk.image(std::min(group * kLanes + lane, chunk.count - 1));
        copy_row(&images.codes[static_cast<size_t>(image * elements)], layout, y,
                 rows.data() + lane * layout.row_vectors * 4);
      }
      interleave(
          rows.data(), layout.row_vectors,
          dst + group * layout.bytes + (y + layout.border) * layout.row_vectors * kVectorBytes);
    }
  }
}

}  // namespace flatenn::engine::lanes
