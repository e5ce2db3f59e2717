#pragma once

#include <cstdint>

/// The loops of conv_max_pool for one image. Rows are padded: a plane of the input has `height`
/// rows of `row` floats, the image at row and column `pad`, zeros elsewhere.
namespace flatenn::nn {

struct ConvPoolShape {
  static constexpr int kKernel = 5;  ///< The one kernel size that is compiled.

  int64_t in_channels;
  int64_t out_channels;
  int64_t height;       ///< Padded input rows.
  int64_t row;          ///< Floats from one padded row to the next: 16 * vectors + 16.
  int64_t vectors;      ///< 16-wide vectors that hold a row of conv outputs, 1 or 2.
  int64_t pool_height;  ///< Rows and columns of the pooled output.
  int64_t pool_width;

  int64_t plane() const { return height * row; }
  /// Floats of a gradient of the weights as the kernels keep it: [out][in][kernel][8].
  int64_t wide_weights() const { return out_channels * in_channels * kKernel * 8; }
};

/// Pooled sums [out][pool_height][pool_width], without bias, and which of the four places of each
/// window won (0..3, row-major). `weight` is OIHW.
void conv_pool_forward(const ConvPoolShape& shape, const float* input, const float* weight,
                       float* pooled, uint8_t* winner);

/// Places of a map that a gradient reaches.
struct SparseGradient {
  const float* value;
  const int32_t* offset;  ///< Of the window's upper left corner in a padded plane.
  int64_t count;
};

/// Adds one output channel's share to its weights' gradient [in][kernel][8] (the last 3 of each
/// row are without meaning).
void conv_pool_weight_gradient(const ConvPoolShape& shape, const SparseGradient& gradient,
                               const float* input, float* wide_gradient);

/// Adds one output channel's share to the padded input's gradient. `wide_weight` is
/// [in][kernel][8], zero past the kernel's width.
void conv_pool_input_gradient(const ConvPoolShape& shape, const SparseGradient& gradient,
                              const float* wide_weight, float* input_gradient);

}  // namespace flatenn::nn
