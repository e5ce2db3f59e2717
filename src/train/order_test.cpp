#include "flatenn/train/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

data::ImageSet numbered_images(int64_t count) {
  data::ImageSet images{.count = count, .channels = 1, .height = 1, .width = 2};
  for (int64_t i = 0; i < count; ++i) {
    images.pixels.push_back(static_cast<uint8_t>(i));
    images.pixels.push_back(static_cast<uint8_t>(i + 100));
    images.labels.push_back(static_cast<uint16_t>(i % 10));
  }
  return images;
}

TEST(EpochOrder, IsAPermutation) {
  for (const int64_t count : {1, 2, 17, 1000}) {
    std::vector<int64_t> order = epoch_order(3, 5, count);
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < count; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
  }
}

TEST(EpochOrder, IsAFunctionOfSeedAndEpoch) {
  const auto order = epoch_order(3, 5, 100);
  EXPECT_EQ(order, epoch_order(3, 5, 100));
  EXPECT_NE(order, epoch_order(3, 6, 100));
  EXPECT_NE(order, epoch_order(4, 5, 100));
}

TEST(EpochOrder, PutsEveryImageAtEveryPlaceEquallyOften) {
  std::map<int64_t, int> first;
  constexpr int kEpochs = 6000;
  for (int epoch = 0; epoch < kEpochs; ++epoch) ++first[epoch_order(11, epoch, 6).front()];
  // Binomial(6000, 1/6): 5.5 standard deviations are 159.
  for (const auto& [image, count] : first) EXPECT_NEAR(count, kEpochs / 6, 159) << image;
}

TEST(Augmentation, IsAFunctionOfSeedEpochAndImage) {
  const AugmentationOptions options{.crop = 4, .flip = true};
  const auto of_epoch = [&](uint64_t seed, int64_t epoch) {
    std::vector<Augmentation> all;
    for (int64_t image = 0; image < 50; ++image)
      all.push_back(augmentation_of(options, seed, epoch, image));
    return all;
  };
  EXPECT_EQ(of_epoch(1, 2), of_epoch(1, 2));
  EXPECT_NE(of_epoch(1, 2), of_epoch(1, 3));
  EXPECT_NE(of_epoch(1, 2), of_epoch(2, 2));
  EXPECT_NE(of_epoch(1, 2)[0], of_epoch(1, 2)[1]);
}

TEST(Augmentation, UsesTheWholeRangeAndNothingElse) {
  const AugmentationOptions options{.crop = 2, .flip = true};
  std::set<int> rows, columns, flips;
  for (int64_t image = 0; image < 500; ++image) {
    const Augmentation a = augmentation_of(options, 9, 0, image);
    rows.insert(a.shift_y);
    columns.insert(a.shift_x);
    flips.insert(a.flip ? 1 : 0);
  }
  EXPECT_THAT(rows, testing::ElementsAre(-2, -1, 0, 1, 2));
  EXPECT_THAT(columns, testing::ElementsAre(-2, -1, 0, 1, 2));
  EXPECT_THAT(flips, testing::ElementsAre(0, 1));
}

TEST(Augmentation, CutsOutAllOverTheImageAndLeavesTheOtherChoicesAlone) {
  const AugmentationOptions options{.crop = 2, .flip = true, .cutout = 8};
  std::set<int> rows, columns;
  for (int64_t image = 0; image < 500; ++image) {
    Augmentation a = augmentation_of(options, 9, 0, image);
    EXPECT_EQ(a.cut, 8);
    rows.insert(a.cut_y * 4 >> 16);
    columns.insert(a.cut_x * 4 >> 16);
    a.cut = 0;
    a.cut_y = a.cut_x = 0;
    EXPECT_EQ(a, augmentation_of({.crop = 2, .flip = true}, 9, 0, image));
  }
  EXPECT_THAT(rows, testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(columns, testing::ElementsAre(0, 1, 2, 3));
}

TEST(Augmentation, DoesNothingByDefault) {
  EXPECT_EQ(augmentation_of({}, 1, 2, 3), Augmentation{});
}

TEST(HeldOutImages, AreDistinctAndNest) {
  const auto few = held_out_images(0, 1000, 50);
  const auto many = held_out_images(0, 1000, 200);
  EXPECT_EQ(std::set<int64_t>(few.begin(), few.end()).size(), 50U);
  EXPECT_TRUE(std::includes(many.begin(), many.end(), few.begin(), few.end()));
  EXPECT_NE(few, held_out_images(1, 1000, 50));
}

TEST(HeldOutImages, MustLeaveSomethingToTrainOn) {
  EXPECT_THROW(held_out_images(0, 1000, 1000), Error);
}

TEST(SelectImages, KeepsPixelsAndLabelsTogether) {
  const data::ImageSet selected = select_images(numbered_images(20), {3, 12});
  EXPECT_EQ(selected.count, 2);
  EXPECT_THAT(selected.pixels, testing::ElementsAre(3, 103, 12, 112));
  EXPECT_THAT(selected.labels, testing::ElementsAre(3, 2));
}

TEST(SelectImages, HashesWhatItSelected) {
  const data::ImageSet images = numbered_images(20);
  EXPECT_EQ(select_images(images, {1, 2}).content_hash, select_images(images, {1, 2}).content_hash);
  EXPECT_NE(select_images(images, {1, 2}).content_hash, select_images(images, {1, 3}).content_hash);
}

}  // namespace
}  // namespace flatenn::train
