#include "data/png.h"

#include <png.h>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

png_image make_image() {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  return image;
}

}  // namespace

Picture decode_png(const std::string& name, std::span<const uint8_t> png) {
  png_image image = make_image();
  FLATENN_CHECK(png_image_begin_read_from_memory(&image, png.data(), png.size()), name,
                ": not a PNG picture: ", image.message);
  image.format = PNG_FORMAT_RGB;
  Picture picture{.width = image.width, .height = image.height};
  picture.rgb.resize(PNG_IMAGE_SIZE(image));
  FLATENN_CHECK(png_image_finish_read(&image, nullptr, picture.rgb.data(), 0, nullptr), name,
                ": damaged PNG picture: ", image.message);
  return picture;
}

std::string encode_png(const Picture& picture) {
  png_image image = make_image();
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string png(bytes, '\0');
  FLATENN_CHECK(
      png_image_write_to_memory(&image, png.data(), &bytes, 0, picture.rgb.data(), 0, nullptr),
      "PNG picture cannot be encoded: ", image.message);
  png.resize(bytes);
  return png;
}

}  // namespace flatenn::data
