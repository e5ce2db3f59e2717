#include "train/batches.h"

#include <gtest/gtest.h>

#include <set>

#include "flatenn/base/error.h"
#include "train/run_testing.h"

namespace flatenn::train {
namespace {

/// One 3x3 image of one channel, pixels 0..8 times ten, normalized to themselves.
data::ImageSet small_image() {
  data::ImageSet images{.count = 1, .channels = 1, .height = 3, .width = 3};
  for (int i = 1; i <= 9; ++i) images.pixels.push_back(static_cast<uint8_t>(10 * i));
  images.labels = {0};
  images.mean = {0};
  images.std = {1.0F / 255.0F};
  return images;
}

std::vector<int> written(const Augmentation& augmentation) {
  const data::ImageSet images = small_image();
  std::vector<float> out(9);
  Normalizer(images).write(0, augmentation, out.data());
  std::vector<int> rounded;
  for (const float value : out) rounded.push_back(static_cast<int>(std::lround(value)));
  return rounded;
}

TEST(Normalizer, GivesTheBitsOfTheImageSet) {
  const data::ImageSet images = testing::easy_images(3, 5);
  const Batch batch = plain_batch(images, 0, 3);
  const float* values = batch.images.data_ptr<float>();
  for (size_t i = 0; i < images.pixels.size(); ++i)
    ASSERT_EQ(values[i], images.normalized(0, images.pixels[i])) << i;
}

TEST(Normalizer, ShiftsWithBlackBorder) {
  EXPECT_EQ(written({.shift_y = 1}), (std::vector<int>{40, 50, 60, 70, 80, 90, 0, 0, 0}));
  EXPECT_EQ(written({.shift_x = -1}), (std::vector<int>{0, 10, 20, 0, 40, 50, 0, 70, 80}));
}

TEST(Normalizer, FlipsBeforeItShifts) {
  EXPECT_EQ(written({.flip = true}), (std::vector<int>{30, 20, 10, 60, 50, 40, 90, 80, 70}));
  EXPECT_EQ(written({.shift_x = 1, .flip = true}),
            (std::vector<int>{20, 10, 0, 50, 40, 0, 80, 70, 0}));
}

TEST(Normalizer, CutsASquareAroundItsCentre) {
  // Of 3 rows, 0x8000 / 2^16 is the middle one and 0xffff the last.
  EXPECT_EQ(written({.cut = 1, .cut_y = 0x8000, .cut_x = 0x8000}),
            (std::vector<int>{10, 20, 30, 40, 0, 60, 70, 80, 90}));
  EXPECT_EQ(written({.cut = 2, .cut_y = 0, .cut_x = 0xffff}),
            (std::vector<int>{10, 0, 0, 40, 50, 60, 70, 80, 90}));
  EXPECT_EQ(written({.cut = 3, .cut_y = 0x8000, .cut_x = 0x8000}), std::vector<int>(9, 0));
}

TEST(BatchSource, HandsOutEveryImageOfAnEpochOnce) {
  data::ImageSet images = testing::easy_images(40, 5);
  // The first pixel tells images apart.
  for (int64_t i = 0; i < 40; ++i)
    images.pixels[static_cast<size_t>(i * images.image_elements())] = static_cast<uint8_t>(i);
  const auto source = make_batch_source(images, {.batch_size = 8, .seed = 3}, torch::kCPU);
  source->start_epoch(2);
  ASSERT_EQ(source->batches(), 5);
  std::set<float> seen;
  for (int64_t index = 0; index < 5; ++index) {
    const Batch batch = source->batch(index);
    for (int64_t i = 0; i < 8; ++i) seen.insert(batch.images[i][0][0][0].item<float>());
  }
  EXPECT_EQ(seen.size(), 40U);
}

TEST(BatchSource, ABatchIsAFunctionOfSeedEpochAndIndex) {
  const data::ImageSet images = testing::easy_images(40, 5);
  const BatchOptions options{.batch_size = 8, .seed = 3, .augment = {.crop = 2, .flip = true}};
  const auto whole = make_batch_source(images, options, torch::kCPU);
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    whole->start_epoch(epoch);
    for (int64_t index = 0; index < 5; ++index) whole->batch(index);
  }
  whole->start_epoch(2);
  const Batch expected = whole->batch(3);

  const auto resumed = make_batch_source(images, options, torch::kCPU);
  resumed->start_epoch(2);
  const Batch batch = resumed->batch(3);
  EXPECT_TRUE(torch::equal(batch.images, expected.images));
  EXPECT_TRUE(torch::equal(batch.labels, expected.labels));
}

TEST(BatchSource, LeavesTheImagesOutThatFillNoBatch) {
  const data::ImageSet images = testing::easy_images(19, 5);
  EXPECT_EQ(make_batch_source(images, {.batch_size = 8}, torch::kCPU)->batches(), 2);
}

TEST(BatchSource, RefusesABatchOfMoreImagesThanThereAre) {
  const data::ImageSet images = testing::easy_images(7, 5);
  EXPECT_THROW(make_batch_source(images, {.batch_size = 8}, torch::kCPU), Error);
}

}  // namespace
}  // namespace flatenn::train
