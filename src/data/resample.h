#pragma once

#include "data/raster.h"

namespace flatenn::data {

enum class Interpolation { kBilinear, kBicubic };

/// A part of a picture that was resized: what is kept of it.
struct Crop {
  int64_t left = 0, top = 0;
  int64_t width = 0, height = 0;
};

/// The part `crop` of `picture` resized to `width` x `height`; the crop lies inside of that.
///
/// Antialiased, as Pillow's Image.resize: the filter grows with the reduction, rows are filtered
/// before columns, both with weights of 22 fractional bits and results rounded to bytes, and colour
/// is weighted with alpha where there is one. Equal to it bit for bit.
Raster resample(const Raster& picture, int64_t width, int64_t height, const Crop& crop,
                Interpolation interpolation);

}  // namespace flatenn::data
