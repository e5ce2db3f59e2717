#include "flatenn/data/own_data.h"

#include <filesystem>

#include "data/picture_cache.h"
#include "data/source.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/log.h"
#include "flatenn/data/catalogue.h"

namespace flatenn::data {
namespace {

const char* split_name(Split split) { return split == Split::kTrain ? "training" : "test"; }

void check_has(const DataSettings& settings, const Source& source, Split split) {
  FLATENN_CHECK(source.has(split), settings.place(), ": has no ", split_name(split),
                " images; there is ", source.place(Split::kTrain), source.place(Split::kTest),
                " alone (a data.toml can name the splits)");
}

/// One image of a set in memory.
Raster raster_of(const ImageSet& images, int64_t index) {
  Raster picture{.width = images.width, .height = images.height, .channels = images.channels};
  const auto plane = static_cast<size_t>(images.width * images.height);
  const auto channels = static_cast<size_t>(images.channels);
  picture.pixels.resize(plane * channels);
  const uint8_t* const from =
      images.pixels.data() + static_cast<size_t>(index) * picture.pixels.size();
  for (size_t c = 0; c < channels; ++c) {
    for (size_t at = 0; at < plane; ++at) picture.pixels[at * channels + c] = from[c * plane + at];
  }
  return picture;
}

bool is_changed(const DataSettings& settings, const ImageSet& images) {
  const bool channels = settings.channels > 0 && settings.channels != images.channels;
  return channels || !settings.geometry.describe().empty();
}

/// Images in memory as the settings want them, from the cache.
void change(const DataSettings& settings, const LoadOptions& options, ImageSet& images,
            PixelSums& sums) {
  const ImageSet before = std::move(images);
  images = {.name = before.name,
            .split = before.split,
            .labels = before.labels,
            .class_names = before.class_names};
  const int64_t channels = settings.channels > 0 ? settings.channels : before.channels;
  const auto name = [&](int64_t i) {
    return settings.path.string() + ": image " + std::to_string(i);
  };
  const PictureStack stack{
      .title = settings.name,
      .key = sha256_hex(detail::concat(content_hash(before), ' ', before.channels, ' ',
                                       before.height, ' ', before.width, ' ', channels, ' ',
                                       settings.geometry.describe())),
      .channels = channels,
      .picture =
          [&](int64_t i) {
            return apply(settings.geometry, name(i), with_channels(raster_of(before, i), channels));
          },
      .name = name};
  fill_from_cache(stack, options, images, sums);
}

void read_split(const DataSettings& settings, const Source& source, Split split,
                const LoadOptions& options, ImageSet& images, PixelSums& sums) {
  check_has(settings, source, split);
  source.read(split, options, images, sums);
  if (settings.format == "image-folder" || !is_changed(settings, images)) return;
  change(settings, options, images, sums);
}

/// The constants of the data.toml, else those of the training images, else of these.
void fill_constants(const DataSettings& settings, const Source& source, const LoadOptions& options,
                    PixelSums sums, ImageSet& images) {
  const auto wanted = static_cast<size_t>(images.channels);
  if (!settings.mean.empty()) {
    FLATENN_CHECK(settings.mean.size() == wanted, settings.place(), ": mean and std have ",
                  settings.mean.size(), " values; the images have ", wanted, " channels");
    images.mean = settings.mean;
    images.std = settings.std;
    return;
  }
  if (!options.constants) return;
  if (images.split == Split::kTest && source.is_split() && source.has(Split::kTrain)) {
    log::info(settings.name, ": mean and std are measured on the training images (a data.toml can ",
              "state them)");
    ImageSet train{.split = Split::kTrain};
    sums = {};
    read_split(settings, source, Split::kTrain, options, train, sums);
    if (sums.pixels == 0) sums = sums_of(train);
    FLATENN_CHECK(train.channels == images.channels, settings.place(), ": training images have ",
                  train.channels, " channels, test images ", images.channels,
                  "; a data.toml can state channels");
  } else if (sums.pixels == 0) {
    sums = sums_of(images);
  }
  set_constants(sums, images);
}

void set_class_names(const DataSettings& settings, ImageSet& images) {
  if (!settings.class_names.empty()) {
    FLATENN_CHECK(settings.class_names.size() == images.class_names.size(), settings.place(),
                  ": class_names has ", settings.class_names.size(), " names, the data ",
                  images.class_names.size(), " classes");
    images.class_names = settings.class_names;
  }
  FLATENN_CHECK(images.class_names.size() >= 2, settings.place(), ": holds one class alone (",
                images.class_names.empty() ? "" : images.class_names.front(),
                "); a network tells at least two apart");
}

}  // namespace

std::vector<std::string> class_names_for(const DataSettings& settings, int64_t classes) {
  if (!settings.class_names.empty()) return settings.class_names;
  std::vector<std::string> names;
  for (int64_t label = 0; label < classes; ++label) names.push_back(std::to_string(label));
  return names;
}

std::unique_ptr<Source> make_source(const DataSettings& settings) {
  if (settings.format == "npz") return make_npz_source(settings);
  if (settings.format == "idx") return make_idx_source(settings);
  if (settings.format.starts_with("cifar")) return make_cifar_source(settings);
  return make_folder_source(settings);
}

bool is_own_data(const std::string& name) {
  if (is_known_data(name) || name.empty()) return false;
  std::error_code none;
  return name.find('/') != std::string::npos || name.ends_with(".npz") || name.ends_with(".toml") ||
         std::filesystem::exists(name, none);
}

std::string settled_data_name(const std::string& name) {
  if (!is_own_data(name)) return find_data_set(name).name;
  return std::filesystem::absolute(name).lexically_normal().string();
}

OwnData find_own_data(const std::string& path) {
  const DataSettings settings = read_data_settings(path);
  const auto source = make_source(settings);
  return {.name = settings.name,
          .format = settings.format,
          .path = settings.path.string(),
          .settings = settings.file.string(),
          .geometry = settings.geometry.describe(),
          .train = source->place(Split::kTrain),
          .test = source->place(Split::kTest),
          .constants_given = !settings.mean.empty()};
}

ImageSet load_own_data(const std::string& path, Split split, const LoadOptions& options) {
  const DataSettings settings = read_data_settings(path);
  const auto source = make_source(settings);
  ImageSet images{.name = settings.name, .split = split};
  PixelSums sums;
  read_split(settings, *source, split, options, images, sums);
  set_class_names(settings, images);
  fill_constants(settings, *source, options, std::move(sums), images);
  if (images.content_hash.empty()) images.content_hash = content_hash(images);
  return images;
}

}  // namespace flatenn::data
