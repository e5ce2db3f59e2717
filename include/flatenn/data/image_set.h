#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace flatenn::data {

enum class Split { kTrain, kTest };

/// Labelled 8-bit images of one split, in official order.
struct ImageSet {
  std::string name;  ///< "mnist", "fashion-mnist" or "cifar10".
  Split split = Split::kTest;
  int64_t count = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> pixels;  ///< [count, channels, height, width] row-major.
  std::vector<uint8_t> labels;  ///< [count], in [0, class_names.size()).
  std::vector<std::string> class_names;
  /// Per channel, of pixel / 255 over the training split: the data set's constants, the same for
  /// both splits.
  std::vector<float> mean;
  std::vector<float> std;
  std::string content_hash;  ///< SHA-256 of pixels then labels.

  int64_t image_elements() const { return channels * height * width; }
  /// The largest |normalized pixel| any image can have; the input scale is this / 127.
  float max_normalized() const;
  /// (pixel / 255 - mean) / std in float32.
  float normalized(int64_t channel, uint8_t pixel) const;
};

/// `wanted`, else $FLATENN_DATA, else ~/.cache/flatenn/data.
std::filesystem::path resolve_data_root(const std::string& wanted);

/// Reads a split from `root`/<folder of the set>. Accepts the official files raw, gz (IDX) or xz
/// (CIFAR-10). Throws Error naming the file for anything missing, truncated or mislabelled.
ImageSet load_image_set(const std::string& name, Split split, const std::filesystem::path& root);

/// The first `count` images (all where count is 0 or too large).
ImageSet take_first(ImageSet images, int64_t count);

}  // namespace flatenn::data
