#include "flatenn/data/own_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "data/test_files.h"
#include "flatenn/data/image_set.h"

namespace flatenn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::npy;
using ::testing::SizeIs;
using testing::write_file;
using testing::zip_archive;

/// Own data in files of arrays; the cache is in the folder too.
class OwnArrays : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  ImageSet load(const std::string& name, Split split = Split::kTest) const {
    return load_image_set(path(name), split, "/no/root");
  }
  std::string error_of_loading(const std::string& name, Split split = Split::kTest) const {
    return error_of([&] { load(name, split); });
  }
  void write_npz(const std::vector<std::pair<std::string, std::string>>& arrays,
                 bool deflate = false) const {
    write_file(path("it.npz"), zip_archive(arrays, deflate));
  }

  testing::FolderWithCache folder_;
};

TEST_F(OwnArrays, NpzWithoutSplitsIsTheSameForBoth) {
  write_npz({{"x.npy", npy("|u1", "(2, 1, 2)", "abcd")},
             {"y.npy", npy("<i8", "(2,)",
                           std::string("\1\0\0\0\0\0\0\0"
                                       "\0\0\0\0\0\0\0\0",
                                       16))}});
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const ImageSet images = load("it.npz", split);
    EXPECT_EQ(images.name, "it");
    EXPECT_EQ(images.channels, 1);
    EXPECT_EQ(images.height, 1);
    EXPECT_EQ(images.width, 2);
    EXPECT_THAT(images.pixels, ElementsAre('a', 'b', 'c', 'd'));
    EXPECT_THAT(images.labels, ElementsAre(1, 0));
    EXPECT_THAT(images.class_names, ElementsAre("0", "1"));
  }
}

TEST_F(OwnArrays, NpzSplitsHaveTheClassesOfBothAndTheConstantsOfTraining) {
  for (const bool medical : {false, true}) {
    const std::string x = medical ? "train_images.npy" : "x_train.npy";
    const std::string y = medical ? "train_labels.npy" : "y_train.npy";
    const std::string test_x = medical ? "test_images.npy" : "x_test.npy";
    const std::string test_y = medical ? "test_labels.npy" : "y_test.npy";
    const std::string shape = medical ? "(2, 1)" : "(2,)";
    write_npz({{x, npy("|u1", "(2, 1, 1)", std::string("\0\xff", 2))},
               {y, npy("|u1", shape, std::string("\0\2", 2))},
               {test_x, npy("|u1", "(2, 1, 1)", "ab")},
               {test_y, npy("|u1", shape, std::string("\0\1", 2))}},
              medical);
    const ImageSet images = load("it.npz");
    EXPECT_THAT(images.pixels, ElementsAre('a', 'b'));
    EXPECT_THAT(images.class_names, SizeIs(3));
    EXPECT_THAT(images.mean, ElementsAre(0.5F));
    EXPECT_THAT(images.std, ElementsAre(0.5F));
  }
}

TEST_F(OwnArrays, NpzAxesAreToldByTheirSizesOrByADataToml) {
  const std::string elements = "RGBrgbRGBrgb";
  const std::string y = npy("|u1", "(2,)", std::string("\0\1", 2));
  write_npz({{"x.npy", npy("|u1", "(2, 1, 2, 3)", elements)}, {"y.npy", y}});
  ImageSet images = load("it.npz");  // [N, H, W, C]
  EXPECT_EQ(images.channels, 3);
  EXPECT_EQ(images.width, 2);
  EXPECT_THAT(std::vector<uint8_t>(images.pixels.begin(), images.pixels.begin() + 6),
              ElementsAre('R', 'r', 'G', 'g', 'B', 'b'));
  write_file(path("data.toml"), "path = 'it.npz'\nlayout = 'nchw'\n");
  images = load("data.toml");
  EXPECT_EQ(images.channels, 1);
  EXPECT_EQ(images.height, 2);
  EXPECT_EQ(images.width, 3);
  write_npz({{"x.npy", npy("|u1", "(2, 1, 1, 6)", elements)}, {"y.npy", y}});
  images = load("it.npz");  // [N, C, H, W], since 6 are no channels
  EXPECT_EQ(images.channels, 1);
  EXPECT_EQ(images.width, 6);
}

TEST_F(OwnArrays, NpzThatDoesNotFitIsRefused) {
  const std::string two = npy("|u1", "(2,)", std::string("\0\1", 2));
  const std::string x = npy("|u1", "(2, 1, 1)", "ab");
  write_npz({{"x.npy", npy("|u1", "(3, 1, 1)", "abc")}, {"y.npy", two}});
  EXPECT_THAT(error_of_loading("it.npz"), HasSubstr("it.npz: x has 3 images, y has 2 labels"));
  write_npz({{"x.npy", npy("<f4", "(2, 1, 1)", std::string(8, 'a'))}, {"y.npy", two}});
  EXPECT_THAT(error_of_loading("it.npz"),
              HasSubstr("x: images must be uint8, in [0, 255]; this is float32 [2, 1, 1]"));
  write_npz({{"x.npy", x}, {"y.npy", npy("|u1", "(2, 2)", "abcd")}});
  EXPECT_THAT(error_of_loading("it.npz"), HasSubstr("y: labels must be one number an image"));
  write_npz({{"x.npy", x}, {"y.npy", npy("|O", "(2,)", "pickle")}});
  EXPECT_THAT(error_of_loading("it.npz"), AllOf(HasSubstr("it.npz: y"), HasSubstr("pickle")));
  write_npz({{"weights.npy", x}});
  EXPECT_THAT(error_of_loading("it.npz"),
              HasSubstr("expected images and labels, x and y, or x_train, y_train, x_test and "
                        "y_test, got weights.npy"));
  write_npz({{"x.npy", x}, {"y.npy", npy("|u1", "(2,)", std::string(2, '\0'))}});
  EXPECT_THAT(error_of_loading("it.npz"), HasSubstr("holds one class alone"));
  write_npz({{"x.npy", npy("|u1", "(0, 1, 1)", "")}, {"y.npy", npy("|u1", "(0,)", "")}});
  EXPECT_THAT(error_of_loading("it.npz"), HasSubstr("it.npz: x"));
  write_file(path("it.npz"), "no zip archive at all, but longer than the end of one");
  EXPECT_THAT(error_of_loading("it.npz"), HasSubstr("it.npz: not a whole zip archive"));
}

TEST_F(OwnArrays, NpzThatUnpacksToAThousandTimesItsSizeIsRefused) {
  const std::string zeros((size_t{1} << 26) + 4096, '\0');
  write_npz({{"x.npy", npy("|u1", "(1025, 256, 256)", zeros.substr(0, 1025 * 65536))},
             {"y.npy", npy("|u1", "(2,)", std::string("\0\1", 2))}},
            true);
  EXPECT_THAT(error_of_loading("it.npz"), HasSubstr("more than 200 times its size"));
}

TEST_F(OwnArrays, IdxFilesOfAnySizeAreReadByFolderOrByFile) {
  write_file(path("letters/emnist-train-images-idx3-ubyte"), testing::idx_images(3, 5, 4));
  write_file(path("letters/emnist-train-labels-idx1-ubyte"), testing::idx_labels({1, 2, 25}));
  write_file(path("letters/emnist-test-images-idx3-ubyte.gz"),
             testing::pack(testing::idx_images(2, 5, 4), testing::Packing::kGzip));
  write_file(path("letters/emnist-test-labels-idx1-ubyte"), testing::idx_labels({1, 2}));
  const ImageSet test = load("letters");
  EXPECT_EQ(test.count, 2);
  EXPECT_EQ(test.height, 5);
  EXPECT_EQ(test.width, 4);
  EXPECT_THAT(test.class_names, SizeIs(26));
  EXPECT_EQ(load("letters", Split::kTrain).count, 3);
  EXPECT_EQ(load("letters/emnist-train-images-idx3-ubyte").count, 3);
  std::filesystem::remove(path("letters/emnist-test-labels-idx1-ubyte"));
  EXPECT_THAT(error_of_loading("letters"),
              HasSubstr("emnist-test-labels-idx1-ubyte: missing: the labels of"));
}

TEST_F(OwnArrays, IdxLabelsBeyondTheNamedClassesAreRefused) {
  write_file(path("train-images-idx3-ubyte"), testing::idx_images(2, 5, 4));
  write_file(path("train-labels-idx1-ubyte"), testing::idx_labels({0, 3}));
  write_file(path("data.toml"), "path='train-images-idx3-ubyte'\nclass_names=['a', 'b', 'c']\n");
  EXPECT_THAT(error_of_loading("data.toml"),
              HasSubstr("train-labels-idx1-ubyte: label of image 1 must be in [0, 2], got 3"));
}

TEST_F(OwnArrays, CifarBinariesAreToldByTheirNames) {
  const std::string pixels(3072, 'p');
  write_file(path("c10/test_batch.bin"), testing::cifar_records({0, 9}));
  EXPECT_EQ(load("c10").class_names[9], "truck");
  EXPECT_THAT(error_of_loading("c10", Split::kTrain), HasSubstr("has no training images"));
  write_file(path("c100/test.bin"), std::string("\x01\x63", 2) + pixels + "\x02\x05" + pixels);
  write_file(path("c100/train.bin"),
             std::string("\x01\x62", 2) + pixels + "\x02\x05" + std::string(3072, 'q'));
  const ImageSet images = load("c100");
  EXPECT_THAT(images.labels, ElementsAre(99, 5));  // the fine ones
  EXPECT_THAT(images.class_names, SizeIs(100));
  EXPECT_EQ(load("c100", Split::kTrain).labels[0], 98);
  write_file(path("c100/test.bin"), std::string("\x01\x64", 2) + pixels);
  EXPECT_THAT(error_of_loading("c100"), HasSubstr("test.bin: label of image 0 must be in [0, 99]"));
  write_file(path("c100/test.bin"), "\x01" + pixels);
  EXPECT_THAT(error_of_loading("c100"), HasSubstr("test.bin: truncated or not a CIFAR-100 batch"));
}

TEST_F(OwnArrays, AreResizedAndChangeTheirChannelsAsADataTomlSays) {
  write_npz({{"x.npy", npy("|u1", "(2, 2, 2)", "aaaaeeee")},
             {"y.npy", npy("|u1", "(2,)", std::string("\0\1", 2))}});
  write_file(path("data.toml"),
             "path = 'it.npz'\nname = 'squares'\nresize = 4\ncrop = [1, 3]\nchannels = 3\n"
             "mean = [0.1, 0.2, 0.3]\nstd = [1, 2, 4]\nclass_names = ['off', 'on']\n");
  const ImageSet images = load("data.toml");
  EXPECT_EQ(images.name, "squares");
  EXPECT_EQ(images.channels, 3);
  EXPECT_EQ(images.height, 1);
  EXPECT_EQ(images.width, 3);
  EXPECT_EQ(std::vector<uint8_t>(images.pixels.begin(), images.pixels.end()),
            std::vector<uint8_t>({'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a',  //
                                  'e', 'e', 'e', 'e', 'e', 'e', 'e', 'e', 'e'}));
  EXPECT_THAT(images.mean, ElementsAre(0.1F, 0.2F, 0.3F));
  EXPECT_THAT(images.class_names, ElementsAre("off", "on"));
  EXPECT_EQ(load("data.toml").content_hash, images.content_hash);
}

TEST_F(OwnArrays, DataTomlIsCheckedKeyByKey) {
  write_npz({{"x.npy", npy("|u1", "(2, 1, 1)", "ab")},
             {"y.npy", npy("|u1", "(2,)", std::string("\0\1", 2))}});
  const auto error_with = [&](const std::string& line) {
    write_file(path("data.toml"), "path = 'it.npz'\n" + line + "\n");
    return error_of_loading("data.toml");
  };
  EXPECT_EQ(error_with(""), "");
  EXPECT_THAT(error_with("resise = 3"), AllOf(HasSubstr("data.toml:2"), HasSubstr("resize")));
  EXPECT_THAT(error_with("mean = [0.5]"), HasSubstr("mean and std must be given together"));
  EXPECT_THAT(error_with("mean = [0.5, 0.5]\nstd = [1, 1]"),
              HasSubstr("mean and std have 2 values; the images have 1 channels"));
  EXPECT_THAT(error_with("std = [0]\nmean = [0]"), HasSubstr("std"));
  EXPECT_THAT(error_with("crop = [1, 2, 3]"), HasSubstr("crop: must be one side, or height and"));
  EXPECT_THAT(error_with("class_names = ['a']"), HasSubstr("must be in [0, 0], got 1"));
  EXPECT_THAT(error_with("format = 'zip'"), HasSubstr("format"));
  EXPECT_THAT(error_with("splits.train = '../other'"), HasSubstr("must be a folder in the data"));
  write_file(path("sub/data.toml"), "path = '../it.npz'\n");
  EXPECT_THAT(error_of_loading("sub/data.toml"),
              HasSubstr("path: must lie in the folder of this file, or be given from the root on"));
  write_file(path("sub/data.toml"), "path = '" + path("it.npz") + "'\n");
  EXPECT_EQ(load("sub").count, 2);
}

TEST_F(OwnArrays, NothingElseIsTakenForData) {
  EXPECT_THAT(error_of_loading("absent"), HasSubstr("absent: no such file or folder"));
  EXPECT_THAT(error_of_loading("absent.npz"), HasSubstr("absent.npz: no such file or folder"));
  write_file(path("notes.txt"), "text");
  EXPECT_THAT(error_of_loading("notes.txt"), HasSubstr("notes.txt: is no data that is read"));
  ::mkfifo(path("pipe.npz").c_str(), 0600);
  EXPECT_THAT(error_of_loading("pipe.npz"), HasSubstr("pipe.npz: is neither a file nor a folder"));
  ::mkfifo(path("pipe.toml").c_str(), 0600);
  EXPECT_THAT(error_of_loading("pipe.toml"), HasSubstr("pipe.toml: is not a file"));
  EXPECT_FALSE(is_own_data("mnist"));
  EXPECT_FALSE(is_own_data("mnits"));
  EXPECT_TRUE(is_own_data("./mnist"));
  EXPECT_TRUE(is_own_data("it.npz"));
}

}  // namespace
}  // namespace flatenn::data
