#pragma once

#include "flatenn/net/network.h"

/// Activations as oneDNN reads them: bytes, channels innermost.
namespace flatenn::engine::onednn {

/// Place of element `element` (CHW row-major) of image `image`.
inline int64_t nhwc_place(const net::Shape& shape, int64_t image, int64_t element) {
  const int64_t plane = shape.height * shape.width;
  return (image * plane + element % plane) * shape.channels + element / plane;
}

/// The code that a byte of the activation stands for.
inline int16_t code_of(const net::Activation& activation, uint8_t byte) {
  return activation.is_signed ? static_cast<int8_t>(byte) : byte;
}

/// A pooling layer over `images` images.
void run_pool(const net::Network& network, const net::Layer& layer, int64_t images,
              const uint8_t* src, uint8_t* dst);

}  // namespace flatenn::engine::onednn
