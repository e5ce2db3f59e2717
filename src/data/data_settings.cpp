#include "data/data_settings.h"

#include <algorithm>

#include "data/idx_files.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

namespace fs = std::filesystem;

constexpr IntRange kSide{.min = 1, .max = 65536};

bool is_file(const fs::path& path) {
  std::error_code none;
  return fs::is_regular_file(path, none);
}

bool is_folder(const fs::path& path) {
  std::error_code none;
  return fs::is_directory(path, none);
}

bool has_packed(const fs::path& folder, const std::string& name) {
  return is_file(folder / name) || is_file(folder / (name + ".gz")) ||
         is_file(folder / (name + ".xz"));
}

std::string format_of_folder(const fs::path& folder) {
  if (has_packed(folder, "data_batch_1.bin") || has_packed(folder, "test_batch.bin")) {
    return "cifar10";
  }
  if (has_packed(folder, "train.bin") || has_packed(folder, "test.bin")) return "cifar100";
  if (!find_idx_images(folder).empty()) return "idx";
  return "image-folder";
}

std::string format_of(const fs::path& path) {
  if (is_folder(path)) return format_of_folder(path);
  std::error_code none;
  FLATENN_CHECK(fs::exists(path, none), path.string(), ": no such file or folder");
  FLATENN_CHECK(is_file(path), path.string(), ": is neither a file nor a folder");
  if (path.extension() == ".npz") return "npz";
  if (is_idx_images(path.filename().string())) return "idx";
  throw Error(path.string() +
              ": is no data that is read; expected a folder of class folders or of "
              "IDX or CIFAR files, an .npz file, or a data.toml");
}

std::string name_of(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  const fs::path last = whole.has_filename() ? whole.filename() : whole.parent_path().filename();
  return (is_folder(path) ? last : last.stem()).string();
}

/// A relative path stays in the folder of its data.toml.
fs::path data_path(Config& config, const fs::path& file) {
  const fs::path wanted = config.get_string("path", ".");
  if (wanted.is_absolute()) return wanted;
  const fs::path normal = wanted.lexically_normal();
  if (wanted.empty() || *normal.begin() == "..") {
    config.fail("path", "must lie in the folder of this file, or be given from the root on");
  }
  const fs::path folder = file.parent_path();
  return (folder / normal).lexically_normal();
}

/// One side, or height and width; nothing where the key is not there.
std::vector<int64_t> sides(Config& config, const std::string& key) {
  std::vector<int64_t> values = config.get_ints(key, {}, kSide);
  if (config.has(key) && values.size() != 1 && values.size() != 2) {
    config.fail(key, "must be one side, or height and width");
  }
  return values;
}

Geometry read_geometry(Config& config) {
  Geometry geometry;
  const auto resize = sides(config, "resize");
  const auto crop = sides(config, "crop");
  if (resize.size() == 1) geometry.shorter_side = resize[0];
  if (resize.size() == 2) geometry.resize = Extent{.height = resize[0], .width = resize[1]};
  if (!crop.empty()) geometry.crop = Extent{.height = crop.front(), .width = crop.back()};
  const bool cubic =
      config.get_choice("interpolation", "bilinear", {"bilinear", "bicubic"}) == "bicubic";
  geometry.interpolation = cubic ? Interpolation::kBicubic : Interpolation::kBilinear;
  return geometry;
}

std::vector<float> read_floats(Config& config, const std::string& key, double least) {
  const auto values = config.get_doubles(key, {}, DoubleRange{.min = least, .max = 255});
  return {values.begin(), values.end()};
}

void read_constants(Config& config, DataSettings& settings) {
  settings.mean = read_floats(config, "mean", -255);
  settings.std = read_floats(config, "std", 1e-6);
  if (settings.mean.size() != settings.std.size()) {
    config.fail(config.has("std") ? "std" : "mean",
                "mean and std must be given together, with as many values");
  }
}

std::string read_split(Config& config, const std::string& key) {
  const std::string name = config.get_string(key, "");
  const fs::path path = fs::path(name).lexically_normal();
  if (config.has(key) && (name.empty() || path.is_absolute() || *path.begin() == "..")) {
    config.fail(key, "must be a folder in the data, or the name in its files");
  }
  return name;
}

DataSettings read_settings(const fs::path& file) {
  Config config = Config::from_file(file);
  DataSettings settings{.file = file, .path = data_path(config, file)};
  settings.name = config.get_string("name", name_of(settings.path));
  if (settings.name.empty()) config.fail("name", "must not be empty");
  const std::string format = config.get_choice("format", "", [] {
    std::vector<std::string> choices = formats();
    choices.emplace_back();
    return choices;
  }());
  settings.format = format.empty() ? format_of(settings.path) : format;
  settings.channels = config.get_int("channels", 0, {.min = 0, .max = 4});
  settings.geometry = read_geometry(config);
  read_constants(config, settings);
  settings.class_names = config.get_strings("class_names", {});
  settings.layout = config.get_choice("layout", "", {"", "nhwc", "nchw"});
  settings.train = read_split(config, "splits.train");
  settings.test = read_split(config, "splits.test");
  config.check_all_read();
  return settings;
}

}  // namespace

const std::vector<std::string>& formats() {
  static const std::vector<std::string> names{"image-folder", "npz", "idx", "cifar10", "cifar100"};
  return names;
}

DataSettings read_data_settings(const fs::path& given) {
  if (given.extension() == ".toml") {
    std::error_code none;
    FLATENN_CHECK(is_file(given) || !fs::exists(given, none), given.string(), ": is not a file");
    return read_settings(given);
  }
  if (is_file(given / "data.toml")) return read_settings(given / "data.toml");
  return {.path = given, .name = name_of(given), .format = format_of(given)};
}

}  // namespace flatenn::data
