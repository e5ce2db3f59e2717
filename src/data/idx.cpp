#include "data/idx.h"

#include <cstdio>

#include "data/compressed_file.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

constexpr uint32_t kImagesMagic = 0x00000803;  // unsigned bytes, three dimensions
constexpr uint32_t kLabelsMagic = 0x00000801;  // unsigned bytes, one dimension
constexpr size_t kImagesHeader = 16;
constexpr size_t kLabelsHeader = 8;

uint32_t big_endian(const std::vector<uint8_t>& bytes, size_t word) {
  const uint8_t* at = bytes.data() + 4 * word;
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

std::string hex(uint32_t word) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", word);
  return text;
}

/// The number of items a checked header announces; the file holds exactly as many.
int64_t check_header(const std::filesystem::path& path, const std::vector<uint8_t>& bytes,
                     uint32_t magic, size_t header, int64_t item_bytes) {
  FLATENN_CHECK(bytes.size() >= header, path.string(), ": truncated: an IDX header has ", header,
                " bytes, the file ", bytes.size());
  const char* what = magic == kImagesMagic ? "images" : "labels";
  FLATENN_CHECK(big_endian(bytes, 0) == magic, path.string(), ": not an IDX file of ", what,
                ": expected magic ", hex(magic), ", got ", hex(big_endian(bytes, 0)));
  const int64_t count = big_endian(bytes, 1);
  FLATENN_CHECK(count > 0, path.string(), ": holds no ", what);
  const int64_t wanted = static_cast<int64_t>(header) + count * item_bytes;
  const auto got = static_cast<int64_t>(bytes.size());
  FLATENN_CHECK(got >= wanted, path.string(), ": truncated: ", count, " ", what, " take ", wanted,
                " bytes, the file has ", got);
  FLATENN_CHECK(got == wanted, path.string(), ": ", got - wanted, " bytes too many: ", count, " ",
                what, " take ", wanted, ", the file has ", got);
  return count;
}

void check_image_extent(const std::filesystem::path& path, const Extent& got,
                        const std::optional<Extent>& wanted) {
  FLATENN_CHECK(!wanted || got == *wanted, path.string(), ": images of this set have ",
                wanted->height, "x", wanted->width, " pixels, these have ", got.height, "x",
                got.width);
  FLATENN_CHECK(got.height > 0 && got.width > 0, path.string(), ": images have ", got.height, "x",
                got.width, " pixels");
  check_extent(path.string(), got.width, got.height);
}

}  // namespace

std::vector<uint16_t> read_idx_labels(const std::filesystem::path& path) {
  const std::vector<uint8_t> labels = read_unpacked(path);
  check_header(path, labels, kLabelsMagic, kLabelsHeader, 1);
  return {labels.begin() + kLabelsHeader, labels.end()};
}

void read_idx(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
              const std::optional<Extent>& wanted, ImageSet& images) {
  std::vector<uint8_t> pixels = read_unpacked(images_path);
  Extent extent = wanted.value_or(Extent{1, 1});
  if (pixels.size() >= kImagesHeader && big_endian(pixels, 0) == kImagesMagic) {
    extent = {.height = big_endian(pixels, 2), .width = big_endian(pixels, 3)};
  }
  check_image_extent(images_path, extent, wanted);
  images.count =
      check_header(images_path, pixels, kImagesMagic, kImagesHeader, extent.height * extent.width);
  images.labels = read_idx_labels(labels_path);
  FLATENN_CHECK(std::ssize(images.labels) == images.count, labels_path.string(), ": ",
                images.labels.size(), " labels, but ", images_path.filename().string(), " holds ",
                images.count, " images");
  pixels.erase(pixels.begin(), pixels.begin() + kImagesHeader);
  images.pixels = std::move(pixels);
  images.channels = 1;
  images.height = extent.height;
  images.width = extent.width;
}

}  // namespace flatenn::data
