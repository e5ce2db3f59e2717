#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace flatenn::data {

/// "train-images-idx3-ubyte", "t10k-images.idx3-ubyte", with .gz or .xz behind it: an IDX file of
/// images by its name.
bool is_idx_images(const std::string& name);

/// Those in a folder, sorted by name.
std::vector<std::filesystem::path> find_idx_images(const std::filesystem::path& folder);

/// The label file that belongs to an image file, in any packing. Throws Error naming it where it is
/// not there.
std::filesystem::path idx_labels_of(const std::filesystem::path& images);

}  // namespace flatenn::data
