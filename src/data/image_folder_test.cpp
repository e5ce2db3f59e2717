#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/image_file.h"
#include "data/test_files.h"
#include "flatenn/base/file.h"
#include "flatenn/data/image_set.h"
#include "flatenn/data/own_data.h"

namespace flatenn::data {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::plain_png;
using ::testing::SizeIs;
using testing::write_file;

const fs::path kGolden = FLATENN_DATA_GOLDEN;

/// Class folders below "set"; the cache lies beside it.
class ImageFolder : public ::testing::Test {
 protected:
  fs::path path(const std::string& name) const { return folder_ / "set" / name; }
  /// A picture of 2x3 pixels of one grey, or red, value.
  void write_grey(const std::string& name, uint8_t value) const {
    write_file(path(name), plain_png(2, 3, value, value, value));
  }
  void write_red(const std::string& name, uint8_t value) const {
    write_file(path(name), plain_png(2, 3, value, 0, 1));
  }
  ImageSet load(Split split = Split::kTest, const LoadOptions& options = {}) const {
    return load_image_set(folder_ / "set", split, "/no/root", options);
  }
  std::string error_of_loading(Split split = Split::kTest) const {
    return error_of([&] { load(split); });
  }
  size_t cached() const {
    size_t files = 0;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache/pictures", none)) {
      files += entry.is_regular_file();
    }
    return files;
  }

  testing::FolderWithCache folder_;
};

TEST_F(ImageFolder, SortsClassesAndPicturesAsTorchvisionDoes) {
  write_red("b/10.png", 1);
  write_red("b/9.png", 2);
  write_red("B/x.PNG", 3);
  write_red("a/deep/er/z.png", 4);
  write_red("a/y.png", 5);
  write_red("a/.hidden.png", 6);
  write_file(path("a/notes.txt"), "no picture");
  const ImageSet images = load();
  EXPECT_EQ(images.name, "set");
  EXPECT_THAT(images.class_names, ElementsAre("B", "a", "b"));
  EXPECT_THAT(images.labels, ElementsAre(0, 1, 1, 2, 2));
  std::vector<uint8_t> first;
  for (size_t i = 0; i < 5; ++i) first.push_back(images.pixels[i * 18]);
  EXPECT_THAT(first, ElementsAre(3, 5, 4, 1, 2));
  EXPECT_EQ(images.height, 2);
  EXPECT_EQ(images.width, 3);
  EXPECT_EQ(images.content_hash, content_hash(images));
}

TEST_F(ImageFolder, HasOneChannelWhereNoPictureHasColoursAndThoseThatADataTomlWants) {
  fs::create_directories(path("a"));
  fs::create_directories(path("b"));
  fs::copy_file(kGolden / "grey.png", path("a/1.png"));
  fs::copy_file(kGolden / "grey_alpha.png", path("b/1.png"));
  EXPECT_EQ(load().channels, 1);
  fs::copy_file(kGolden / "rgba.png", path("b/2.png"));
  EXPECT_EQ(load().channels, 3);
  for (const int64_t channels : {1, 2, 3, 4}) {
    write_file(path("data.toml"), "channels = " + std::to_string(channels));
    EXPECT_EQ(load().channels, channels);
  }
}

TEST_F(ImageFolder, FindsSplitsByTheirUsualNamesOrThoseOfADataToml) {
  for (const std::string split : {"train", "val"}) {
    write_red(split + "/a/1.png", 10);
    write_red(split + "/b/1.png", split == "val" ? 20 : 30);
  }
  EXPECT_EQ(load(Split::kTrain).pixels[18], 30);
  EXPECT_EQ(load().pixels[18], 20);
  EXPECT_EQ(load().mean, load(Split::kTrain).mean);
  fs::create_directories(path("test"));  // as ImageNet's, whose labels are kept secret
  write_red("test/1.png", 1);
  EXPECT_EQ(load().pixels[18], 20);
  write_red("test/a/1.png", 40);
  EXPECT_THAT(error_of_loading(), HasSubstr("test: has no class folder b, which"));
  write_red("test/b/1.png", 50);
  EXPECT_EQ(load().pixels[18], 50);
  write_file(path("data.toml"), "splits.train = 'val'\nsplits.test = 'train'");
  EXPECT_EQ(load().pixels[18], 30);
}

TEST_F(ImageFolder, OfOneSplitAloneHasNoOther) {
  write_red("val/a/1.png", 10);
  write_red("val/b/1.png", 20);
  EXPECT_EQ(load().count, 2);
  EXPECT_THAT(error_of_loading(Split::kTrain), HasSubstr("has no training images; there is val/"));
}

TEST_F(ImageFolder, IsDecodedOnceAndAgainOnlyWhereItsContentChanges) {
  write_grey("a/1.png", 10);
  write_grey("b/1.png", 20);
  const ImageSet before = load();
  EXPECT_TRUE(before.pixels.is_mapped());
  EXPECT_EQ(cached(), 1);
  fs::rename(path(""), folder_ / "moved");
  EXPECT_EQ(load_image_set(folder_ / "moved", Split::kTest, "").content_hash, before.content_hash);
  EXPECT_EQ(cached(), 1);  // the place does not matter
  fs::rename(folder_ / "moved", path(""));
  write_grey("b/1.png", 21);
  EXPECT_NE(load().content_hash, before.content_hash);
  EXPECT_EQ(cached(), 2);
}

TEST_F(ImageFolder, CacheThatIsNotWholeIsMadeAnew) {
  write_grey("a/1.png", 10);
  write_grey("b/1.png", 20);
  const std::string hash = load().content_hash;
  const fs::path file = fs::directory_iterator(folder_ / "cache/pictures")->path();
  const std::string content = read_file(file);
  for (const std::string& damaged :
       {content.substr(0, content.size() - 1), content + "x", content.substr(0, 100),
        std::string(content.size(), '\0'), std::string()}) {
    fs::remove(file);
    write_file(file, damaged);
    EXPECT_EQ(load().content_hash, hash) << damaged.size();
    EXPECT_EQ(read_file(file), content);
  }
}

TEST_F(ImageFolder, StopsWhereAskedToAndLeavesNothing) {
  for (int i = 0; i < 20; ++i) write_grey("a/" + std::to_string(i) + ".png", 10);
  write_grey("b/1.png", 20);
  for (const int after : {0, 5, 21, 30}) {
    int asked = 0;
    EXPECT_THROW(load(Split::kTest, {.stop_requested = [&] { return asked++ >= after; }}),
                 Interrupted);
    EXPECT_EQ(cached(), 0) << after;
  }
  EXPECT_EQ(load().count, 21);
}

TEST_F(ImageFolder, ThatChangesWhileItIsReadIsNotCached) {
  write_grey("a/1.png", 10);
  write_grey("b/1.png", 20);
  int asked = 0;
  const auto change = [&] {
    if (++asked == 3) write_grey("b/2.png", 30);  // both were looked at, one is decoded
    return false;
  };
  EXPECT_THAT(error_of([&] { load(Split::kTest, {.stop_requested = change}); }),
              HasSubstr("set: was changed while it was read"));
  EXPECT_EQ(cached(), 0);
  EXPECT_EQ(load().count, 3);
}

TEST_F(ImageFolder, PicturesOfOtherSizesNeedADataToml) {
  write_grey("a/1.png", 10);
  write_file(path("b/1.png"), plain_png(4, 4, 7, 8, 9));
  EXPECT_THAT(error_of_loading(), AllOf(HasSubstr("b/1.png: is 4x4, but"), HasSubstr("is 2x3"),
                                        HasSubstr("state resize and crop in a data.toml")));
  write_file(path("data.toml"), "resize = 4\ncrop = 3");
  const ImageSet images = load();
  EXPECT_EQ(images.height, 3);
  EXPECT_EQ(images.width, 3);
}

TEST_F(ImageFolder, NamesThePictureThatIsNone) {
  write_grey("a/1.png", 10);
  write_file(path("b/broken.jpg"), read_file(kGolden / "plain.jpg").substr(0, 500));
  EXPECT_THAT(error_of_loading(), HasSubstr("b/broken.jpg: damaged or cut short JPEG picture"));
  write_file(path("b/broken.jpg"), "hello");
  EXPECT_THAT(error_of_loading(), HasSubstr("b/broken.jpg: neither a PNG nor a JPEG picture"));
  write_file(path("b/broken.jpg"), testing::png_of_claimed_size(1'000'000, 1'000'000));
  EXPECT_THAT(error_of_loading(), HasSubstr("b/broken.jpg: claims 1000000x1000000 pixels"));
  fs::remove(path("b/broken.jpg"));
  ::mkfifo(path("b/pipe.png").c_str(), 0600);
  EXPECT_THAT(error_of_loading(), HasSubstr("b/pipe.png: is not a file"));
  fs::remove(path("b/pipe.png"));
  fs::create_symlink("/dev/zero", path("b/zero.png"));
  EXPECT_THAT(error_of_loading(), HasSubstr("b/zero.png: is not a file"));
  fs::remove(path("b/zero.png"));
  fs::create_symlink(path("none"), path("b/gone.png"));
  EXPECT_THAT(error_of_loading(), HasSubstr("b/gone.png: cannot be read: No such file"));
  fs::remove(path("b/gone.png"));
  fs::create_directory_symlink("..", path("b/up"));
  EXPECT_THAT(error_of_loading(), HasSubstr("leads back to a folder above it"));
  fs::remove(path("b/up"));
  write_file(path("b/old.bmp"), "BM");
  EXPECT_THAT(error_of_loading(), HasSubstr("b/old.bmp: pictures of this kind are not read"));
}

TEST_F(ImageFolder, NamesTheClassFolderThatIsEmptyOrAlone) {
  fs::create_directories(path(""));
  EXPECT_THAT(error_of_loading(), HasSubstr("set: no class folders"));
  write_grey("a/1.png", 10);
  EXPECT_THAT(error_of_loading(), HasSubstr("set: holds one class alone (a)"));
  fs::create_directories(path("b"));
  EXPECT_THAT(error_of_loading(), HasSubstr("set/b: this class folder holds no PNG or JPEG"));
}

TEST_F(ImageFolder, MeasuresMeanAndDeviationOverAllPixels) {
  write_file(path("a/1.png"), plain_png(2, 3, 0, 51, 255));
  write_file(path("b/1.png"), plain_png(2, 3, 255, 102, 255));
  const ImageSet images = load();
  EXPECT_THAT(images.mean, ElementsAre(0.5F, 0.3F, 1.0F));
  EXPECT_THAT(images.std, ElementsAre(0.5F, 0.1F, 1.0F));  // the last one never varies
  EXPECT_THAT(load(Split::kTest, {.constants = false}).mean, SizeIs(0));
}

TEST_F(ImageFolder, SaysWhereTheCacheCannotBe) {
  write_grey("a/1.png", 10);
  write_grey("b/1.png", 20);
  ::setenv("FLATENN_CACHE", "/dev/null/cache", 1);
  EXPECT_THAT(error_of_loading(), AllOf(HasSubstr("/dev/null/cache: cannot be made"),
                                        HasSubstr("FLATENN_CACHE names another")));
}

}  // namespace
}  // namespace flatenn::data
