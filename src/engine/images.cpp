#include <algorithm>
#include <array>

#include "engine/arithmetic.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
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

void encode(const data::ImageSet& images, const std::vector<Table>& tables, int64_t first,
            int64_t count, int8_t* codes) {
  const int64_t plane = images.height * images.width;
  const uint8_t* const pixels = images.pixels.data();
  for (int64_t i = first * images.channels; i < (first + count) * images.channels; ++i) {
    const Table& table = tables[static_cast<size_t>(i % images.channels)];
    for (int64_t at = i * plane; at < (i + 1) * plane; ++at) codes[at] = table[pixels[at]];
  }
}

}  // namespace

std::shared_ptr<const ImageCodes> quantize_images(const data::ImageSet& images,
                                                  const net::Network& network, int64_t threads) {
  const net::Activation& input = network.input();
  const net::Shape shape{images.channels, images.height, images.width};
  FLATENN_CHECK(shape == input.shape, "images of ", images.name, " are ", shape.channels, "x",
                shape.height, "x", shape.width, ", but network ", network.name, " takes ",
                input.shape.channels, "x", input.shape.height, "x", input.shape.width);
  auto result = std::make_shared<ImageCodes>();
  result->shape = shape;
  result->count = images.count;
  result->codes.resize(images.pixels.size());
  std::vector<Table> tables;
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    tables.push_back(code_table(images, channel, input));
  }
  constexpr int64_t kImagesAtOnce = 256;
  parallel_for((images.count + kImagesAtOnce - 1) / kImagesAtOnce, threads, [&](int64_t part) {
    const int64_t first = part * kImagesAtOnce;
    const int64_t count = std::min(kImagesAtOnce, images.count - first);
    encode(images, tables, first, count, result->codes.data());
  });
  return result;
}

}  // namespace flatenn::engine
