#include "data/image_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string_view>

#include "data/read_jpeg.h"
#include "data/read_png.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::data {
namespace {

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegSignature = "\xff\xd8\xff";
constexpr uintmax_t kMostFileBytes = uintmax_t{1} << 29;

bool ends_in(const std::string& name, std::span<const char* const> extensions) {
  std::string extension = std::filesystem::path(name).extension();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

bool starts_with(std::span<const uint8_t> bytes, std::string_view signature) {
  return bytes.size() >= signature.size() &&
         std::equal(signature.begin(), signature.end(), bytes.begin(),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

std::span<const uint8_t> bytes_of(const std::string& content) {
  return {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
}

/// A PNG file begins with its header: size, bits, kind of colour (0 grey, 4 grey and alpha).
bool is_grey_png(std::span<const uint8_t> bytes) {
  constexpr size_t kColourAt = 25;
  return bytes.size() > kColourAt && (bytes[kColourAt] == 0 || bytes[kColourAt] == 4);
}

/// Segments of marker, length and content come before the scans; a frame header (SOF) tells the
/// number of components.
bool is_grey_jpeg(std::span<const uint8_t> bytes) {
  size_t at = 2;
  while (at + 10 <= bytes.size()) {
    if (bytes[at] != 0xFF) return false;
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // fill
      ++at;
      continue;
    }
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) return bytes[at + 9] == 1;
    at += size_t{2} + (size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
  }
  return false;
}

Raster decode(const std::string& name, std::span<const uint8_t> bytes) {
  if (starts_with(bytes, kPngSignature)) return read_png(name, bytes);
  if (starts_with(bytes, kJpegSignature)) return read_jpeg(name, bytes);
  FLATENN_CHECK(!bytes.empty(), name, ": is empty");
  throw Error(name + ": neither a PNG nor a JPEG picture");
}

}  // namespace

bool is_picture_name(const std::string& name) {
  static constexpr std::array extensions{".png", ".jpg", ".jpeg"};
  return ends_in(name, extensions);
}

bool is_foreign_picture_name(const std::string& name) {
  static constexpr std::array extensions{".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
  return ends_in(name, extensions);
}

std::string read_image_bytes(const std::filesystem::path& path) {
  std::error_code none;
  const uintmax_t size = std::filesystem::file_size(path, none);
  FLATENN_CHECK(none || size <= kMostFileBytes, path.string(),
                ": is too large for a picture: ", size, " bytes");
  return read_file(path);
}

Raster decode_image(const std::string& name, const std::string& content, int64_t channels) {
  return with_channels(decode(name, bytes_of(content)), channels);
}

bool is_grey(const std::string& content) {
  const auto bytes = bytes_of(content);
  if (starts_with(bytes, kPngSignature)) return is_grey_png(bytes);
  return starts_with(bytes, kJpegSignature) && is_grey_jpeg(bytes);
}

}  // namespace flatenn::data
