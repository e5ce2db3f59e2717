#pragma once

#include <filesystem>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// Fills pixels, labels and count from an IDX image file and its label file (raw or gz). Throws
/// Error naming the file where the header, sizes, counts or labels do not fit `set`.
void read_idx(const DataSet& set, const std::filesystem::path& images_path,
              const std::filesystem::path& labels_path, ImageSet& images);

}  // namespace flatenn::data
