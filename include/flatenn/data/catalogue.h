#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// How a data set's files are laid out.
enum class Format {
  kIdx,         ///< Big-endian header, images and labels in separate files (MNIST's format).
  kCifarBinary  ///< Records of one label byte and 3072 pixel bytes, planes R, G, B.
};

/// One official file, told by its content: compression does not matter.
struct OfficialFile {
  std::string name;    ///< Without .gz or .xz: "train-images-idx3-ubyte".
  std::string sha256;  ///< Of the uncompressed content.
  int64_t bytes;       ///< Of the uncompressed content.
};

/// A folder a data set may lie in, relative to the data root.
struct Folder {
  std::string path;
  int64_t train_files;  ///< CIFAR-10: training batches in it.
};

/// What is known about a data set before its files are read.
struct DataSet {
  std::string name;   ///< "fashion-mnist": what commands take.
  std::string title;  ///< "Fashion-MNIST": for people.
  Format format;
  int64_t channels, height, width;
  int64_t train_images, test_images;  ///< Of the official set.
  std::vector<std::string> class_names;
  std::vector<float> mean, std;  ///< Per channel, of pixel / 255 over the training split.
  std::vector<Folder> folders;   ///< Accepted ones; `get` writes the first.
  std::vector<OfficialFile> files;
};

/// MNIST, Fashion-MNIST and CIFAR-10, in this order.
const std::vector<DataSet>& catalogue();

bool is_known_data(const std::string& name);

/// Throws Error that lists the names, and the nearest one where `name` looks like a slip.
const DataSet& find_data_set(const std::string& name);

}  // namespace flatenn::data
