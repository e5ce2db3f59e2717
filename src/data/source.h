#pragma once

#include <memory>
#include <string>

#include "data/data_settings.h"
#include "data/pixel_sums.h"
#include "flatenn/data/image_set.h"

namespace flatenn::data {

/// Own data of one format.
class Source {
 public:
  virtual ~Source() = default;

  /// Where a split is, for people: "train/", "x_test"; "" where there is none. Data without splits
  /// has the same for both.
  virtual std::string place(Split split) const = 0;

  /// Fills shape, pixels, labels, count and class names, and content hash and `sums` where they
  /// come for nothing. Labels are below the number of classes, which is the same for both splits.
  /// Throws as load_image_set().
  virtual void read(Split split, const LoadOptions& options, ImageSet& images,
                    PixelSums& sums) const = 0;

  bool is_split() const { return place(Split::kTrain) != place(Split::kTest); }
  bool has(Split split) const { return !place(split).empty(); }
};

/// The settings must outlive it. Throws Error naming the place where there is nothing to read.
std::unique_ptr<Source> make_source(const DataSettings& settings);
std::unique_ptr<Source> make_folder_source(const DataSettings& settings);
std::unique_ptr<Source> make_npz_source(const DataSettings& settings);
std::unique_ptr<Source> make_idx_source(const DataSettings& settings);
std::unique_ptr<Source> make_cifar_source(const DataSettings& settings);

/// The names a data.toml gives, else "0", "1", ...; `classes` is the highest label and one. Throws
/// Error naming the data.toml where it has too few.
std::vector<std::string> class_names_for(const DataSettings& settings, int64_t classes);

}  // namespace flatenn::data
