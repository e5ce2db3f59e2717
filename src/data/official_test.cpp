#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "data/location.h"
#include "flatenn/data/catalogue.h"

namespace flatenn::data {
namespace {

/// Half a unit in the sixth decimal, to which the constants are written.
constexpr double kConstantTolerance = 5.1e-7;

class OfficialSet : public ::testing::TestWithParam<std::string> {};

TEST_P(OfficialSet, HasItsCountsAndConstants) {
  const DataSet& set = find_data_set(GetParam());
  const auto root = resolve_data_root("");
  if (!locate(set, root)) GTEST_SKIP() << set.title << " is not below " << root;
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

INSTANTIATE_TEST_SUITE_P(Sets, OfficialSet, ::testing::Values("mnist", "fashion-mnist", "cifar10"),
                         [](const auto& name) {
                           return name.param == "fashion-mnist" ? "fashion_mnist" : name.param;
                         });

}  // namespace
}  // namespace flatenn::data
