#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "data/geometry.h"
#include "data/image_file.h"
#include "data/test_files.h"
#include "flatenn/base/file.h"

/// Pictures decoded and resampled as Pillow and torchvision do it (golden/make_pictures.py).
namespace flatenn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::filesystem::path kGolden = FLATENN_DATA_GOLDEN;

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

int64_t channels_of(const std::string& mode) { return mode == "L" ? 1 : std::ssize(mode); }

Raster decoded(const std::filesystem::path& path, int64_t channels) {
  return decode_image(path.filename().string(), read_image_bytes(path), channels);
}

void expect_equal(const Raster& got, std::istream& expected, const std::string& what) {
  int64_t width = 0;
  int64_t height = 0;
  std::string hex;
  expected >> width >> height >> hex;
  EXPECT_EQ(got.width, width) << what;
  EXPECT_EQ(got.height, height) << what;
  const std::vector<uint8_t> pixels = from_hex(hex);
  ASSERT_EQ(got.pixels.size(), pixels.size()) << what;
  for (size_t i = 0; i < pixels.size(); ++i) {
    ASSERT_EQ(int{got.pixels[i]}, int{pixels[i]}) << what << ", byte " << i;
  }
}

/// "20x13" or "16": height and width, or one side.
Extent extent_of(const std::string& text) {
  const size_t cross = text.find('x');
  if (cross == std::string::npos) return {std::stol(text), 0};
  return {std::stol(text.substr(0, cross)), std::stol(text.substr(cross + 1))};
}

Geometry geometry_of(const std::string& resize, const std::string& crop, const std::string& name) {
  Geometry geometry;
  if (resize != "-") {
    const Extent extent = extent_of(resize);
    if (extent.width == 0) geometry.shorter_side = extent.height;
    if (extent.width != 0) geometry.resize = extent;
  }
  if (crop != "-") geometry.crop = extent_of(crop);
  if (name == "bicubic") geometry.interpolation = Interpolation::kBicubic;
  return geometry;
}

std::string error_of_decoding(const std::string& content) {
  return testing::error_of([&] { decode_image("it.png", content, 3); });
}

TEST(Pictures, EqualPillowsConvert) {
  std::ifstream facts(kGolden / "decoded.txt");
  int count = 0;
  for (std::string line; std::getline(facts, line); ++count) {
    std::istringstream words(line);
    std::string file, mode;
    words >> file >> mode;
    expect_equal(decoded(kGolden / file, channels_of(mode)), words, file + " " + mode);
  }
  EXPECT_EQ(count, 13 * 3);
}

TEST(Pictures, EqualTorchvisionsResizeAndCenterCrop) {
  std::ifstream facts(kGolden / "resampled.txt");
  int count = 0;
  for (std::string line; std::getline(facts, line); ++count) {
    std::istringstream words(line);
    std::string file, mode, resize, crop, name;
    words >> file >> mode >> resize >> crop >> name;
    const Raster picture = decoded(kGolden / file, channels_of(mode));
    expect_equal(apply(geometry_of(resize, crop, name), file, picture), words,
                 mode + " " + resize + " " + crop + " " + name);
  }
  EXPECT_EQ(count, 3 * 10 * 2);
}

TEST(Pictures, AreGreyAsTheirHeadSays) {
  for (const char* const name : {"grey.png", "grey.jpg", "grey_alpha.png", "bits.png"}) {
    EXPECT_TRUE(is_grey(read_file(kGolden / name))) << name;
  }
  for (const char* const name : {"rgb.png", "palette.png", "plain.jpg", "halved.jpg", "cmyk.jpg"}) {
    EXPECT_FALSE(is_grey(read_file(kGolden / name))) << name;
  }
  EXPECT_FALSE(is_grey("neither"));
}

/// Wherever a file is cut, it is refused or, where only what follows the pixels is missing, whole.
TEST(Pictures, AreRefusedWhereverTheyAreCutShort) {
  for (const char* const name : {"rgb.png", "palette_clear.png", "plain.jpg", "progressive.jpg"}) {
    const std::string content = read_file(kGolden / name);
    const Raster whole = decode_image(name, content, 3);
    for (size_t length = 0; length < content.size(); ++length) {
      Raster part;
      const std::string error =
          testing::error_of([&] { part = decode_image(name, content.substr(0, length), 3); });
      if (error.empty()) {
        EXPECT_EQ(part.pixels, whole.pixels) << name << " cut at " << length;
      } else {
        EXPECT_THAT(error, HasSubstr(name)) << length;
      }
    }
    EXPECT_NE(
        testing::error_of([&] { decode_image(name, content.substr(0, content.size() / 2), 3); }),
        "");
  }
}

TEST(Pictures, DoNotCrashWhateverByteIsDamaged) {
  for (const char* const name : {"rgb.png", "bits.png", "halved.jpg", "cmyk.jpg"}) {
    const std::string content = read_file(kGolden / name);
    for (size_t at = 0; at < content.size(); ++at) {
      std::string damaged = content;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      testing::error_of([&] { decode_image(name, damaged, 3); });
    }
  }
}

TEST(Pictures, OfHugeClaimedSizeTakeNoMemory) {
  EXPECT_THAT(error_of_decoding(testing::png_of_claimed_size(2'000'000'000, 2'000'000'000)),
              HasSubstr("it.png: claims 2000000000x2000000000 pixels"));
  EXPECT_THAT(error_of_decoding(testing::png_of_claimed_size(8000, 8000)),
              HasSubstr("it.png: damaged or cut short PNG picture"));
  std::string jpeg = read_file(kGolden / "plain.jpg");
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xfd\xe8\xfd\xe8");
  EXPECT_THAT(error_of_decoding(jpeg),
              AllOf(HasSubstr("it.png: claims 65000x65000 pixels"), HasSubstr("at most")));
}

TEST(Pictures, NameWhatIsNone) {
  EXPECT_EQ(error_of_decoding(""), "it.png: is empty");
  EXPECT_EQ(error_of_decoding("GIF89a"), "it.png: neither a PNG nor a JPEG picture");
}

}  // namespace
}  // namespace flatenn::data
