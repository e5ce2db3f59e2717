#include "data/location.h"

namespace flatenn::data {

std::optional<Location> locate(const DataSet& set, const std::filesystem::path& root) {
  for (const Folder& folder : set.folders) {
    if (std::filesystem::is_directory(root / folder.path)) return {{root / folder.path, folder}};
  }
  for (const Folder& folder : set.folders) {
    if (root.filename() == folder.path && std::filesystem::is_directory(root)) {
      return {{root, folder}};
    }
  }
  return std::nullopt;
}

std::vector<std::string> split_files(const DataSet& set, Split split, const Folder& folder) {
  if (set.format == Format::kIdx) {
    const std::string prefix = split == Split::kTrain ? "train" : "t10k";
    return {prefix + "-images-idx3-ubyte", prefix + "-labels-idx1-ubyte"};
  }
  if (split == Split::kTest) return {"test_batch.bin"};
  std::vector<std::string> names;
  for (int64_t batch = 1; batch <= folder.train_files; ++batch) {
    names.push_back("data_batch_" + std::to_string(batch) + ".bin");
  }
  return names;
}

}  // namespace flatenn::data
