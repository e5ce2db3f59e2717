#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "engine/arithmetic.h"
#include "engine/code_room.h"
#include "flatenn/base/error.h"
#include "flatenn/base/mapped_file.h"
#include "flatenn/base/parallel.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine {
namespace {

using Table = std::array<int8_t, 256>;

/// `values[channel]`, where there is one value for all channels or one for each.
float pick(const std::vector<float>& values, int64_t channel, float fallback) {
  if (values.empty()) return fallback;
  return values[values.size() == 1 ? 0 : static_cast<size_t>(channel)];
}

/// Turns one channel's numbers into codes.
class ChannelEncoder {
 public:
  ChannelEncoder(const net::Network& network, int64_t channel)
      : input_(network.input()),
        half_away_(network.image.half_away),
        scales_(!network.image.factor.empty()),
        shifts_(!network.image.shift.empty()),
        factor_(pick(network.image.factor, channel, 1)),
        shift_(pick(network.image.shift, channel, 0)) {}

  int8_t operator()(float value) const {
    if (scales_) value *= factor_;
    if (shifts_) value += shift_;
    value /= input_.scale;
    return static_cast<int8_t>(rounded(half_away_ ? std::round(value) : value, input_));
  }

 private:
  const net::Activation& input_;
  bool half_away_;
  bool scales_;
  bool shifts_;
  float factor_;
  float shift_;
};

/// The code of every pixel value of one channel.
Table code_table(const data::ImageSet& images, int64_t channel, const net::Network& network) {
  const ChannelEncoder encode(network, channel);
  Table table{};
  for (size_t pixel = 0; pixel < table.size(); ++pixel) {
    table[pixel] =
        encode(network.image.raw_pixels ? static_cast<float>(pixel)
                                        : images.normalized(channel, static_cast<uint8_t>(pixel)));
  }
  return table;
}

void encode_pixels(const data::ImageSet& images, const std::vector<Table>& tables, int64_t first,
                   int64_t count, int8_t* codes) {
  const int64_t plane = images.height * images.width;
  const uint8_t* const pixels = images.pixels.data();
  for (int64_t i = first * images.channels; i < (first + count) * images.channels; ++i) {
    const Table& table = tables[static_cast<size_t>(i % images.channels)];
    for (int64_t at = i * plane; at < (i + 1) * plane; ++at) codes[at] = table[pixels[at]];
  }
}

void encode_values(const data::ImageSet& images, const net::Network& network, int64_t first,
                   int64_t count, int8_t* codes) {
  const int64_t plane = images.height * images.width;
  for (int64_t i = first * images.channels; i < (first + count) * images.channels; ++i) {
    const ChannelEncoder encode(network, i % images.channels);
    for (int64_t at = i * plane; at < (i + 1) * plane; ++at) {
      codes[at] = encode(images.values[static_cast<size_t>(at)]);
    }
  }
}

/// The pixels themselves, where they are the codes.
bool are_pixels(const std::vector<Table>& tables) {
  return std::all_of(tables.begin(), tables.end(), [](const Table& table) {
    for (size_t pixel = 0; pixel < table.size(); ++pixel) {
      if (static_cast<uint8_t>(table[pixel]) != pixel) return false;
    }
    return true;
  });
}

}  // namespace

CodeRoom room_for_codes(const data::ImageSet& images, size_t most_in_memory) {
  const size_t size = images.values.empty() ? images.pixels.size() : images.values.size();
  if (!images.pixels.in_file() || size <= most_in_memory) {
    CodeRoom room{.codes = std::vector<int8_t>(size)};
    room.to = room.codes.data();
    return room;
  }
  const auto file = MappedFile::scratch(data::cache_folder(), size);
  auto* const to = reinterpret_cast<int8_t*>(file->data());
  return {.codes = {file, to, size}, .to = to};
}

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
  const bool of_pixels = images.values.empty();
  std::vector<Table> tables;
  for (int64_t channel = 0; of_pixels && channel < shape.channels; ++channel) {
    tables.push_back(code_table(images, channel, network));
  }
  if (images.pixels.is_mapped() && are_pixels(tables)) {
    result->codes = {images.pixels.file(), reinterpret_cast<const int8_t*>(images.pixels.data()),
                     images.pixels.size()};
    return result;
  }
  constexpr size_t kMostInMemory = size_t{1} << 29;
  CodeRoom room = room_for_codes(images, kMostInMemory);
  constexpr int64_t kImagesAtOnce = 256;
  parallel_for((images.count + kImagesAtOnce - 1) / kImagesAtOnce, threads, [&](int64_t part) {
    const int64_t first = part * kImagesAtOnce;
    const int64_t count = std::min(kImagesAtOnce, images.count - first);
    if (of_pixels) {
      encode_pixels(images, tables, first, count, room.to);
    } else {
      encode_values(images, network, first, count, room.to);
    }
  });
  result->codes = std::move(room.codes);
  return result;
}

}  // namespace flatenn::engine
