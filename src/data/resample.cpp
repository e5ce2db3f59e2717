#include "data/resample.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

constexpr int kFractionBits = 22;
constexpr int32_t kOne = 1 << kFractionBits;

struct Filter {
  double support;  ///< Beyond it, it is 0.
  double (*value)(double);
};

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

/// Keys' cubic convolution with a = -1/2.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

Filter filter_of(Interpolation interpolation) {
  return interpolation == Interpolation::kBilinear ? Filter{1, triangle} : Filter{2, cubic};
}

/// The weighted samples that make one sample of the result.
struct Tap {
  int64_t first = 0;  ///< Sample of the source that weights[0] belongs to.
  std::vector<int32_t> weights;
};

Tap make_tap(int64_t target, double reduction, int64_t source_size, const Filter& filter) {
  const double stretch = std::max(reduction, 1.0);
  const double support = filter.support * stretch;
  const double center = (static_cast<double>(target) + 0.5) * reduction;
  // Truncation, as of a C cast, is what Pillow does below 0 as well.
  Tap tap{.first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0)};
  const int64_t end = std::min(static_cast<int64_t>(center + support + 0.5), source_size);
  std::vector<double> exact;
  double sum = 0;
  for (int64_t x = tap.first; x < end; ++x) {
    const double distance = static_cast<double>(x) - center + 0.5;
    exact.push_back(filter.value(distance * (1 / stretch)));
    sum += exact.back();
  }
  for (double weight : exact) {
    if (sum != 0) weight /= sum;
    tap.weights.push_back(static_cast<int32_t>(weight * kOne + (weight < 0 ? -0.5 : 0.5)));
  }
  return tap;
}

std::vector<Tap> make_taps(int64_t source_size, int64_t size, int64_t first, int64_t count,
                           const Filter& filter) {
  const double reduction = static_cast<double>(source_size) / static_cast<double>(size);
  std::vector<Tap> taps;
  for (int64_t i = first; i < first + count; ++i) {
    taps.push_back(make_tap(i, reduction, source_size, filter));
  }
  return taps;
}

uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

/// Filters along rows; only source rows [first_row, first_row + rows) are made.
Raster filter_rows(const Raster& picture, const std::vector<Tap>& taps, int64_t first_row,
                   int64_t rows) {
  Raster result{.width = std::ssize(taps), .height = rows, .channels = picture.channels};
  result.pixels.resize(static_cast<size_t>(result.width * rows * result.channels));
  uint8_t* to = result.pixels.data();
  for (int64_t y = first_row; y < first_row + rows; ++y) {
    const uint8_t* const row = picture.pixels.data() + y * picture.width * picture.channels;
    for (const Tap& tap : taps) {
      const uint8_t* const from = row + tap.first * picture.channels;
      for (int64_t c = 0; c < picture.channels; ++c) {
        int32_t sum = kOne / 2;
        const uint8_t* sample = from + c;
        for (const int32_t weight : tap.weights) {
          sum += weight * *sample;
          sample += picture.channels;
        }
        *to++ = to_byte(sum);
      }
    }
  }
  return result;
}

/// Filters along columns of a picture whose row 0 is row `first_row` of the taps' source.
Raster filter_columns(const Raster& picture, const std::vector<Tap>& taps, int64_t first_row) {
  Raster result{.width = picture.width, .height = std::ssize(taps), .channels = picture.channels};
  const int64_t row_bytes = picture.width * picture.channels;
  result.pixels.resize(static_cast<size_t>(result.height * row_bytes));
  uint8_t* to = result.pixels.data();
  std::vector<int32_t> sums(static_cast<size_t>(row_bytes));
  for (const Tap& tap : taps) {
    std::fill(sums.begin(), sums.end(), kOne / 2);
    const uint8_t* from = picture.pixels.data() + (tap.first - first_row) * row_bytes;
    for (const int32_t weight : tap.weights) {
      for (int32_t& sum : sums) sum += weight * *from++;
    }
    for (const int32_t sum : sums) *to++ = to_byte(sum);
  }
  return result;
}

/// Colours times alpha, as far as 8 bits go.
void weight_by_alpha(Raster& picture) {
  const auto channels = static_cast<size_t>(picture.channels);
  for (size_t at = 0; at < picture.pixels.size(); at += channels) {
    const uint32_t alpha = picture.pixels[at + channels - 1];
    for (size_t c = 0; c + 1 < channels; ++c) {
      picture.pixels[at + c] = static_cast<uint8_t>(blend(picture.pixels[at + c], alpha));
    }
  }
}

void divide_by_alpha(Raster& picture) {
  const auto channels = static_cast<size_t>(picture.channels);
  for (size_t at = 0; at < picture.pixels.size(); at += channels) {
    const uint32_t alpha = picture.pixels[at + channels - 1];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c + 1 < channels; ++c) {
      picture.pixels[at + c] =
          static_cast<uint8_t>(std::min(255U, 255U * picture.pixels[at + c] / alpha));
    }
  }
}

Raster cut(const Raster& picture, const Crop& crop) {
  Raster result{.width = crop.width, .height = crop.height, .channels = picture.channels};
  const int64_t row_bytes = crop.width * picture.channels;
  for (int64_t y = crop.top; y < crop.top + crop.height; ++y) {
    const uint8_t* const row =
        picture.pixels.data() + (y * picture.width + crop.left) * picture.channels;
    result.pixels.insert(result.pixels.end(), row, row + row_bytes);
  }
  return result;
}

Raster resample_samples(const Raster& picture, int64_t width, int64_t height, const Crop& crop,
                        const Filter& filter) {
  const bool across = width != picture.width;
  const bool down = height != picture.height;
  if (!down) {
    const auto taps = make_taps(picture.width, width, crop.left, crop.width, filter);
    return filter_rows(picture, taps, crop.top, crop.height);
  }
  const auto taps = make_taps(picture.height, height, crop.top, crop.height, filter);
  int64_t first = picture.height;
  int64_t end = 0;
  for (const Tap& tap : taps) {
    first = std::min(first, tap.first);
    end = std::max(end, tap.first + std::ssize(tap.weights));
  }
  const Crop needed{.left = crop.left, .top = first, .width = crop.width, .height = end - first};
  const Raster rows =
      across ? filter_rows(picture, make_taps(picture.width, width, crop.left, crop.width, filter),
                           first, end - first)
             : cut(picture, needed);
  return filter_columns(rows, taps, first);
}

}  // namespace

Raster resample(const Raster& picture, int64_t width, int64_t height, const Crop& crop,
                Interpolation interpolation) {
  FLATENN_ASSERT(crop.left >= 0 && crop.top >= 0 && crop.width >= 1 && crop.height >= 1 &&
                     crop.left + crop.width <= width && crop.top + crop.height <= height,
                 "resample: the crop is outside");
  if (width == picture.width && height == picture.height) return cut(picture, crop);
  const Filter filter = filter_of(interpolation);
  if (!picture.has_alpha()) return resample_samples(picture, width, height, crop, filter);
  Raster weighted = picture;
  weight_by_alpha(weighted);
  Raster result = resample_samples(weighted, width, height, crop, filter);
  divide_by_alpha(result);
  return result;
}

}  // namespace flatenn::data
