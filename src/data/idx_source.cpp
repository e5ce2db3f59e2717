#include <algorithm>

#include "data/idx.h"
#include "data/idx_files.h"
#include "data/labels.h"
#include "data/source.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

namespace fs = std::filesystem;

bool contains(const fs::path& path, const std::string& part) {
  return path.filename().string().find(part) != std::string::npos;
}

class IdxSource : public Source {
 public:
  explicit IdxSource(const DataSettings& settings) : settings_(settings) {
    std::error_code none;
    if (!fs::is_directory(settings.path, none)) {
      train_ = test_ = settings.path;
      return;
    }
    const auto files = find_idx_images(settings.path);
    FLATENN_CHECK(!files.empty(), settings.path.string(),
                  ": holds no IDX file of images (...-images-idx3-ubyte)");
    train_ = only(files, settings.train.empty() ? std::vector<std::string>{"train"}
                                                : std::vector{settings.train});
    test_ = only(files, settings.test.empty() ? std::vector<std::string>{"t10k", "test", "val"}
                                              : std::vector{settings.test});
    if (!train_.empty() || !test_.empty()) return;
    FLATENN_CHECK(files.size() == 1, settings.path.string(), ": ", files.size(),
                  " IDX files of images, of which none is called train, t10k, test or val");
    train_ = test_ = files.front();
  }

  std::string place(Split split) const override { return file(split).filename().string(); }

  void read(Split split, const LoadOptions&, ImageSet& images, PixelSums&) const override {
    const fs::path labels = idx_labels_of(file(split));
    read_idx(file(split), labels, std::nullopt, images);
    images.class_names = class_names_for(settings_, classes(images.labels, split));
    check_labels(labels, images.labels, std::ssize(images.class_names));
  }

 private:
  const fs::path& file(Split split) const { return split == Split::kTrain ? train_ : test_; }

  /// The one file whose name holds the first of the parts that any holds; empty where none does.
  fs::path only(const std::vector<fs::path>& files, const std::vector<std::string>& parts) const {
    for (const std::string& part : parts) {
      std::vector<fs::path> found;
      std::copy_if(files.begin(), files.end(), std::back_inserter(found),
                   [&](const fs::path& path) { return contains(path, part); });
      FLATENN_CHECK(found.size() < 2, settings_.path.string(), ": ", found.size(),
                    " IDX files of images are called ", part, "; name one of them instead");
      if (!found.empty()) return found.front();
    }
    return {};
  }

  /// One more than the highest label of both splits.
  int64_t classes(std::vector<uint16_t> labels, Split split) const {
    if (!settings_.class_names.empty()) return std::ssize(settings_.class_names);
    const fs::path& other = file(split == Split::kTrain ? Split::kTest : Split::kTrain);
    if (!other.empty() && other != file(split)) {
      const auto more = read_idx_labels(idx_labels_of(other));
      labels.insert(labels.end(), more.begin(), more.end());
    }
    return int64_t{*std::max_element(labels.begin(), labels.end())} + 1;
  }

  const DataSettings& settings_;
  fs::path train_, test_;  ///< Files of images.
};

}  // namespace

std::unique_ptr<Source> make_idx_source(const DataSettings& settings) {
  return std::make_unique<IdxSource>(settings);
}

}  // namespace flatenn::data
