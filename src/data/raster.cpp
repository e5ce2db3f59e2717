#include "data/raster.h"

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

uint8_t luma(const uint8_t* rgb) {
  const uint32_t sum = 19595U * rgb[0] + 38470U * rgb[1] + 7471U * rgb[2] + 0x8000U;
  return static_cast<uint8_t>(sum >> 16);
}

}  // namespace

void check_extent(const std::string& name, int64_t width, int64_t height) {
  FLATENN_CHECK(width <= kMostPixels && height <= kMostPixels && width * height <= kMostPixels,
                name, ": claims ", width, "x", height, " pixels; at most ", kMostPixels,
                " are read");
}

Raster with_channels(Raster picture, int64_t channels) {
  FLATENN_ASSERT(channels >= 1 && channels <= 4, "with_channels: ", channels);
  if (picture.channels == channels) return picture;
  const bool from_grey = picture.channels <= 2;
  const bool to_grey = channels <= 2;
  const int64_t colours = to_grey ? 1 : 3;
  Raster result{.width = picture.width, .height = picture.height, .channels = channels};
  const int64_t count = picture.width * picture.height;
  result.pixels.resize(static_cast<size_t>(count * channels));
  const uint8_t* from = picture.pixels.data();
  uint8_t* to = result.pixels.data();
  for (int64_t i = 0; i < count; ++i, from += picture.channels, to += channels) {
    for (int64_t c = 0; c < colours; ++c) {
      to[c] = from_grey ? from[0] : to_grey ? luma(from) : from[c];
    }
    if (channels > colours) to[colours] = picture.has_alpha() ? from[picture.channels - 1] : 255;
  }
  return result;
}

}  // namespace flatenn::data
