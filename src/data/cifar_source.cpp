#include <algorithm>
#include <sstream>

#include "data/cifar.h"
#include "data/compressed_file.h"
#include "data/source.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/data/catalogue.h"

namespace flatenn::data {
namespace {

namespace fs = std::filesystem;

class CifarSource : public Source {
 public:
  explicit CifarSource(const DataSettings& settings)
      : settings_(settings), layout_(settings.format == "cifar100" ? kCifar100 : kCifar10) {
    std::error_code none;
    FLATENN_CHECK(fs::is_directory(settings.path, none), settings.path.string(),
                  ": is not a folder; ", layout_.title, " is read from the folder of its files");
    FLATENN_CHECK(has(Split::kTrain) || has(Split::kTest), settings.path.string(),
                  ": holds no binary files of ", layout_.title);
  }

  std::string place(Split split) const override {
    if (files(split).empty()) return "";
    return split == Split::kTrain ? (is_100() ? "train.bin" : "data_batch_*.bin")
                                  : (is_100() ? "test.bin" : "test_batch.bin");
  }

  void read(Split split, const LoadOptions&, ImageSet& images, PixelSums&) const override {
    read_cifar(layout_, files(split), images);
    images.class_names = settings_.class_names.empty() ? names() : settings_.class_names;
    FLATENN_CHECK(std::ssize(images.class_names) == layout_.classes, settings_.place(), ": ",
                  layout_.title, " has ", layout_.classes, " classes, class_names ",
                  images.class_names.size());
  }

 private:
  bool is_100() const { return layout_.classes == kCifar100.classes; }

  std::vector<fs::path> files(Split split) const {
    std::vector<fs::path> paths;
    const auto take = [&](const std::string& name) {
      const auto path = find_packed(settings_.path, name);
      if (path) paths.push_back(*path);
      return path.has_value();
    };
    if (is_100()) {
      take(split == Split::kTrain ? "train.bin" : "test.bin");
    } else if (split == Split::kTest) {
      take("test_batch.bin");
    } else {
      for (int batch = 1; take("data_batch_" + std::to_string(batch) + ".bin");) ++batch;
    }
    return paths;
  }

  /// Those of the file that comes with the images, else the official ones, else numbers.
  std::vector<std::string> names() const {
    const fs::path file = settings_.path / (is_100() ? "fine_label_names.txt" : "batches.meta.txt");
    std::error_code none;
    std::vector<std::string> names;
    if (fs::is_regular_file(file, none)) {
      std::istringstream lines(read_file(file));
      for (std::string line; std::getline(lines, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (!line.empty()) names.push_back(line);
      }
      FLATENN_CHECK(std::ssize(names) == layout_.classes, file.string(), ": names ", names.size(),
                    " classes; ", layout_.title, " has ", layout_.classes);
      return names;
    }
    return is_100() ? class_names_for(settings_, layout_.classes)
                    : find_data_set("cifar10").class_names;
  }

  const DataSettings& settings_;
  const CifarLayout& layout_;
};

}  // namespace

std::unique_ptr<Source> make_cifar_source(const DataSettings& settings) {
  return std::make_unique<CifarSource>(settings);
}

}  // namespace flatenn::data
