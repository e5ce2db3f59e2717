#pragma once

#include <functional>
#include <string>

#include "data/pixel_sums.h"
#include "data/raster.h"
#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// Pictures that become the images of a split.
struct PictureStack {
  std::string title;  ///< For progress.
  /// Told by everything that decides pixels and labels: the same key, the same images.
  std::string key;
  int64_t channels = 0;                      ///< Of each picture.
  std::function<Raster(int64_t)> picture;    ///< All of one size; asked by several threads.
  std::function<std::string(int64_t)> name;  ///< For messages.
  /// Throws Error where the pictures are no longer those that the key stands for; may be empty.
  std::function<void()> check_unchanged = {};
};

/// Fills pixels, shape and content hash of `images`, whose labels and class names are there, from
/// the cache; pictures that it does not hold are decoded into it first, with progress. The pixels
/// are mapped, not held in memory. `sums`: of all pixels.
///
/// A file of the cache takes its name when it is whole. Throws Error naming the picture that cannot
/// be read or is of another size, and the cache where the disk is full; Interrupted.
void fill_from_cache(const PictureStack& stack, const LoadOptions& options, ImageSet& images,
                     PixelSums& sums);

}  // namespace flatenn::data
