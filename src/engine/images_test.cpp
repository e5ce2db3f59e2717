#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/error.h"
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

TEST(QuantizeImages, NamesBothShapesWhereImagesDoNotFitTheNetwork) {
  try {
    quantize_images(two_pixels(2), taking({1, 28, 28}));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "images of pair are 2x1x2, but network lenet takes 1x28x28");
  }
}

}  // namespace
}  // namespace flatenn::engine
