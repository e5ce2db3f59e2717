#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <span>

#include "data/compressed_file.h"
#include "data/location.h"
#include "flatenn/base/hash.h"
#include "flatenn/data/catalogue.h"
#include "flatenn/data/verify.h"

namespace flatenn::data {
namespace {

/// Half a unit in the sixth decimal, to which the constants are written.
constexpr double kConstantTolerance = 5.1e-7;

class OfficialSet : public ::testing::TestWithParam<std::string> {};

TEST_P(OfficialSet, HasItsSumsCountsAndConstants) {
  const DataSet& set = find_data_set(GetParam());
  const auto root = resolve_data_root("");
  if (!find_presence(set, root).complete) GTEST_SKIP() << set.title << " is not below " << root;
  EXPECT_EQ(verify_data_set(set, root).bad_files(), 0);
  EXPECT_EQ(load_image_set(set.name, Split::kTest, root).count, set.test_images);
  const ImageSet images = load_image_set(set.name, Split::kTrain, root);
  EXPECT_EQ(images.count, set.train_images);
  const int64_t plane = images.height * images.width;
  for (int64_t c = 0; c < images.channels; ++c) {
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < images.count; ++i) {
      const uint8_t* at = images.pixels.data() + (i * images.channels + c) * plane;
      for (int64_t j = 0; j < plane; ++j) {
        sum += at[j];
        squares += int64_t{at[j]} * at[j];
      }
    }
    const auto pixels = static_cast<double>(images.count * plane);
    const double mean = static_cast<double>(sum) / pixels;
    const double variance = static_cast<double>(squares) / pixels - mean * mean;
    const auto channel = static_cast<size_t>(c);
    EXPECT_NEAR(images.mean[channel], mean / 255, kConstantTolerance);
    EXPECT_NEAR(images.std[channel], std::sqrt(variance) / 255, kConstantTolerance);
  }
}

std::string content_md5(const std::filesystem::path& path) {
  const std::vector<uint8_t> content = read_unpacked(path);
  Hasher hasher(HashKind::kMd5);
  hasher.update(std::as_bytes(std::span(content)));
  return hasher.hex_digest();
}

/// The sums under catalogue() belong to the content whose MD5 the sets' authors published: that of
/// MNIST's unpacked files and of Fashion-MNIST's gz files.
TEST(OfficialSums, BelongToTheContentOfThePublishedOnes) {
  struct Published {
    const char *set, *file, *md5;
  };
  const Published published[] = {
      {"mnist", "train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"},
      {"mnist", "train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"},
      {"mnist", "t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"},
      {"mnist", "t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"},
      {"fashion-mnist", "train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"},
      {"fashion-mnist", "train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"},
      {"fashion-mnist", "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"},
      {"fashion-mnist", "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"}};
  const auto root = resolve_data_root("");
  int found = 0;
  for (const Published& file : published) {
    const auto location = locate(find_data_set(file.set), root);
    const auto path = location ? find_packed(location->path, file.file) : std::nullopt;
    if (!path) continue;
    ++found;
    const bool packed_sum = std::string(file.file).ends_with(".gz");
    EXPECT_EQ(packed_sum ? hash_file(*path, HashKind::kMd5) : content_md5(*path), file.md5)
        << file.file;
  }
  if (found == 0) GTEST_SKIP() << "neither MNIST nor Fashion-MNIST is here";
}

INSTANTIATE_TEST_SUITE_P(Sets, OfficialSet, ::testing::Values("mnist", "fashion-mnist", "cifar10"),
                         [](const auto& name) {
                           return name.param == "fashion-mnist" ? "fashion_mnist" : name.param;
                         });

}  // namespace
}  // namespace flatenn::data
