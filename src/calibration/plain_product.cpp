#include "calibration/plain_product.h"

namespace flatenn::calibration {
namespace {

/// One output of a convolution.
double window_sum(const FloatOp& op, const float* src, const float* filter, int64_t first_channel,
                  int64_t y, int64_t x) {
  const FloatWeights& w = op.weights;
  const net::Window& window = op.window;
  double sum = 0;
  for (int64_t c = 0; c < w.in_channels; ++c) {
    const float* plane = src + (first_channel + c) * op.in.height * op.in.width;
    for (int64_t i = 0; i < w.kernel_height; ++i) {
      const int64_t row = y * window.stride_height - window.top + i * window.dilation_height;
      for (int64_t j = 0; j < w.kernel_width; ++j, ++filter) {
        const int64_t column = x * window.stride_width - window.left + j * window.dilation_width;
        if (row < 0 || row >= op.in.height || column < 0 || column >= op.in.width) continue;
        sum +=
            static_cast<double>(plane[row * op.in.width + column]) * static_cast<double>(*filter);
      }
    }
  }
  return sum;
}

void convolve(const FloatOp& op, const float* src, float* dst) {
  const FloatWeights& w = op.weights;
  const int64_t filters = w.out_channels / op.groups;
  for (int64_t c = 0; c < w.out_channels; ++c) {
    const float* filter = w.values.data() + c * w.fan_in();
    const auto bias = static_cast<double>(w.bias[static_cast<size_t>(c)]);
    for (int64_t y = 0; y < op.out.height; ++y) {
      for (int64_t x = 0; x < op.out.width; ++x) {
        const double sum = window_sum(op, src, filter, c / filters * w.in_channels, y, x);
        *dst++ = static_cast<float>(sum + bias);
      }
    }
  }
}

void multiply(const FloatWeights& w, const float* src, float* dst) {
  const float* weight = w.values.data();
  for (int64_t c = 0; c < w.out_channels; ++c) {
    auto sum = static_cast<double>(w.bias[static_cast<size_t>(c)]);
    for (int64_t i = 0; i < w.in_channels; ++i) {
      sum += static_cast<double>(src[i]) * static_cast<double>(*weight++);
    }
    dst[c] = static_cast<float>(sum);
  }
}

}  // namespace

void plain_product(const FloatOp& op, int64_t images, const float* src, float* dst) {
  for (int64_t i = 0; i < images; ++i) {
    if (op.kind == FloatKind::kConv) {
      convolve(op, src, dst);
    } else {
      multiply(op.weights, src, dst);
    }
    src += op.kind == FloatKind::kConv ? op.in.elements() : op.weights.in_channels;
    dst += op.out.elements();
  }
}

}  // namespace flatenn::calibration
