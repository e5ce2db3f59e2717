#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// Where a data set lies.
struct Location {
  std::filesystem::path path;
  Folder folder;
};

/// The first of the set's folders that exists below `root`; `root` itself where it bears a folder's
/// name.
std::optional<Location> locate(const DataSet& set, const std::filesystem::path& root);

/// Names of the files of one split, uncompressed, in reading order: for IDX the images, then the
/// labels.
std::vector<std::string> split_files(const DataSet& set, Split split, const Folder& folder);

}  // namespace flatenn::data
