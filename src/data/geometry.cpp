#include "data/geometry.h"

#include <algorithm>
#include <cmath>

namespace flatenn::data {
namespace {

Extent resized(const Geometry& geometry, const Extent& picture) {
  if (geometry.resize) return *geometry.resize;
  if (geometry.shorter_side == 0) return picture;
  const int64_t side = geometry.shorter_side;
  const auto longer = [&](int64_t shorter_one, int64_t longer_one) {
    return static_cast<int64_t>(static_cast<double>(side * longer_one) /
                                static_cast<double>(shorter_one));
  };
  return picture.width <= picture.height
             ? Extent{.height = longer(picture.width, picture.height), .width = side}
             : Extent{.height = side, .width = longer(picture.height, picture.width)};
}

/// One axis of a crop from the middle.
struct Span {
  int64_t first = 0;    ///< Sample of the picture.
  int64_t count = 0;    ///< Samples taken.
  int64_t padding = 0;  ///< Black samples before them.
};

Span middle(int64_t size, int64_t wanted) {
  if (wanted > size) return {.count = size, .padding = (wanted - size) / 2};
  // Halves round to even, as Python's round() does.
  return {.first = static_cast<int64_t>(std::nearbyint(static_cast<double>(size - wanted) / 2)),
          .count = wanted};
}

Raster pad(const Raster& picture, const Extent& extent, int64_t top, int64_t left) {
  Raster result{.width = extent.width, .height = extent.height, .channels = picture.channels};
  result.pixels.resize(static_cast<size_t>(extent.width * extent.height * picture.channels));
  const int64_t row_bytes = picture.width * picture.channels;
  for (int64_t y = 0; y < picture.height; ++y) {
    std::copy_n(picture.pixels.data() + y * row_bytes, row_bytes,
                result.pixels.data() + ((y + top) * extent.width + left) * picture.channels);
  }
  return result;
}

std::string text(const Extent& extent) {
  return std::to_string(extent.height) + "x" + std::to_string(extent.width);
}

}  // namespace

std::string Geometry::describe() const {
  std::string result;
  if (resizes()) {
    result = "resize " + (resize ? text(*resize) : std::to_string(shorter_side)) +
             (interpolation == Interpolation::kBilinear ? " bilinear" : " bicubic");
  }
  if (crop) result += (result.empty() ? "crop " : ", crop ") + text(*crop);
  return result;
}

Extent extent_after(const Geometry& geometry, const Extent& picture) {
  return geometry.crop ? *geometry.crop : resized(geometry, picture);
}

Raster apply(const Geometry& geometry, const std::string& name, Raster picture) {
  if (!geometry.resizes() && !geometry.crop) return picture;
  const Extent size = resized(geometry, {.height = picture.height, .width = picture.width});
  check_extent(name, size.width, size.height);
  const Extent wanted = geometry.crop.value_or(size);
  const Span x = middle(size.width, wanted.width);
  const Span y = middle(size.height, wanted.height);
  const Crop crop{.left = x.first, .top = y.first, .width = x.count, .height = y.count};
  Raster part = resample(picture, size.width, size.height, crop, geometry.interpolation);
  if (x.count == wanted.width && y.count == wanted.height) return part;
  return pad(part, wanted, y.padding, x.padding);
}

}  // namespace flatenn::data
