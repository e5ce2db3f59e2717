#include "flatenn/data/sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>

#include "data/png.h"
#include "data/test_files.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::data {
namespace {

/// Two classes of 2x2 colour images, all pixels of image i at value 10 i.
ImageSet little_set() {
  ImageSet images{.count = 5, .channels = 3, .height = 2, .width = 2};
  images.labels = {1, 0, 1, 1, 0};
  images.class_names = {"no", "yes"};
  for (int i = 0; i < 5; ++i) {
    for (int pixel = 0; pixel < 12; ++pixel) images.pixels.push_back(static_cast<uint8_t>(10 * i));
  }
  return images;
}

TEST(DrawSheet, ShowsTheFirstImagesOfEachClassInItsRow) {
  const ImageSet images = little_set();
  const Picture sheet = draw_sheet(images, {.per_class = 2, .scale = 3});
  ASSERT_EQ(std::ssize(sheet.rgb), 3 * sheet.width * sheet.height);
  // Images end a row: two columns of 6 pixels and a gap of 4 behind each. A row is as high as its
  // letters, 14 pixels, and a gap of 4.
  const auto pixel = [&](int64_t row, int64_t column) {
    const int64_t from_left = sheet.width - 2 * 10 + column * 10;
    const int64_t from_top = 4 + row * 18;
    return int{sheet.rgb.at(static_cast<size_t>(3 * (from_top * sheet.width + from_left)))};
  };
  EXPECT_EQ(pixel(0, 0), 10);
  EXPECT_EQ(pixel(0, 1), 40);
  EXPECT_EQ(pixel(1, 0), 0);
  EXPECT_EQ(pixel(1, 1), 20);
}

TEST(DrawSheet, LabelsItsRows) {
  ImageSet images = little_set();
  const Picture with = draw_sheet(images, {});
  images.class_names[1] = "YES";  // small letters are drawn as capitals
  EXPECT_EQ(draw_sheet(images, {}).rgb, with.rgb);
  images.class_names[1] = "yet";
  EXPECT_NE(draw_sheet(images, {}).rgb, with.rgb);
}

TEST(DrawSheet, LeavesPlacesEmptyWhereAClassHasFewImages) {
  const Picture sheet = draw_sheet(little_set(), {.per_class = 9});
  EXPECT_EQ(sheet.rgb.back(), 255);
  EXPECT_THROW(draw_sheet(little_set(), {.per_class = 0}), Error);
}

TEST(WritePng, WritesWhatCanBeReadBack) {
  const TemporaryFolder folder;
  const Picture sheet = draw_sheet(little_set(), {});
  write_png(folder / "sheet.png", sheet);
  const std::string bytes = read_file(folder / "sheet.png");
  const Picture back = decode_png(
      "sheet.png", std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  EXPECT_EQ(back.width, sheet.width);
  EXPECT_EQ(back.rgb, sheet.rgb);
}

TEST(DecodePng, RefusesWhatIsNoPicture) {
  const std::vector<uint8_t> bytes(100, 7);
  EXPECT_THAT(testing::error_of([&] { decode_png("x.png", bytes); }),
              ::testing::HasSubstr("x.png: not a PNG picture"));
}

}  // namespace
}  // namespace flatenn::data
