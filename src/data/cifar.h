#pragma once

#include <filesystem>
#include <vector>

#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// Records of CIFAR's binary files: label bytes, then 3x32x32 pixels, planes R, G, B.
struct CifarLayout {
  const char* title;   ///< "CIFAR-10": for messages.
  int64_t labels = 1;  ///< Label bytes of a record; the last one counts.
  int64_t classes = 10;
};
constexpr CifarLayout kCifar10{.title = "CIFAR-10", .labels = 1, .classes = 10};
constexpr CifarLayout kCifar100{
    .title = "CIFAR-100", .labels = 2, .classes = 100};  ///< Coarse, fine.

/// Fills shape, pixels, labels and count from batches (raw, gz or xz), one after the other. Throws
/// Error naming the batch that is not whole records or has a label out of range.
void read_cifar(const CifarLayout& layout, const std::vector<std::filesystem::path>& batches,
                ImageSet& images);

}  // namespace flatenn::data
