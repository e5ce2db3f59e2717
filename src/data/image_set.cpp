#include "flatenn/data/image_set.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/cifar.h"
#include "data/compressed_file.h"
#include "data/idx.h"
#include "data/labels.h"
#include "data/location.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/data/own_data.h"

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

ImageSet load_official(const DataSet& set, Split split, const std::filesystem::path& root) {
  const auto paths = find_files(set, split, root);
  ImageSet images{.name = set.name,
                  .split = split,
                  .class_names = set.class_names,
                  .mean = set.mean,
                  .std = set.std};
  if (set.format == Format::kIdx) {
    read_idx(paths[0], paths[1], Extent{.height = set.height, .width = set.width}, images);
    check_labels(paths[1], images.labels, std::ssize(set.class_names));
  } else {
    read_cifar(kCifar10, paths, images);
  }
  images.content_hash = content_hash(images);
  return images;
}

}  // namespace

std::string content_hash(const ImageSet& images) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(images.pixels.data(), images.pixels.size())));
  hasher.update(std::as_bytes(std::span(images.values.data(), images.values.size())));
  std::vector<uint8_t> labels;
  for (const uint16_t label : images.labels) {
    labels.push_back(static_cast<uint8_t>(label & 0xFF));
    if (images.class_names.size() > 256) labels.push_back(static_cast<uint8_t>(label >> 8));
  }
  hasher.update(std::as_bytes(std::span(labels)));
  return hasher.hex_digest();
}

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

std::filesystem::path cache_folder() {
  std::filesystem::path folder;
  const char* const own = std::getenv("FLATENN_CACHE");
  const char* const shared = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  if (own && *own) {
    folder = own;
  } else if (shared && *shared) {
    folder = std::filesystem::path(shared) / "flatenn";
  } else {
    FLATENN_CHECK(home && *home, "no cache folder: set FLATENN_CACHE or HOME");
    folder = std::filesystem::path(home) / ".cache/flatenn";
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  FLATENN_CHECK(!error, folder.string(), ": cannot be made: ", error.message(),
                "; FLATENN_CACHE names another cache folder");
  return folder;
}

void check_is_there(const std::string& name, const std::filesystem::path& root) {
  if (is_own_data(name)) {
    find_own_data(name);
    return;
  }
  const DataSet& set = find_data_set(name);
  for (const Split split : {Split::kTrain, Split::kTest}) find_files(set, split, root);
}

ImageSet load_image_set(const std::string& name, Split split, const std::filesystem::path& root,
                        const LoadOptions& options) {
  if (is_own_data(name)) return load_own_data(name, split, options);
  return load_official(find_data_set(name), split, root);
}

ImageSet take_first(ImageSet images, int64_t count) {
  FLATENN_CHECK(count >= 0, "take_first: count must not be negative, got ", count);
  if (count == 0 || count >= images.count) return images;
  images.count = count;
  const auto elements = static_cast<size_t>(count * images.image_elements());
  (images.values.empty() ? images.pixels.resize(elements) : images.values.resize(elements));
  images.labels.resize(static_cast<size_t>(count));
  images.content_hash = content_hash(images);
  return images;
}

}  // namespace flatenn::data
