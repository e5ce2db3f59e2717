#include "data/cifar_png.h"

#include "data/png.h"
#include "flatenn/base/error.h"

namespace flatenn::data {

std::vector<uint8_t> cifar_records(const std::string& name, std::span<const uint8_t> png,
                                   std::span<const uint8_t> labels) {
  constexpr int64_t kPlane = 32 * 32;
  const Picture picture = decode_png(name, png);
  const auto images = static_cast<int64_t>(labels.size());
  FLATENN_CHECK(picture.width == kPlane && picture.height == images, name, ": expected ", kPlane,
                "x", images, " pixels (one image a row), got ", picture.width, "x", picture.height);
  std::vector<uint8_t> records;
  records.reserve(static_cast<size_t>(images * (1 + 3 * kPlane)));
  for (int64_t i = 0; i < images; ++i) {
    records.push_back(labels[static_cast<size_t>(i)]);
    const uint8_t* row = picture.rgb.data() + i * 3 * kPlane;
    for (int64_t channel = 0; channel < 3; ++channel) {
      for (int64_t j = 0; j < kPlane; ++j) records.push_back(row[3 * j + channel]);
    }
  }
  return records;
}

}  // namespace flatenn::data
