#pragma once

#include <optional>
#include <string>

#include "data/resample.h"

namespace flatenn::data {

/// Height and width.
struct Extent {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const Extent&) const = default;
};

/// How pictures of any size become images of one, in the order and to the pixel of torchvision's
/// Resize and CenterCrop.
struct Geometry {
  int64_t shorter_side = 0;      ///< Resize to it, keeping the proportions; 0: not.
  std::optional<Extent> resize;  ///< Or to this, whatever the proportions.
  std::optional<Extent> crop;    ///< Then take the middle; what is missing is black.
  Interpolation interpolation = Interpolation::kBilinear;

  bool resizes() const { return shorter_side > 0 || resize.has_value(); }
  /// "resize 256 bilinear, crop 224x224"; "" where pictures stay as they are.
  std::string describe() const;
};

/// The size of what apply() makes of a picture of this size.
Extent extent_after(const Geometry& geometry, const Extent& picture);

/// Throws Error naming `name` where the resized picture would have more than kMostPixels.
Raster apply(const Geometry& geometry, const std::string& name, Raster picture);

}  // namespace flatenn::data
