#pragma once

#include <filesystem>
#include <vector>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// Fills pixels, labels and count from CIFAR-10 batches (raw or xz), one after the other. Throws
/// Error naming the batch that is not whole records or has a label out of range.
void read_cifar(const DataSet& set, const std::vector<std::filesystem::path>& batches,
                ImageSet& images);

}  // namespace flatenn::data
