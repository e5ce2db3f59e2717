#include <array>

#include "engine/arithmetic.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine {
namespace {

using Table = std::array<int8_t, 256>;

/// The code of every pixel value of one channel.
Table code_table(const data::ImageSet& images, int64_t channel, const net::Activation& input) {
  Table table{};
  for (size_t pixel = 0; pixel < table.size(); ++pixel) {
    const float value = images.normalized(channel, static_cast<uint8_t>(pixel)) / input.scale;
    table[pixel] = static_cast<int8_t>(rounded(value, input));
  }
  return table;
}

}  // namespace

std::shared_ptr<const ImageCodes> quantize_images(const data::ImageSet& images,
                                                  const net::Network& network) {
  const net::Activation& input = network.input();
  const net::Shape shape{images.channels, images.height, images.width};
  FLATENN_CHECK(shape == input.shape, "images of ", images.name, " are ", shape.channels, "x",
                shape.height, "x", shape.width, ", but network ", network.name, " takes ",
                input.shape.channels, "x", input.shape.height, "x", input.shape.width);
  auto result = std::make_shared<ImageCodes>();
  result->shape = shape;
  result->count = images.count;
  result->codes.resize(images.pixels.size());
  const int64_t plane = shape.height * shape.width;
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    const Table table = code_table(images, channel, input);
    for (int64_t image = 0; image < images.count; ++image) {
      const int64_t at = (image * shape.channels + channel) * plane;
      for (int64_t i = at; i < at + plane; ++i) {
        result->codes[static_cast<size_t>(i)] = table[images.pixels[static_cast<size_t>(i)]];
      }
    }
  }
  return result;
}

}  // namespace flatenn::engine
