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

using Words = uint32_t __attribute__((vector_size(16)));

/// Four rows of four words each, columns as rows.
void transpose(const uint8_t* rows, int64_t row_bytes, uint8_t* dst) {
  const auto row = [&](int64_t i) {
    Words words;
    std::memcpy(&words, rows + i * row_bytes, sizeof words);
    return words;
  };
  const Words low01 = __builtin_shufflevector(row(0), row(1), 0, 4, 1, 5);
  const Words high01 = __builtin_shufflevector(row(0), row(1), 2, 6, 3, 7);
  const Words low23 = __builtin_shufflevector(row(2), row(3), 0, 4, 1, 5);
  const Words high23 = __builtin_shufflevector(row(2), row(3), 2, 6, 3, 7);
  const Words columns[] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                           __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                           __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                           __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
  for (int64_t i = 0; i < 4; ++i) {
    std::memcpy(dst + i * kVectorBytes, &columns[i], sizeof columns[i]);
  }
}

/// Puts the rows of sixteen images, [lane][row_vectors * 4], side by side.
void interleave(const uint8_t* rows, int64_t row_vectors, uint8_t* dst) {
  const int64_t row_bytes = row_vectors * 4;
  const int64_t whole = row_vectors / 4 * 4;
  for (int64_t v = 0; v < whole; v += 4) {
    for (int64_t lane = 0; lane < kLanes; lane += 4) {
      transpose(rows + lane * row_bytes + v * 4, row_bytes, dst + v * kVectorBytes + lane * 4);
    }
  }
  for (int64_t v = whole; v < row_vectors; ++v) {
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
  const int64_t used_groups = std::min(lane_groups, (chunk.count + kLanes - 1) / kLanes);
  for (int64_t group = 0; group < used_groups; ++group) {
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
