#include "engine/onednn/nhwc.h"

#include <algorithm>
#include <limits>

#include "engine/arithmetic.h"

namespace flatenn::engine::onednn {
namespace {

/// The part of a pooling window that lies inside the image.
struct Window {
  int64_t top, bottom, left, right;
};

Window window_at(const net::Layer& layer, const net::Shape& in, int64_t y, int64_t x) {
  const int64_t top = y * layer.stride() - layer.pad();
  const int64_t left = x * layer.stride() - layer.pad();
  return {std::max<int64_t>(top, 0), std::min(top + layer.kernel(), in.height),
          std::max<int64_t>(left, 0), std::min(left + layer.kernel(), in.width)};
}

/// Calls body(bytes of a pixel's channels) over the window.
template <typename Body>
void for_pixels(const Window& window, const net::Shape& in, const uint8_t* image,
                const Body& body) {
  for (int64_t y = window.top; y < window.bottom; ++y) {
    for (int64_t x = window.left; x < window.right; ++x) {
      body(image + (y * in.width + x) * in.channels);
    }
  }
}

/// Code is uint8_t or int8_t: how bytes of the activation read.
template <typename Code>
void largest(const Window& window, const net::Shape& in, const uint8_t* image, uint8_t* out) {
  std::fill_n(reinterpret_cast<Code*>(out), in.channels, std::numeric_limits<Code>::min());
  for_pixels(window, in, image, [&](const uint8_t* pixel) {
    auto* best = reinterpret_cast<Code*>(out);
    const auto* codes = reinterpret_cast<const Code*>(pixel);
    for (int64_t c = 0; c < in.channels; ++c) best[c] = std::max(best[c], codes[c]);
  });
}

struct Averager {
  const net::Activation& src;
  const net::Activation& dst;
  float multiplier;

  void operator()(const Window& window, const uint8_t* image, uint8_t* out) const {
    for (int64_t c = 0; c < src.shape.channels; ++c) {
      int32_t sum = 0;
      for_pixels(window, src.shape, image,
                 [&](const uint8_t* pixel) { sum += code_of(src, pixel[c]); });
      out[c] = static_cast<uint8_t>(rounded(static_cast<float>(sum) * multiplier, dst));
    }
  }
};

}  // namespace

void run_pool(const net::Network& network, const net::Layer& layer, int64_t images,
              const uint8_t* src, uint8_t* dst) {
  const net::Activation& in = network.activations[static_cast<size_t>(layer.src)];
  const net::Activation& out = network.activations[static_cast<size_t>(layer.dst)];
  const Averager average{in, out, net::pool_multiplier(network, layer)};
  for (int64_t i = 0; i < images; ++i, src += in.shape.elements()) {
    for (int64_t y = 0; y < out.shape.height; ++y) {
      for (int64_t x = 0; x < out.shape.width; ++x, dst += out.shape.channels) {
        const Window window = window_at(layer, in.shape, y, x);
        if (layer.kind == net::LayerKind::kAvgPool) {
          average(window, src, dst);
        } else if (in.is_signed) {
          largest<int8_t>(window, in.shape, src, dst);
        } else {
          largest<uint8_t>(window, in.shape, src, dst);
        }
      }
    }
  }
}

}  // namespace flatenn::engine::onednn
