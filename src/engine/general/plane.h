#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::engine::general {

/// Where the words (code - zero point) of one activation lie for each image of a chunk: channels
/// last, each pixel's channels filled up, zeros around the image as wide as its readers' padding.
struct Plane {
  net::Shape shape;
  int base = 0;          ///< Code that is held as 0.
  int least = 0;         ///< Its word.
  int64_t channels = 0;  ///< Words of a pixel, fill included.
  int64_t top = 0;       ///< Pixels of the border.
  int64_t left = 0;
  int64_t bottom = 0;
  int64_t right = 0;

  int64_t row() const { return (left + shape.width + right) * channels; }
  /// How word 0 is held.
  int zero() const { return -least; }
  int64_t image() const { return (top + shape.height + bottom) * row(); }
  /// Of word 0 of a pixel, which may be in the border.
  int64_t pixel(int64_t image_index, int64_t y, int64_t x) const {
    return image_index * image() + (top + y) * row() + (left + x) * channels;
  }
  /// Of element `element` in CHW order.
  int64_t place(int64_t image_index, int64_t element) const {
    const int64_t area = shape.height * shape.width;
    const int64_t at = element % area;
    return pixel(image_index, at / shape.width, at % shape.width) + element / area;
  }
};

/// Kernels may read and write this many elements from any pixel on, those that share a row's pixels
/// from its right neighbour on; buffers end with as many.
inline constexpr int64_t kSlack = 64;

/// One for each activation. All channels but the image's are filled up to whole blocks, with
/// whatever a layer makes of them: they meet weights of 0.
template <class Store>
std::vector<Plane> planes_of(const net::Network& network);

}  // namespace flatenn::engine::general
