#include "calibration/element_ops.h"

#include <algorithm>
#include <cmath>

namespace flatenn::calibration {
namespace {

using Inputs = std::span<const std::span<const float>>;

/// One output of a pool over one plane.
float pooled(const FloatOp& op, const float* plane, int64_t y, int64_t x) {
  const net::Window& w = op.window;
  const bool max = op.kind == FloatKind::kMaxPool;
  float most = -INFINITY;
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < w.kernel_height; ++i) {
    const int64_t row = y * w.stride_height - w.top + i * w.dilation_height;
    for (int64_t j = 0; j < w.kernel_width; ++j) {
      const int64_t column = x * w.stride_width - w.left + j * w.dilation_width;
      if (row < 0 || row >= op.in.height || column < 0 || column >= op.in.width) continue;
      const float value = plane[row * op.in.width + column];
      // NaN stays, so that it is found.
      most = std::isnan(value) || value > most ? value : most;
      sum += static_cast<double>(value);
      ++count;
    }
  }
  if (max) return most;
  if (op.count_padding) count = w.kernel_height * w.kernel_width;
  return static_cast<float>(sum / static_cast<double>(std::max<int64_t>(count, 1)));
}

void pool(const FloatOp& op, int64_t images, const float* src, float* dst) {
  for (int64_t plane = 0; plane < images * op.in.channels; ++plane) {
    for (int64_t y = 0; y < op.out.height; ++y) {
      for (int64_t x = 0; x < op.out.width; ++x) *dst++ = pooled(op, src, y, x);
    }
    src += op.in.height * op.in.width;
  }
}

/// Sums and products; the second input may hold one value a channel.
void pair(const FloatOp& op, int64_t images, Inputs inputs, float* dst) {
  const int64_t elements = images * op.out.elements();
  const int64_t repeat = elements / std::max<int64_t>(std::ssize(inputs[1]), 1);
  const bool sum = op.kind == FloatKind::kAdd;
  for (int64_t i = 0; i < elements; ++i) {
    const float a = inputs[0][static_cast<size_t>(i)];
    const float b = inputs[1][static_cast<size_t>(i / repeat)];
    dst[i] = sum ? a + b : a * b;
  }
}

void concat(int64_t images, Inputs inputs, float* dst) {
  for (int64_t image = 0; image < images; ++image) {
    for (const std::span<const float> input : inputs) {
      const int64_t elements = std::ssize(input) / images;
      dst = std::copy_n(input.data() + image * elements, elements, dst);
    }
  }
}

void function(const FloatOp& op, int64_t images, const float* src, float* dst) {
  const int64_t plane = op.out.height * op.out.width;
  for (int64_t at = 0; at < images * op.out.channels; ++at) {
    for (int64_t i = 0; i < plane; ++i) *dst++ = apply(op, at % op.out.channels, *src++);
  }
}

void move(const FloatOp& op, int64_t images, const float* src, float* dst) {
  for (int64_t image = 0; image < images; ++image) {
    for (const int32_t element : op.order) *dst++ = src[element];
    src += op.in.elements();
  }
}

}  // namespace

void element_op(const FloatOp& op, int64_t images, Inputs inputs, float* dst) {
  const float* src = inputs[0].data();
  switch (op.kind) {
    case FloatKind::kMaxPool:
    case FloatKind::kAvgPool:
      return pool(op, images, src, dst);
    case FloatKind::kAdd:
    case FloatKind::kMul:
      return pair(op, images, inputs, dst);
    case FloatKind::kConcat:
      return concat(images, inputs, dst);
    case FloatKind::kFunction:
      return function(op, images, src, dst);
    case FloatKind::kMove:
      return move(op, images, src, dst);
    case FloatKind::kConv:
    case FloatKind::kLinear:
      return;
  }
}

void finish_op(const FloatOp& op, std::span<const float> skip, std::span<float> dst) {
  for (size_t i = 0; i < skip.size(); ++i) dst[i] += skip[i];
  if (!op.is_limited()) return;
  for (float& value : dst) {
    value = value < op.low ? op.low : value > op.high ? op.high : value;  // NaN stays
  }
}

}  // namespace flatenn::calibration
