#include "flatenn/data/image_set.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/cifar.h"
#include "data/compressed_file.h"
#include "data/idx.h"
#include "data/location.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"

namespace flatenn::data {
namespace {

std::vector<std::filesystem::path> find_files(const DataSet& set, Split split,
                                              const std::filesystem::path& root) {
  const auto location = locate(set, root);
  FLATENN_CHECK(location, set.title, " is not here: no folder ",
                (root / set.folders.front().path).string(), "; get it with 'flatenn data get ",
                set.name, "', or point --data-root or FLATENN_DATA at it");
  std::vector<std::filesystem::path> paths;
  for (const std::string& name : split_files(set, split, location->folder)) {
    const auto path = find_packed(location->path, name);
    FLATENN_CHECK(path, (location->path / name).string(),
                  ": missing, also as .gz and .xz; get it with 'flatenn data get ", set.name, "'");
    paths.push_back(*path);
  }
  return paths;
}

std::string content_hash(const ImageSet& images) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(images.pixels)));
  hasher.update(std::as_bytes(std::span(images.labels)));
  return hasher.hex_digest();
}

}  // namespace

float ImageSet::normalized(int64_t channel, uint8_t pixel) const {
  const auto at = static_cast<size_t>(channel);
  return (static_cast<float>(pixel) / 255.0F - mean[at]) / std[at];
}

float ImageSet::max_normalized() const {
  float largest = 0;
  for (int64_t c = 0; c < channels; ++c) {
    largest = std::max({largest, std::abs(normalized(c, 0)), std::abs(normalized(c, 255))});
  }
  return largest;
}

std::filesystem::path resolve_data_root(const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  if (const char* root = std::getenv("FLATENN_DATA"); root && *root) return root;
  const char* home = std::getenv("HOME");
  FLATENN_CHECK(home && *home, "no data root: give --data-root, or set FLATENN_DATA or HOME");
  return std::filesystem::path(home) / ".cache/flatenn/data";
}

ImageSet load_image_set(const std::string& name, Split split, const std::filesystem::path& root) {
  const DataSet& set = find_data_set(name);
  const auto paths = find_files(set, split, root);
  ImageSet images{.name = set.name,
                  .split = split,
                  .channels = set.channels,
                  .height = set.height,
                  .width = set.width,
                  .class_names = set.class_names,
                  .mean = set.mean,
                  .std = set.std};
  if (set.format == Format::kIdx) {
    read_idx(set, paths[0], paths[1], images);
  } else {
    read_cifar(set, paths, images);
  }
  images.content_hash = content_hash(images);
  return images;
}

ImageSet take_first(ImageSet images, int64_t count) {
  FLATENN_CHECK(count >= 0, "take_first: count must not be negative, got ", count);
  if (count == 0 || count >= images.count) return images;
  images.count = count;
  images.pixels.resize(static_cast<size_t>(count * images.image_elements()));
  images.labels.resize(static_cast<size_t>(count));
  images.content_hash = content_hash(images);
  return images;
}

}  // namespace flatenn::data
