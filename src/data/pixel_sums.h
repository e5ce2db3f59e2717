#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// Exact sums over all pixels of each channel.
struct PixelSums {
  int64_t pixels = 0;            ///< Of one channel.
  std::vector<int64_t> values;   ///< [channels]
  std::vector<int64_t> squares;  ///< [channels]

  /// Adds images: [count, channels, plane].
  void add(const uint8_t* images, int64_t count, int64_t channels, int64_t plane);
  void add(const PixelSums& other);
};

PixelSums sums_of(const ImageSet& images);

/// Mean and standard deviation of pixel / 255 over the pixels, rounded to float32. Where all pixels
/// of a channel are equal, as those of an opaque picture's alpha, the deviation is taken to be 1.
void set_constants(const PixelSums& sums, ImageSet& images);

}  // namespace flatenn::data
