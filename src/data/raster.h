#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatenn::data {

/// A decoded picture of 8-bit samples: grey, grey and alpha, RGB, or RGB and alpha.
struct Raster {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;         ///< 1 to 4.
  std::vector<uint8_t> pixels;  ///< [height, width, channels] row-major.

  bool has_alpha() const { return channels == 2 || channels == 4; }
};

/// The most pixels a picture may have, so that a small file cannot ask for all memory. (Pillow
/// warns from the same number on.)
constexpr int64_t kMostPixels = int64_t{1024} * 1024 * 1024 / 4 / 3;

/// Throws Error naming the file where it claims more than kMostPixels.
void check_extent(const std::string& name, int64_t width, int64_t height);

/// floor(a * b / 255 + 1/2) for bytes: how pictures are blended with 8 bits.
inline uint32_t blend(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

/// The picture with so many channels: colour becomes grey by (19595 R + 38470 G + 7471 B) / 65536,
/// grey is repeated, alpha is dropped without blending, or added as 255: as Pillow's convert()
/// does.
Raster with_channels(Raster picture, int64_t channels);

}  // namespace flatenn::data
