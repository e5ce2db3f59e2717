#pragma once

#include <cstdint>
#include <string>

#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// What lies at a path of own data, before images are read.
struct OwnData {
  std::string name;      ///< What results call it.
  std::string format;    ///< "image-folder", "npz", "idx", "cifar10" or "cifar100".
  std::string path;      ///< File or folder of the data.
  std::string settings;  ///< The data.toml; "" where there is none.
  std::string geometry;  ///< "resize 256 bilinear, crop 224x224"; "" where images stay as they are.
  std::string train, test;       ///< Where the splits are; equal where there are none, "" for none.
  bool constants_given = false;  ///< Mean and std stand in the data.toml.

  bool is_split() const { return train != test; }
  bool has(Split split) const { return !(split == Split::kTrain ? train : test).empty(); }
};

/// Throws Error naming the file where nothing there is data or the data.toml is wrong.
OwnData find_own_data(const std::string& path);

/// load_image_set() of own data.
ImageSet load_own_data(const std::string& path, Split split, const LoadOptions& options);

/// A name of the catalogue as it is; the path of own data from the root on, so that it means the
/// same from every folder. Throws Error for what is neither.
std::string settled_data_name(const std::string& name);

}  // namespace flatenn::data
