#pragma once

#include <cstdint>
#include <vector>

#include "engine/kernels/lanes/lanes.h"
#include "flatenn/net/network.h"

namespace flatenn::engine::lanes {

/// Where the codes of one activation stand for one lane group (sixteen images): rows of vectors,
/// elements of a row running over [x][channel], with a border of padding on all sides.
///
/// Signed codes are stored with 128 added, so that all are unsigned bytes in rising order.
struct Layout {
  net::Shape shape;
  int64_t border = 0;       ///< Pixels of padding on each side.
  int64_t row_vectors = 0;  ///< Vectors from one row to the next.
  int64_t bytes = 0;        ///< Of one lane group.
  uint8_t zero = 0;         ///< The byte that stands for code 0.

  /// Element of (channel 0, y, x); y and x may reach `border` outside the plane.
  int64_t element(int64_t y, int64_t x) const {
    return (y + border) * row_vectors * 4 + (x + border) * shape.channels;
  }
  /// Byte of an element for image lane `lane`.
  static int64_t byte(int64_t element, int64_t lane) {
    return element / 4 * kVectorBytes + lane * 4 + element % 4;
  }
};

/// Layouts of all activations: borders as wide as the widest padding among the readers.
std::vector<Layout> make_layouts(const net::Network& network);

}  // namespace flatenn::engine::lanes
