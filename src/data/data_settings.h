#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/geometry.h"

namespace flatenn::data {

/// Own data: where it is and how it is to be read, as a data.toml says it or as it is told by what
/// is there.
struct DataSettings {
  std::filesystem::path file;  ///< The data.toml; empty where there is none.
  std::filesystem::path path;  ///< File or folder of the data.
  std::string name;            ///< What results call it.
  std::string format;          ///< See formats(); never empty.
  int64_t channels = 0;        ///< 1 to 4; 0: those of the data.
  Geometry geometry;
  std::vector<float> mean, std;          ///< Empty: measured.
  std::vector<std::string> class_names;  ///< Empty: told by the data.
  std::string layout;                    ///< Of npz: "nhwc", "nchw"; "": told by the shape.
  std::string train, test;               ///< Names of the splits; "": the usual ones.

  /// Where an answer to a mistake belongs: the data.toml, or the data where there is none.
  std::string place() const { return (file.empty() ? path : file).string(); }
};

/// "image-folder", "npz", "idx", "cifar10", "cifar100".
const std::vector<std::string>& formats();

/// `given`: a data.toml, a folder that holds one, or the data itself. Throws Error naming the file
/// and key for a data.toml that is wrong, and where nothing is there that could be data.
DataSettings read_data_settings(const std::filesystem::path& given);

}  // namespace flatenn::data
