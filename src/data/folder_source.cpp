#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "data/class_folders.h"
#include "data/image_file.h"
#include "data/load_monitor.h"
#include "data/picture_cache.h"
#include "data/source.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/parallel.h"

namespace flatenn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array kTrainNames{"train", "training"};
/// In this order: what is called a test is the better one, unless its labels are kept secret.
constexpr std::array kTestNames{"test", "testing", "val", "valid", "validation"};

bool holds_folders(const fs::path& folder) {
  std::error_code none;
  return fs::is_directory(folder, none) && !folder_names(folder).empty();
}

/// The first that is a folder of class folders; "" where none is.
std::string first_of(const fs::path& root, std::span<const char* const> names) {
  for (const char* const name : names) {
    if (holds_folders(root / name)) return name;
  }
  return "";
}

bool is_split_name(const std::string& name) {
  const auto is = [&](const char* known) { return name == known; };
  return std::any_of(kTrainNames.begin(), kTrainNames.end(), is) ||
         std::any_of(kTestNames.begin(), kTestNames.end(), is);
}

/// What is known of a list of pictures once all were read.
struct Contents {
  std::string hash;  ///< Of labels and content, in order.
  bool grey = false;
};

class FolderSource : public Source {
 public:
  explicit FolderSource(const DataSettings& settings) : settings_(settings) {
    std::error_code none;
    FLATENN_CHECK(fs::is_directory(settings.path, none), settings.path.string(),
                  ": is not a folder");
    choose_splits();
    if (is_split() && has(Split::kTrain) && has(Split::kTest)) check_same_classes();
  }

  std::string place(Split split) const override {
    const std::string& name = split == Split::kTrain ? train_ : test_;
    return name.empty() || name == "." ? name : name + "/";
  }

  void read(Split split, const LoadOptions& options, ImageSet& images,
            PixelSums& sums) const override {
    const std::string& name = split == Split::kTrain ? train_ : test_;
    const fs::path folder = name == "." ? settings_.path : settings_.path / name;
    const ClassFolders classes = list_class_folders(folder);
    images.class_names = classes.names;
    for (const ListedImage& image : classes.images) images.labels.push_back(image.label);
    const Contents contents = look_at(folder, classes, options);
    const int64_t channels =
        settings_.channels > 0 ? settings_.channels : int64_t{contents.grey ? 1 : 3};
    Hasher key;
    key.update(contents.hash + " " + std::to_string(channels) + " " +
               settings_.geometry.describe());
    const PictureStack stack{
        .title = settings_.name,
        .key = key.hex_digest(),
        .channels = channels,
        .picture =
            [&](int64_t i) {
              const std::string path = path_of(folder, classes, i);
              return apply(settings_.geometry, path,
                           decode_image(path, read_image_bytes(path), channels));
            },
        .name = [&](int64_t i) { return path_of(folder, classes, i); },
        .check_unchanged =
            [&] {
              FLATENN_CHECK(list_class_folders(folder).images == classes.images, folder.string(),
                            ": was changed while it was read; try again");
            }};
    fill_from_cache(stack, options, images, sums);
  }

 private:
  void choose_splits() {
    train_ = settings_.train;
    test_ = settings_.test;
    const bool given = !train_.empty() || !test_.empty();
    if (train_.empty()) train_ = first_of(settings_.path, kTrainNames);
    if (test_.empty()) test_ = first_of(settings_.path, kTestNames);
    if (given || (!train_.empty() && !test_.empty())) return;
    const std::vector<std::string> names = folder_names(settings_.path);
    const bool only_splits = (!train_.empty() || !test_.empty()) &&
                             std::all_of(names.begin(), names.end(), is_split_name);
    if (!only_splits) train_ = test_ = ".";
  }

  void check_same_classes() const {
    const auto names = folder_names(settings_.path / train_);
    const auto others = folder_names(settings_.path / test_);
    const auto missing = [](const auto& in, const auto& from) {
      const auto found = std::find_if(in.begin(), in.end(), [&](const std::string& name) {
        return !std::binary_search(from.begin(), from.end(), name);
      });
      return found == in.end() ? std::string() : *found;
    };
    const std::string of_train = missing(names, others);
    FLATENN_CHECK(of_train.empty(), (settings_.path / test_).string(), ": has no class folder ",
                  of_train, ", which ", (settings_.path / train_).string(), " has");
    const std::string of_test = missing(others, names);
    FLATENN_CHECK(of_test.empty(), (settings_.path / train_).string(), ": has no class folder ",
                  of_test, ", which ", (settings_.path / test_).string(), " has");
  }

  static std::string path_of(const fs::path& folder, const ClassFolders& classes, int64_t index) {
    return (folder / classes.images[static_cast<size_t>(index)].path).string();
  }

  /// Reads the content of all pictures, unless this was done and none has changed since.
  Contents look_at(const fs::path& folder, const ClassFolders& classes,
                   const LoadOptions& options) const {
    const fs::path record = record_of(folder, classes);
    if (const auto known = read_record(record)) return *known;
    const auto count = std::ssize(classes.images);
    std::vector<std::string> hashes(classes.images.size());
    std::vector<uint8_t> grey(classes.images.size());
    {
      LoadMonitor monitor("read " + settings_.name, count, options);
      parallel_for(count, resolve_threads(0), [&](int64_t i) {
        const auto at = static_cast<size_t>(i);
        const std::string content = read_image_bytes(path_of(folder, classes, i));
        hashes[at] = sha256_hex(content);
        grey[at] = is_grey(content) ? 1 : 0;
        monitor.advance();
      });
    }
    Contents contents{.grey = std::all_of(grey.begin(), grey.end(), [](uint8_t g) { return g; })};
    Hasher hasher;
    for (size_t i = 0; i < hashes.size(); ++i) {
      hasher.update(std::to_string(classes.images[i].label) + " " + hashes[i] + "\n");
    }
    hasher.update(std::to_string(classes.names.size()));
    contents.hash = hasher.hex_digest();
    if (!is_fresh(classes)) write_record(record, contents);
    return contents;
  }

  /// Where the record of this list lies, in this state of its files.
  static fs::path record_of(const fs::path& folder, const ClassFolders& classes) {
    Hasher hasher;
    hasher.update(fs::absolute(folder).lexically_normal().string() + "\n");
    for (const ListedImage& image : classes.images) {
      hasher.update(detail::concat(image.path, '\n', image.label, ' ', image.bytes, ' ',
                                   image.modified_ns, ' ', image.changed_ns, '\n'));
    }
    return cache_folder() / "listings" / hasher.hex_digest();
  }

  /// Files that changed just now could change again within the resolution of their times.
  static bool is_fresh(const ClassFolders& classes) {
    constexpr int64_t kResolution = 2'000'000'000;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    return std::any_of(classes.images.begin(), classes.images.end(), [&](const ListedImage& image) {
      return image.changed_ns > now_ns - kResolution;
    });
  }

  static std::optional<Contents> read_record(const fs::path& path) {
    std::error_code none;
    if (!fs::is_regular_file(path, none)) return std::nullopt;
    const auto json = nlohmann::json::parse(read_file(path), nullptr, false);
    if (!json.is_object() || !json.contains("hash") || !json["hash"].is_string() ||
        !json.contains("grey") || !json["grey"].is_boolean()) {
      return std::nullopt;
    }
    return Contents{.hash = json["hash"], .grey = json["grey"]};
  }

  static void write_record(const fs::path& path, const Contents& contents) {
    std::error_code ignored;
    fs::create_directories(path.parent_path(), ignored);
    write_file_atomically(path,
                          nlohmann::json{{"hash", contents.hash}, {"grey", contents.grey}}.dump());
  }

  const DataSettings& settings_;
  std::string train_, test_;  ///< "": there is none; ".": all that is there.
};

}  // namespace

std::unique_ptr<Source> make_folder_source(const DataSettings& settings) {
  return std::make_unique<FolderSource>(settings);
}

}  // namespace flatenn::data
