#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "nn/quantize_cuda.h"

/// The CUDA kernels behind norm_quantize(), free of LibTorch.
namespace flatenn::nn::cuda {

/// Rows of channels: all images' positions, channels innermost.
struct NormShape {
  int64_t rows = 0;
  int64_t channels = 0;                      ///< A multiple of vector_size().
  ElementType type = ElementType::kFloat32;  ///< Of maps and their gradients; parameters: float32.
  float low = 0, high = 0;                   ///< The grid's ends, whole numbers.
};

/// Elements in 16 bytes.
int64_t vector_size(ElementType type);

/// Floats of scratch memory that each call below needs.
int64_t norm_scratch(const NormShape& shape);

/// What a batch says of each channel.
struct NormStatistics {
  float* mean;    ///< [channels]
  float* factor;  ///< gamma / sigma
  float* shift;   ///< beta - mean * factor
  float* inverse_deviation;
};

/// Running statistics that move with the batch; null: they stay.
struct RunningStatistics {
  float* mean;
  float* variance;
  float momentum;
};

/// Mean and variance are summed around the first row's values. Sums run in an order that depends on
/// the shape alone.
void launch_norm_statistics(const NormShape& shape, const void* x, const float* gamma,
                            const float* beta, double epsilon, const NormStatistics& statistics,
                            const RunningStatistics& running, float* scratch, cudaStream_t stream);

/// y = scale * v((x * factor + shift + skip) / scale), in float32 whatever the type; skip may be
/// null.
void launch_norm_quantize(const NormShape& shape, const void* x, const void* skip,
                          const NormStatistics& statistics, const float* scale, void* y,
                          cudaStream_t stream);

struct NormGradients {
  void* x;
  void* skip;    ///< Null where there is none.
  float* gamma;  ///< [channels]
  float* beta;
  float* scale;  ///< [1], as launch_quantize_backward()'s, times scale_factor.
};

/// The gradients of launch_norm_quantize(), through the batch's statistics.
void launch_norm_quantize_backward(const NormShape& shape, const void* grad, const void* x,
                                   const void* skip, const NormStatistics& statistics,
                                   const float* scale, float scale_factor,
                                   const NormGradients& gradients, float* scratch,
                                   cudaStream_t stream);

}  // namespace flatenn::nn::cuda
