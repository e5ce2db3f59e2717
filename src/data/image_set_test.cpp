#include "flatenn/data/image_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "data/test_files.h"
#include "flatenn/base/error.h"
#include "flatenn/data/catalogue.h"

namespace flatenn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::error_of;
using ::testing::HasSubstr;
using testing::write_file;

std::string load_error(const std::string& name, const std::filesystem::path& root,
                       Split split = Split::kTest) {
  return error_of([&] { load_image_set(name, split, root); });
}

TEST(LoadImageSet, ReadsIdxRawAndGzAlike) {
  const TemporaryFolder raw, gz;
  testing::write_idx_set(raw / "mnist", 12);
  write_file(gz / "mnist" / "t10k-images-idx3-ubyte.gz",
             testing::pack(testing::idx_images(12), testing::Packing::kGzip));
  write_file(
      gz / "mnist" / "t10k-labels-idx1-ubyte.gz",
      testing::pack(testing::idx_labels(testing::cycling_labels(12)), testing::Packing::kGzip));
  const ImageSet images = load_image_set("mnist", Split::kTest, raw.path());
  EXPECT_EQ(images.count, 12);
  EXPECT_EQ(images.channels, 1);
  EXPECT_THAT(images.labels, ElementsAreArray(testing::cycling_labels(12)));
  EXPECT_EQ(images.pixels.at(2 * 784 + 5), 2 * 31 + 5);
  EXPECT_EQ(load_image_set("mnist", Split::kTest, gz.path()).content_hash, images.content_hash);
}

/// As `cat a.gz b.gz` makes them; the last member's trailer tells a part of the size only.
TEST(LoadImageSet, ReadsGzipFilesOfSeveralMembersAndWithPadding) {
  const TemporaryFolder raw, gz;
  testing::write_idx_set(raw / "mnist", 500);
  const std::string images = testing::idx_images(500);
  const auto pack = [](const std::string& text) {
    return testing::pack(text, testing::Packing::kGzip);
  };
  write_file(gz / "mnist" / "t10k-images-idx3-ubyte.gz", pack(images.substr(0, 300'000)) +
                                                             pack(images.substr(300'000, 7)) +
                                                             pack(images.substr(300'007)));
  write_file(gz / "mnist" / "t10k-labels-idx1-ubyte.gz",
             pack(testing::idx_labels(testing::cycling_labels(500))) + std::string(512, '\0'));
  EXPECT_EQ(load_image_set("mnist", Split::kTest, gz.path()).content_hash,
            load_image_set("mnist", Split::kTest, raw.path()).content_hash);
}

TEST(LoadImageSet, ReadsCifarBatchesInOrderRawAndXzAlike) {
  const TemporaryFolder raw, xz;
  testing::write_cifar_set(raw / "cifar-10-batches-bin", 3);
  const auto last = raw / "cifar-10-batches-bin" / "data_batch_5.bin";
  write_file(last, testing::cifar_records({9, 8}));
  for (const auto& file : std::filesystem::directory_iterator(raw / "cifar-10-batches-bin")) {
    std::string content(file.file_size(), '\0');
    std::ifstream(file.path(), std::ios::binary)
        .read(content.data(), static_cast<std::streamsize>(content.size()));
    write_file(xz / "cifar-10-batches-bin" / (file.path().filename().string() + ".xz"),
               testing::pack(content, testing::Packing::kXz));
  }
  const ImageSet images = load_image_set("cifar10", Split::kTrain, raw.path());
  EXPECT_EQ(images.count, 14);
  EXPECT_THAT(images.labels, ElementsAre(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 9, 8));
  EXPECT_EQ(images.pixels.at(13 * 3072 + 100), 31 + 100);
  EXPECT_EQ(load_image_set("cifar10", Split::kTrain, xz.path()).content_hash, images.content_hash);
}

TEST(LoadImageSet, FindsAFolderByNameAtTheRootItself) {
  const TemporaryFolder root;
  testing::write_idx_set(root / "fmnist-2k", 10);
  EXPECT_EQ(load_image_set("fashion-mnist", Split::kTrain, root / "fmnist-2k").count, 10);
  EXPECT_EQ(load_image_set("fashion-mnist", Split::kTrain, root.path()).count, 10);
  EXPECT_THAT(load_error("mnist", root / "fmnist-2k"), HasSubstr("not here"));
}

TEST(LoadImageSet, SaysHowToGetWhatIsMissing) {
  const TemporaryFolder root;
  EXPECT_THAT(load_error("cifar10", root.path()),
              AllOf(HasSubstr("cifar-10-batches-bin"), HasSubstr("flatenn data get cifar10")));
  EXPECT_THAT(load_error("cifar", root.path()), HasSubstr("did you mean cifar10?"));
  testing::write_cifar_set(root / "cifar-10-batches-bin", 2);
  std::filesystem::remove(root / "cifar-10-batches-bin" / "data_batch_3.bin");
  EXPECT_THAT(load_error("cifar10", root.path(), Split::kTrain),
              HasSubstr("data_batch_3.bin: missing"));
}

/// A complete MNIST test split in which one file is replaced.
class BadIdx : public ::testing::Test {
 protected:
  std::string error_with(const std::string& file, const std::string& content) {
    testing::write_idx_set(root_ / "mnist", 4);
    std::filesystem::remove(root_ / "mnist" / file.substr(0, file.find(".gz")));
    write_file(root_ / "mnist" / file, content);
    const std::string error = load_error("mnist", root_.path());
    EXPECT_THAT(error, HasSubstr((root_ / "mnist" / file).string()));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    return error;
  }
  static std::string cut(std::string content, size_t bytes) {
    content.resize(content.size() - bytes);
    return content;
  }

  TemporaryFolder root_;
  const std::string images_ = "t10k-images-idx3-ubyte";
  const std::string labels_ = "t10k-labels-idx1-ubyte";
};

TEST_F(BadIdx, EmptyFile) { EXPECT_THAT(error_with(images_, ""), HasSubstr("is empty")); }

TEST_F(BadIdx, NoImages) {
  EXPECT_THAT(error_with(images_, testing::idx_images(0)), HasSubstr("holds no images"));
}

TEST_F(BadIdx, TruncatedHeaderOrData) {
  EXPECT_THAT(error_with(images_, std::string("\0\0\x8\x3", 4)), HasSubstr("truncated"));
  EXPECT_THAT(error_with(images_, cut(testing::idx_images(4), 1)),
              HasSubstr("truncated: 4 images take 3152 bytes, the file has 3151"));
}

TEST_F(BadIdx, TrailingBytes) {
  EXPECT_THAT(error_with(images_, testing::idx_images(4) + "xy"), HasSubstr("2 bytes too many"));
}

TEST_F(BadIdx, LabelsWhereImagesShouldBe) {
  EXPECT_THAT(error_with(images_, testing::idx_labels(testing::cycling_labels(40))),
              HasSubstr("not an IDX file of images: expected magic 0x00000803, got 0x00000801"));
}

TEST_F(BadIdx, OtherImageSize) {
  EXPECT_THAT(error_with(images_, testing::idx_images(4, 32, 30)),
              HasSubstr("have 28x28 pixels, these have 32x30"));
}

TEST_F(BadIdx, CountsThatDiffer) {
  EXPECT_THAT(error_with(labels_, testing::idx_labels({1, 2, 3})), HasSubstr("3 labels, but"));
}

TEST_F(BadIdx, LabelOutOfRange) {
  EXPECT_THAT(error_with(labels_, testing::idx_labels({1, 2, 10, 3})),
              HasSubstr("label of image 2 must be in [0, 9], got 10"));
}

TEST_F(BadIdx, NotGzip) {
  EXPECT_THAT(error_with(images_ + ".gz", testing::idx_images(4)), HasSubstr("not a gzip file"));
}

TEST_F(BadIdx, TruncatedGzip) {
  const std::string packed = testing::pack(testing::idx_images(4), testing::Packing::kGzip);
  EXPECT_THAT(error_with(images_ + ".gz", cut(packed, packed.size() / 2)), HasSubstr("damaged"));
  EXPECT_THAT(error_with(images_ + ".gz", cut(packed, 3)), HasSubstr("damaged"));
}

TEST_F(BadIdx, CorruptGzip) {
  std::string packed = testing::pack(testing::idx_images(4), testing::Packing::kGzip);
  packed[packed.size() - 6] ^= 1;  // in the checksum of the content
  EXPECT_THAT(error_with(images_ + ".gz", packed), HasSubstr("checksum"));
  packed[packed.size() - 6] ^= 1;
  packed[packed.size() - 2] ^= 1;  // in its size
  EXPECT_THAT(error_with(images_ + ".gz", packed), HasSubstr("checksum"));
  packed[packed.size() - 2] ^= 1;
  packed[packed.size() / 2] ^= 1;
  EXPECT_THAT(error_with(images_ + ".gz", packed), HasSubstr("damaged"));
}

TEST(LoadImageSet, RefusesBadCifarBatches) {
  const TemporaryFolder root;
  const auto file = root / "cifar-10-batches-bin" / "test_batch.bin";
  write_file(file, testing::cifar_records({1, 2}) + "x");
  EXPECT_THAT(load_error("cifar10", root.path()),
              AllOf(HasSubstr(file.string()), HasSubstr("6147 bytes are not whole records")));
  write_file(file, testing::cifar_records({1, 77}));
  EXPECT_THAT(load_error("cifar10", root.path()),
              AllOf(HasSubstr(file.string()), HasSubstr("label of image 1"), HasSubstr("got 77")));
  std::filesystem::remove(file);
  std::string packed = testing::pack(testing::cifar_records({1, 2}), testing::Packing::kXz);
  packed[packed.size() / 2] ^= 1;
  write_file(file.string() + ".xz", packed);
  EXPECT_THAT(load_error("cifar10", root.path()), HasSubstr("test_batch.bin.xz: damaged"));
}

TEST(TakeFirst, KeepsTheFirstImagesAndAllWhereAskedForNone) {
  const TemporaryFolder root;
  testing::write_idx_set(root / "mnist", 12);
  const ImageSet all = load_image_set("mnist", Split::kTest, root.path());
  const ImageSet few = take_first(all, 3);
  EXPECT_THAT(few.labels, ElementsAre(0, 1, 2));
  EXPECT_THAT(few.pixels, ElementsAreArray(all.pixels.begin(), all.pixels.begin() + 3 * 784));
  EXPECT_NE(few.content_hash, all.content_hash);
  EXPECT_EQ(take_first(all, 0).content_hash, all.content_hash);
  EXPECT_EQ(take_first(all, 99).count, 12);
  EXPECT_THROW(take_first(all, -1), Error);
}

TEST(ImageSet, MaxNormalizedBoundsEveryPixel) {
  for (const DataSet& set : catalogue()) {
    const ImageSet images{.channels = set.channels, .mean = set.mean, .std = set.std};
    float largest = 0;
    for (int64_t c = 0; c < set.channels; ++c) {
      for (int pixel = 0; pixel < 256; ++pixel) {
        const float value = std::abs(images.normalized(c, static_cast<uint8_t>(pixel)));
        largest = std::max(largest, value);
      }
    }
    EXPECT_EQ(images.max_normalized(), largest) << set.name;
  }
}

TEST(ResolveDataRoot, PrefersTheArgumentThenTheVariableThenTheCache) {
  const char* before = std::getenv("FLATENN_DATA");
  const std::string saved = before ? before : "";
  ::setenv("FLATENN_DATA", "/from/variable", 1);
  EXPECT_EQ(resolve_data_root("/wanted"), "/wanted");
  EXPECT_EQ(resolve_data_root(""), "/from/variable");
  ::unsetenv("FLATENN_DATA");
  EXPECT_EQ(resolve_data_root(""), std::string(std::getenv("HOME")) + "/.cache/flatenn/data");
  if (before) ::setenv("FLATENN_DATA", saved.c_str(), 1);
}

}  // namespace
}  // namespace flatenn::data
