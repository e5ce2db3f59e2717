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
  /// Side in pixels of a square that is cut out of every image, at the border in part; 0: none.
  /// DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
  /// arXiv:1708.04552.
  int64_t cutout = 0;
};

/// What happens to one image in one epoch.
struct Augmentation {
  int8_t shift_y = 0;  ///< Row y of the result is row y + shift_y of the image, black outside.
  int8_t shift_x = 0;  ///< In [-crop, crop], applied after the flip.
  bool flip = false;
  int16_t cut = 0;  ///< Side of the square set to normalized 0 (the mean colour); 0: none.
  /// Its centre: row floor(cut_y * height / 2^16), column floor(cut_x * width / 2^16) of the
  /// result; it covers [centre - floor(cut / 2), centre - floor(cut / 2) + cut) in both.
  uint16_t cut_y = 0;
  uint16_t cut_x = 0;
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
