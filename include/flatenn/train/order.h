#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/data/image_set.h"

/// The random choices of data loading. Each is a function of its arguments alone, so a training is
/// the same after a resume, with other threads, or on a GPU.
namespace flatenn::train {

/// The order of `images` in one epoch: a permutation of [0, images), drawn by Fisher-Yates from the
/// stream (seed, epoch, kShuffle).
std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t images);

struct AugmentationOptions {
  int64_t crop = 0;   ///< Pixels of black border on each side from which a window is cut; 0: none.
  bool flip = false;  ///< Mirrors half of the images left to right.
};

/// What happens to one image in one epoch.
struct Augmentation {
  int8_t shift_y = 0;  ///< Row y of the result is row y + shift_y of the image, black outside.
  int8_t shift_x = 0;  ///< In [-crop, crop], applied after the flip.
  bool flip = false;
  bool operator==(const Augmentation&) const = default;
};

/// Drawn from the stream (seed, epoch, kAugmentation, image); `image` is the index in the split.
Augmentation augmentation_of(const AugmentationOptions& options, uint64_t seed, int64_t epoch,
                             int64_t image);

/// Images taken out of the training split: `count` distinct indices of [0, images), rising, a
/// function of (seed, images, count). A smaller count is a subset of a larger one.
std::vector<int64_t> held_out_images(uint64_t seed, int64_t images, int64_t count);

/// The images with these indices, in this order.
data::ImageSet select_images(const data::ImageSet& images, const std::vector<int64_t>& indices);

}  // namespace flatenn::train
