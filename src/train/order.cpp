#include "flatenn/train/order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::train {
namespace {

std::vector<int64_t> shuffled(RandomStream& stream, int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t left = order.size(); left > 1; --left) {
    std::swap(order[left - 1], order[stream.below(left)]);
  }
  return order;
}

}  // namespace

std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t images) {
  RandomStream stream(seed, static_cast<uint64_t>(epoch), RandomPurpose::kShuffle);
  return shuffled(stream, images);
}

Augmentation augmentation_of(const AugmentationOptions& options, uint64_t seed, int64_t epoch,
                             int64_t image) {
  RandomStream stream(seed, static_cast<uint64_t>(epoch), RandomPurpose::kAugmentation,
                      static_cast<uint64_t>(image));
  const auto shift = [&] {
    return static_cast<int8_t>(
        static_cast<int64_t>(stream.below(static_cast<uint64_t>(2 * options.crop + 1))) -
        options.crop);
  };
  Augmentation result;
  if (options.crop > 0) {
    result.shift_y = shift();
    result.shift_x = shift();
  }
  if (options.flip) result.flip = (stream.next_u32() & 1U) != 0;
  if (options.cutout > 0) {
    result.cut = static_cast<int16_t>(options.cutout);
    result.cut_y = static_cast<uint16_t>(stream.next_u32() >> 16U);
    result.cut_x = static_cast<uint16_t>(stream.next_u32() >> 16U);
  }
  return result;
}

std::vector<int64_t> held_out_images(uint64_t seed, int64_t images, int64_t count) {
  FLATENN_CHECK(count >= 0 && count < images, "held_out_images: expected 0 to ", images - 1, " of ",
                images, " images, got ", count);
  RandomStream stream(seed, 0, RandomPurpose::kHoldOut);
  std::vector<int64_t> order = shuffled(stream, images);
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

data::ImageSet select_images(const data::ImageSet& images, const std::vector<int64_t>& indices) {
  data::ImageSet selected = images;
  selected.count = static_cast<int64_t>(indices.size());
  selected.pixels.clear();
  selected.labels.clear();
  const int64_t elements = images.image_elements();
  selected.pixels.reserve(static_cast<size_t>(selected.count * elements));
  for (const int64_t index : indices) {
    FLATENN_CHECK(index >= 0 && index < images.count, "select_images: index ", index,
                  " is outside the set's ", images.count, " images");
    const uint8_t* const first = images.pixels.data() + index * elements;
    selected.pixels.insert(selected.pixels.end(), first, first + elements);
    selected.labels.push_back(images.labels[static_cast<size_t>(index)]);
  }
  selected.content_hash = data::content_hash(selected);
  return selected;
}

}  // namespace flatenn::train
