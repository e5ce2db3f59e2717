#include "engine/onednn/probe.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/arithmetic.h"
#include "engine/chunked/aligned_bytes.h"
#include "engine/onednn/nhwc.h"
#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::engine::onednn {
namespace {

/// Freezing clamps biases here, too.
constexpr double kLargestBias = 1 << 30;

std::vector<uint8_t> random_bytes(int64_t count, uint64_t sub) {
  RandomStream random(0, 0, RandomPurpose::kDirection, sub);
  std::vector<uint64_t> words(static_cast<size_t>(count + 7) / 8);
  random.fill(words);
  std::vector<uint8_t> bytes;
  for (const uint64_t word : words) {
    for (int shift = 0; shift < 64; shift += 8)
      bytes.push_back(static_cast<uint8_t>(word >> shift));
  }
  return bytes;
}

struct Place {
  int64_t image, y, x;
};

class Probe {
 public:
  Probe(const net::Network& network, const net::Layer& layer, int64_t batch)
      : network_(network),
        layer_(layer),
        src_(activation(layer.src)),
        dst_(activation(layer.dst)),
        batch_(batch),
        multiplier_(net::multipliers(network, layer)),
        codes_(random_codes(src_, 0)) {
    if (layer.skip >= 0) skip_ = random_codes(activation(layer.skip), 1);
    const net::Weights& w = layer.weights;
    const int mask = (1 << w.bits) - 1;
    const std::vector<uint8_t> bytes = random_bytes(w.elements(), 2);
    for (int64_t i = 0; i < w.elements(); ++i) {
      const int code = (bytes[static_cast<size_t>(i)] & mask) - (1 << (w.bits - 1));
      values_.push_back(static_cast<int8_t>(w.value(static_cast<int8_t>(code))));
    }
    for (int64_t c = 0; c < w.out_channels; ++c) {
      sums_.push_back(sum(c));
      bias_.push_back(centring_bias(c));
    }
  }

  std::optional<std::string> first_wrong(const dnnl::engine& engine, const FusedLayer& fused,
                                         const Packing& packing) const {
    const AlignedBytes packed(packing.bytes(), 0);
    packing.pack(values_.data(), reinterpret_cast<int8_t*>(packed.data()));
    const AlignedBytes dst(batch_ * dst_.shape.elements() * (dst_.is_float ? 4 : 1), 0);
    std::ranges::copy(skip_, dst.data());
    const std::vector<BiasWord> bias(bias_.begin(), bias_.end());
    dnnl::stream stream(engine);
    FusedLayer::Arguments arguments(fused);
    fused.run(stream, arguments,
              {.src = codes_.data(),
               .dst = dst.data(),
               .weights = reinterpret_cast<const int8_t*>(packed.data()),
               .bias = bias.data()});
    for (int64_t c = 0; c < layer_.weights.out_channels; ++c) {
      const float got = output(dst.data(), c);
      const float expected = expected_output(c);
      if (got == expected) continue;
      return detail::concat("channel ", c, " of layer ", layer_.name, " is ", got, " instead of ",
                            expected, " (", fused.implementation(), ")");
    }
    return {};
  }

 private:
  const net::Activation& activation(int64_t index) const {
    return network_.activations[static_cast<size_t>(index)];
  }

  /// [batch, NHWC]
  std::vector<uint8_t> random_codes(const net::Activation& a, uint64_t sub) const {
    std::vector<uint8_t> bytes = random_bytes(batch_ * a.shape.elements(), sub);
    for (uint8_t& byte : bytes)
      byte = static_cast<uint8_t>((byte & ((1 << a.bits) - 1)) + a.min_code());
    return bytes;
  }

  /// The middle for every other channel, else somewhere.
  Place place(int64_t c) const {
    const net::Shape& shape = dst_.shape;
    if (c % 2 == 0) return {c % batch_, shape.height / 2, shape.width / 2};
    return {c % batch_, c * 5 % shape.height, c * 3 % shape.width};
  }

  int64_t place_in(int64_t c, const net::Shape& shape) const {
    const Place at = place(c);
    return ((at.image * shape.height + at.y) * shape.width + at.x) * shape.channels + c;
  }

  int32_t sum(int64_t c) const {
    const bool conv = layer_.kind == net::LayerKind::kConv;
    const net::Weights& w = layer_.weights;
    const net::Shape& in = src_.shape;
    const Place at = place(c);
    const int64_t channels = conv ? w.in_channels : in.channels;
    const int64_t first = conv ? c / (w.out_channels / layer_.groups) * channels : 0;
    const int64_t height = conv ? w.kernel_height : in.height;
    const int64_t width = conv ? w.kernel_width : in.width;
    const int64_t top = conv ? at.y * layer_.stride() - layer_.pad() : 0;
    const int64_t left = conv ? at.x * layer_.stride() - layer_.pad() : 0;
    const int8_t* value = &values_[static_cast<size_t>(c * w.fan_in())];
    int32_t acc = 0;
    for (int64_t i = 0; i < channels; ++i) {
      for (int64_t y = top; y < top + height; ++y) {
        for (int64_t x = left; x < left + width; ++x, ++value) {
          if (y < 0 || y >= in.height || x < 0 || x >= in.width) continue;
          const int64_t byte =
              ((at.image * in.height + y) * in.width + x) * in.channels + first + i;
          acc += *value * code_of(src_, codes_[static_cast<size_t>(byte)]);
        }
      }
    }
    return acc;
  }

  int32_t centring_bias(int64_t c) const {
    const double middle = dst_.is_float ? 1 : 0.5 * (dst_.min_code() + dst_.max_code());
    const double wanted = middle / static_cast<double>(multiplier_[static_cast<size_t>(c)]);
    const double bias = wanted - sums_[static_cast<size_t>(c)];
    if (!(std::abs(bias) <= kLargestBias)) return 0;
    return static_cast<int32_t>(std::lround(bias));
  }

  float expected_output(int64_t c) const {
    const auto at = static_cast<size_t>(c);
    float y = scaled(sums_[at], bias_[at], multiplier_[at]);
    if (layer_.skip >= 0) {
      const uint8_t byte = skip_[static_cast<size_t>(place_in(c, dst_.shape))];
      y = std::fma(static_cast<float>(code_of(activation(layer_.skip), byte)),
                   net::skip_multiplier(network_, layer_), y);
    }
    if (layer_.relu) y = rectified(y);
    return dst_.is_float ? y : static_cast<float>(rounded(y, dst_));
  }

  float output(const uint8_t* dst, int64_t c) const {
    const int64_t at = place_in(c, dst_.shape);
    if (dst_.is_float) return reinterpret_cast<const float*>(dst)[at];
    return static_cast<float>(code_of(dst_, dst[at]));
  }

  const net::Network& network_;
  const net::Layer& layer_;
  const net::Activation& src_;
  const net::Activation& dst_;
  int64_t batch_;
  std::vector<float> multiplier_;
  std::vector<uint8_t> codes_;  ///< [batch, NHWC]
  std::vector<uint8_t> skip_;   ///< The same of the skip; empty without one.
  std::vector<int8_t> values_;  ///< OIHW
  std::vector<int32_t> sums_;   ///< [channels]
  std::vector<int32_t> bias_;
};

}  // namespace

std::optional<std::string> wrong_output(const dnnl::engine& engine, const FusedLayer& fused,
                                        const Packing& packing, const net::Network& network,
                                        const net::Layer& layer, int64_t batch) {
  return Probe(network, layer, batch).first_wrong(engine, fused, packing);
}

}  // namespace flatenn::engine::onednn
