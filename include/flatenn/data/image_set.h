#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "flatenn/base/error.h"
#include "flatenn/base/mappable_vector.h"

namespace flatenn::data {

enum class Split { kTrain, kTest };

/// Labelled 8-bit images of one split, in official order; or numbers that a caller made of images.
struct ImageSet {
  std::string name;  ///< "mnist", or what own data is called.
  Split split = Split::kTest;
  int64_t count = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  MappableVector<uint8_t> pixels;  ///< [count, channels, height, width] row-major.
  /// In place of pixels: what the network's ImageTransform takes for x0 (normalized pixels, or
  /// pixels in [0, 255] for networks of raw_pixels). Same order; `mean` and `std` are not used.
  MappableVector<float> values = {};
  std::vector<uint16_t> labels;  ///< [count], in [0, class_names.size()).
  std::vector<std::string> class_names;
  /// Per channel, of pixel / 255 over the training split: the data set's constants, the same for
  /// both splits. Empty where they were not asked for (LoadOptions).
  std::vector<float> mean;
  std::vector<float> std;
  std::string content_hash;  ///< See content_hash().

  int64_t image_elements() const { return channels * height * width; }
  /// The largest |normalized pixel| any image can have; the input scale is this / 127.
  float max_normalized() const;
  /// (pixel / 255 - mean) / std in float32.
  float normalized(int64_t channel, uint8_t pixel) const;
};

/// `wanted`, else $FLATENN_DATA, else ~/.cache/flatenn/data.
std::filesystem::path resolve_data_root(const std::string& wanted);

/// Where decoded pictures and what else can be made anew are kept: $FLATENN_CACHE, else
/// $XDG_CACHE_HOME/flatenn, else ~/.cache/flatenn. Made where it is not there; throws Error naming
/// it where it cannot be.
std::filesystem::path cache_folder();

/// The SHA-256 of all pixels, then all values, then all labels, each label a byte, or two (low byte
/// first) where there are more than 256 classes.
std::string content_hash(const ImageSet& images);

/// A caller asked to stop while data was read; nothing half done is left.
class Interrupted : public Error {
 public:
  using Error::Error;
};

struct LoadOptions {
  std::function<bool()> stop_requested = {};  ///< Asked from time to time, by one thread.
  /// Mean and standard deviation are needed. Measuring those of own data that does not state them
  /// reads the whole training split.
  bool constants = true;
};

/// Whether `name` is no data set of the catalogue but a path to own data: one that holds a slash,
/// ends in .npz or .toml, or exists.
bool is_own_data(const std::string& name);

/// Throws what load_image_set() would where the files of a data set of the catalogue, or the path
/// of own data, are not there; reads nothing.
void check_is_there(const std::string& name, const std::filesystem::path& root);

/// Reads a split of a data set of the catalogue from `root`, in its folder, or of own data, whose
/// path `name` is (docs/data.md). Official files may be raw, gz (IDX) or xz (CIFAR-10).
///
/// Own data without splits is the same for both. Pictures are decoded into a cache first, with a
/// progress line where lines of Level::kInfo are shown. Throws Error naming the file for anything
/// missing, truncated or mislabelled, and Interrupted.
ImageSet load_image_set(const std::string& name, Split split, const std::filesystem::path& root,
                        const LoadOptions& options = {});

/// The first `count` images (all where count is 0 or too large).
ImageSet take_first(ImageSet images, int64_t count);

}  // namespace flatenn::data
