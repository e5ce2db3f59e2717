#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/temporary_folder.h"
#include "engine/code_room.h"
#include "flatenn/base/error.h"
#include "flatenn/base/mapped_file.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine {
namespace {

using ::testing::ElementsAre;

data::ImageSet two_pixels(int64_t channels) {
  return {.name = "pair",
          .count = 1,
          .channels = channels,
          .height = 1,
          .width = 2,
          .pixels = std::vector<uint8_t>{0, 255, 51, 102},
          .labels = {0},
          .class_names = {"one"},
          .mean = std::vector<float>(static_cast<size_t>(channels), 0.2F),
          .std = std::vector<float>(static_cast<size_t>(channels), 0.4F)};
}

net::Network taking(const net::Shape& shape) {
  net::Network network;
  network.name = "lenet";
  network.activations = {{.name = "image", .shape = shape, .is_signed = true, .scale = 0.125F}};
  return network;
}

/// (0 - 0.2) / 0.4 = -0.5, (1 - 0.2) / 0.4 = 2, (0.2 - 0.2) / 0.4 = 0, (0.4 - 0.2) / 0.4 = 0.5.
TEST(QuantizeImages, GivesNormalizedPixelsOverTheInputScale) {
  const auto codes = quantize_images(two_pixels(2), taking({2, 1, 2}));
  EXPECT_THAT(codes->codes, ElementsAre(-4, 16, 0, 4));
}

/// Numbers in place of pixels are taken as they are: x / 0.125, rounded half to even, clamped.
TEST(QuantizeImages, TakesNumbersInPlaceOfPixels) {
  data::ImageSet images = two_pixels(2);
  images.pixels.clear();
  images.values = {-0.5F, 2.0F, 0.0625F, 100.0F};
  const auto codes = quantize_images(images, taking({2, 1, 2}));
  EXPECT_THAT(codes->codes, ElementsAre(-4, 16, 0, 127));
  net::Network scaled = taking({2, 1, 2});
  scaled.image = {.factor = {2, 1}, .shift = {0.25F, 0}};
  EXPECT_THAT(quantize_images(images, scaled)->codes, ElementsAre(-6, 34, 0, 127));
}

TEST(QuantizeImages, NamesBothShapesWhereImagesDoNotFitTheNetwork) {
  try {
    quantize_images(two_pixels(2), taking({1, 28, 28}));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "images of pair are 2x1x2, but network lenet takes 1x28x28");
  }
}

/// Four pixels of two channels in a file.
data::ImageSet mapped_pixels(const TemporaryFolder& folder) {
  data::ImageSet images = two_pixels(2);
  const std::string pixels("\x00\xff\x33\x66", 4);
  write_file_atomically(folder / "pixels", pixels);
  const auto file = MappedFile::open(folder / "pixels");
  images.pixels = {file, reinterpret_cast<const uint8_t*>(file->data()), 4};
  return images;
}

TEST(QuantizeImages, TakesMappedPixelsAsTheyAreWhereTheyAreTheCodes) {
  const TemporaryFolder folder;
  const data::ImageSet images = mapped_pixels(folder);
  net::Network network = taking({2, 1, 2});
  EXPECT_THAT(quantize_images(images, network)->codes, ElementsAre(-4, 16, 0, 4));
  network.activations[0].is_signed = false;
  network.activations[0].scale = 1;
  network.image.raw_pixels = true;
  const auto codes = quantize_images(images, network);
  EXPECT_THAT(codes->codes, ElementsAre(0, -1, 51, 102));
  EXPECT_EQ(codes->codes.file(), images.pixels.file());
}

TEST(RoomForCodes, LiesInAFileWhereMappedPixelsHaveTooMany) {
  const TemporaryFolder folder;
  ::setenv("FLATENN_CACHE", folder.path().c_str(), 1);
  const data::ImageSet images = mapped_pixels(folder);
  EXPECT_FALSE(room_for_codes(images, 4).codes.is_mapped());
  data::ImageSet pixels = two_pixels(2);
  EXPECT_FALSE(room_for_codes(pixels, 3).codes.is_mapped());
  const auto owner =
      std::make_shared<std::vector<uint8_t>>(pixels.pixels.begin(), pixels.pixels.end());
  pixels.pixels = MappableVector<uint8_t>::borrowed(owner, owner->data(), owner->size());
  EXPECT_FALSE(room_for_codes(pixels, 3).codes.is_mapped());  // they are in memory already
  const CodeRoom room = room_for_codes(images, 3);
  ::unsetenv("FLATENN_CACHE");
  EXPECT_TRUE(room.codes.is_mapped());
  room.to[2] = 7;
  EXPECT_THAT(room.codes, ElementsAre(0, 0, 7, 0));
}

}  // namespace
}  // namespace flatenn::engine
