#include <algorithm>
#include <optional>

#include "data/labels.h"
#include "data/npy.h"
#include "data/raster.h"
#include "data/source.h"
#include "data/zip_file.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

/// Members with the images and the labels of a split.
struct Pair {
  std::string images, labels;
};

/// The names that are used for a split called `tag`; "" for data without splits.
std::vector<Pair> usual_names(const std::string& tag) {
  if (tag.empty()) return {{"x", "y"}, {"X", "y"}, {"X", "Y"}, {"images", "labels"}};
  return {{"x_" + tag, "y_" + tag},
          {"X_" + tag, "y_" + tag},
          {"X_" + tag, "Y_" + tag},
          {tag + "_images", tag + "_labels"}};
}

/// An archive's size can claim a thousand times what it packs.
void check_packing(const std::string& name, const ZipMember& member) {
  constexpr uint64_t kHarmless = uint64_t{1} << 26;
  constexpr uint64_t kMostRatio = 200;
  FLATENN_CHECK(member.bytes <= kHarmless || member.bytes / kMostRatio <= member.packed_bytes, name,
                ": unpacks to ", member.bytes, " bytes, more than ", kMostRatio,
                " times its size, which no images do");
}

struct Axes {
  int64_t channels = 0, height = 0, width = 0;
  bool channels_last = false;
};

bool is_channels(int64_t extent) { return extent >= 1 && extent <= 4; }

class NpzSource : public Source {
 public:
  explicit NpzSource(const DataSettings& settings) : settings_(settings), zip_(settings.path) {
    train_ = find(settings.train.empty() ? std::vector<std::string>{"train"}
                                         : std::vector{settings.train});
    test_ = find(settings.test.empty() ? std::vector<std::string>{"test", "val"}
                                       : std::vector{settings.test});
    if (!train_ && !test_) train_ = test_ = find({""});
    FLATENN_CHECK(
        train_ || test_, settings.path.string(),
        ": expected images and labels, x and y, or x_train, y_train, x_test and y_test, got ",
        member_names());
  }

  std::string place(Split split) const override { return pair(split) ? pair(split)->images : ""; }

  void read(Split split, const LoadOptions&, ImageSet& images, PixelSums&) const override {
    const Pair& names = *pair(split);
    images.labels = read_labels(names.labels);
    read_images(names.images, images);
    FLATENN_CHECK(std::ssize(images.labels) == images.count, settings_.path.string(), ": ",
                  names.images, " has ", images.count, " images, ", names.labels, " has ",
                  images.labels.size(), " labels");
    images.class_names = class_names_for(settings_, classes(images.labels, split));
    check_labels(member_name(names.labels), images.labels, std::ssize(images.class_names));
  }

 private:
  const std::optional<Pair>& pair(Split split) const {
    return split == Split::kTrain ? train_ : test_;
  }
  const ZipMember* member(const std::string& array) const { return zip_.find(array + ".npy"); }
  std::string member_name(const std::string& array) const {
    return settings_.path.string() + ": " + array;
  }

  std::string member_names() const {
    constexpr size_t kMost = 8;
    std::string text;
    for (size_t i = 0; i < zip_.members().size() && i < kMost; ++i) {
      text += (i ? ", " : "") + zip_.members()[i].name;
    }
    return text.empty() ? "nothing" : text;
  }

  std::optional<Pair> find(const std::vector<std::string>& tags) const {
    for (const std::string& tag : tags) {
      for (const Pair& names : usual_names(tag)) {
        const bool images = member(names.images) != nullptr;
        const bool labels = member(names.labels) != nullptr;
        if (images && labels) return names;
      }
    }
    return std::nullopt;
  }

  std::vector<uint16_t> read_labels(const std::string& array) const {
    const std::string name = member_name(array);
    check_packing(name, *member(array));
    ZipReader reader(zip_, *member(array));
    const NpyHeader header = read_npy_header(name, reader);
    const bool column = header.shape.size() == 2 && header.shape[1] == 1;
    FLATENN_CHECK(header.shape.size() == 1 || column, name,
                  ": labels must be one number an image; this is ", header.describe());
    return read_npy_labels(name, header, reader);
  }

  void read_images(const std::string& array, ImageSet& images) const {
    const std::string name = member_name(array);
    check_packing(name, *member(array));
    ZipReader reader(zip_, *member(array));
    const NpyHeader header = read_npy_header(name, reader);
    const bool bytes = header.type[1] == 'u' && header.element_bytes() == 1;
    FLATENN_CHECK(bytes, name, ": images must be uint8, in [0, 255]; this is ", header.describe());
    const Axes axes = axes_of(name, header);
    check_extent(name, axes.width, axes.height);
    images.count = header.shape[0];
    FLATENN_CHECK(images.count > 0 && axes.height > 0 && axes.width > 0, name, ": ",
                  header.describe(), " holds no images");
    images.channels = axes.channels;
    images.height = axes.height;
    images.width = axes.width;
    std::vector<uint8_t> pixels = read_npy_bytes(header, reader);
    if (axes.channels_last && axes.channels > 1) to_planes(axes, pixels);
    images.pixels = std::move(pixels);
  }

  /// [N, H, W], or four axes of which the last (sooner) or the second has 1 to 4 values.
  Axes axes_of(const std::string& name, const NpyHeader& header) const {
    const std::vector<int64_t>& shape = header.shape;
    FLATENN_CHECK(shape.size() == 3 || shape.size() == 4, name,
                  ": images must be [N, H, W], [N, H, W, C] or [N, C, H, W]; this is ",
                  header.describe());
    if (shape.size() == 3) return {1, shape[1], shape[2], true};
    const bool last = settings_.layout.empty() ? is_channels(shape[3]) : settings_.layout == "nhwc";
    const Axes axes =
        last ? Axes{shape[3], shape[1], shape[2], true} : Axes{shape[1], shape[2], shape[3], false};
    FLATENN_CHECK(is_channels(axes.channels), name, ": images must have 1 to 4 channels; this is ",
                  header.describe());
    return axes;
  }

  static void to_planes(const Axes& axes, std::vector<uint8_t>& pixels) {
    const auto plane = static_cast<size_t>(axes.height * axes.width);
    const auto channels = static_cast<size_t>(axes.channels);
    std::vector<uint8_t> image(plane * channels);
    for (size_t first = 0; first < pixels.size(); first += image.size()) {
      for (size_t c = 0; c < channels; ++c) {
        for (size_t at = 0; at < plane; ++at) {
          image[c * plane + at] = pixels[first + at * channels + c];
        }
      }
      std::copy(image.begin(), image.end(), pixels.begin() + static_cast<std::ptrdiff_t>(first));
    }
  }

  /// One more than the highest label of both splits.
  int64_t classes(std::vector<uint16_t> labels, Split split) const {
    if (!settings_.class_names.empty()) return std::ssize(settings_.class_names);
    const auto& other = pair(split == Split::kTrain ? Split::kTest : Split::kTrain);
    if (other && other->labels != pair(split)->labels) {
      const auto more = read_labels(other->labels);
      labels.insert(labels.end(), more.begin(), more.end());
    }
    return int64_t{*std::max_element(labels.begin(), labels.end())} + 1;
  }

  const DataSettings& settings_;
  ZipFile zip_;
  std::optional<Pair> train_, test_;
};

}  // namespace

std::unique_ptr<Source> make_npz_source(const DataSettings& settings) {
  return std::make_unique<NpzSource>(settings);
}

}  // namespace flatenn::data
