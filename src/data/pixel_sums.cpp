#include "data/pixel_sums.h"

#include <cmath>

namespace flatenn::data {

void PixelSums::add(const uint8_t* images, int64_t count, int64_t channels, int64_t plane) {
  values.resize(static_cast<size_t>(channels));
  squares.resize(static_cast<size_t>(channels));
  for (int64_t i = 0; i < count * channels; ++i, images += plane) {
    int64_t sum = 0;
    int64_t square = 0;
    for (int64_t at = 0; at < plane; ++at) {
      sum += images[at];
      square += images[at] * images[at];
    }
    values[static_cast<size_t>(i % channels)] += sum;
    squares[static_cast<size_t>(i % channels)] += square;
  }
  pixels += count * plane;
}

void PixelSums::add(const PixelSums& other) {
  values.resize(other.values.size());
  squares.resize(other.squares.size());
  for (size_t c = 0; c < values.size(); ++c) {
    values[c] += other.values[c];
    squares[c] += other.squares[c];
  }
  pixels += other.pixels;
}

PixelSums sums_of(const ImageSet& images) {
  PixelSums sums;
  sums.add(images.pixels.data(), images.count, images.channels, images.height * images.width);
  return sums;
}

void set_constants(const PixelSums& sums, ImageSet& images) {
  images.mean.clear();
  images.std.clear();
  const auto count = static_cast<long double>(sums.pixels);
  for (size_t c = 0; c < sums.values.size(); ++c) {
    const long double mean = static_cast<long double>(sums.values[c]) / count;
    const long double variance = static_cast<long double>(sums.squares[c]) / count - mean * mean;
    const bool varies = variance > 1e-9L;
    images.mean.push_back(static_cast<float>(mean / 255));
    images.std.push_back(varies ? static_cast<float>(std::sqrt(variance) / 255) : 1.0F);
  }
}

}  // namespace flatenn::data
