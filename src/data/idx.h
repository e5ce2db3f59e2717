#pragma once

#include <filesystem>
#include <optional>

#include "data/geometry.h"
#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// Fills shape, pixels, labels and count from an IDX image file and its label file (raw, gz or xz).
/// Throws Error naming the file where the header, sizes or counts do not fit, or where images have
/// another than a wanted extent. Labels are not looked at.
void read_idx(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
              const std::optional<Extent>& wanted, ImageSet& images);

/// The label file alone. Throws as above.
std::vector<uint16_t> read_idx_labels(const std::filesystem::path& path);

}  // namespace flatenn::data
