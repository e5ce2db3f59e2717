#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define FLATENN_HOST_DEVICE __host__ __device__
#else
#define FLATENN_HOST_DEVICE
#endif

namespace flatenn::engine::cuda {

/// A changed weight as it travels to the device.
struct WeightWrite {
  uint32_t element = 0;  ///< Counted over all layers: the layer's first_element + OIHW index.
  int32_t code = 0;
};

struct BiasWrite {
  uint32_t factor = 0;  ///< Index into the channel factors.
  float bias = 0;
};

/// Where the layered engine keeps a layer's weights: a row of values for each output channel, and
/// within it, for each piece of `unit` input channels, tap after tap.
struct WeightLayout {
  int64_t first_element = 0;  ///< Elements of the layers before.
  int64_t elements = 0;
  int64_t offset = 0;     ///< Of the layer's first byte.
  int64_t row_bytes = 0;  ///< A multiple of the tile kernel's stage, zeros behind the last weight.
  int64_t rows = 0;       ///< Output channels, padded.
  int32_t in_channels = 1;
  int32_t taps = 1;
  int32_t unit = 1;
  bool columns = false;     ///< Taps and channels are one run, channels fastest.
  bool odd_values = false;  ///< net::ValueMap::kOdd

  /// Offset of the byte that holds OIHW element `element`.
  FLATENN_HOST_DEVICE int64_t position(int64_t element) const {
    const int64_t row = element / (in_channels * taps);
    const int64_t rest = element % (in_channels * taps);
    const int64_t channel = rest / taps;
    const int64_t tap = rest % taps;
    const int64_t start = offset + row * row_bytes;
    if (columns) return start + tap * in_channels + channel;
    return start + (channel / unit * taps + tap) * unit + channel % unit;
  }
  FLATENN_HOST_DEVICE int8_t value(int32_t code) const {
    return static_cast<int8_t>(odd_values ? 2 * code + 1 : code);
  }
};

}  // namespace flatenn::engine::cuda
