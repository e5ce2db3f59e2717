#include "nn/quantize_cuda.h"
#include "nn/quantize_device.cuh"

namespace flatenn::nn::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 1024;  ///< A row's; enough to fill the largest cards.

/// Calls body(first element, how many of a vector's are there) for this block's part of a row.
template <int kSize, typename Body>
__device__ void for_vectors(int64_t length, Body body) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kSize;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kSize; i < length;
       i += stride) {
    body(i, length - i < kSize ? static_cast<int>(length - i) : kSize);
  }
}

template <typename T>
__device__ Vector<T> load(const T* data, int count, bool aligned) {
  Vector<T> vector{};
  if (aligned && count == Vector<T>::kSize) {
    *reinterpret_cast<uint4*>(&vector) = *reinterpret_cast<const uint4*>(data);
  } else {
    for (int j = 0; j < Vector<T>::kSize; ++j) {
      if (j < count) vector.values[j] = data[j];
    }
  }
  return vector;
}

template <typename T>
__device__ void store(const Vector<T>& vector, T* data, int count, bool aligned) {
  if (aligned && count == Vector<T>::kSize) {
    *reinterpret_cast<uint4*>(data) = *reinterpret_cast<const uint4*>(&vector);
  } else {
    for (int j = 0; j < Vector<T>::kSize; ++j) {
      if (j < count) data[j] = vector.values[j];
    }
  }
}

template <typename T>
__global__ void forward_kernel(QuantizeShape shape, const T* x, const float* scale, T* y) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t row = blockIdx.y;
  const float s = scale[row];
  const float inverse = __fdiv_rn(1.0F, s);
  const int64_t begin = row * shape.row_length;
  const bool aligned = begin % kSize == 0;
  for_vectors<kSize>(shape.row_length, [&](int64_t i, int count) {
    Vector<T> vector = load(x + begin + i, count, aligned);
#pragma unroll
    for (T& value : vector.values) {
      from_float(real_value(quantize(to_float(value), inverse, shape), s), value);
    }
    store(vector, y + begin + i, count, aligned);
  });
}

/// The block's sum, valid in thread 0.
__device__ float block_sum(float value) {
  __shared__ float warps[kThreads / 32];
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(~0U, value, offset);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x != 0) return 0;
  float sum = 0;
  for (const float warp : warps) sum += warp;
  return sum;
}

template <typename T>
__global__ void backward_kernel(QuantizeShape shape, const T* grad, const T* x, const float* scale,
                                T* grad_x, float* partial) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t row = blockIdx.y;
  const float inverse = __fdiv_rn(1.0F, scale[row]);
  const int64_t begin = row * shape.row_length;
  const bool aligned = begin % kSize == 0;
  float sum = 0;
  for_vectors<kSize>(shape.row_length, [&](int64_t i, int count) {
    const Vector<T> input = load(x + begin + i, count, aligned);
    Vector<T> above = load(grad + begin + i, count, aligned);
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      const Quantized q = quantize(to_float(input.values[j]), inverse, shape);
      const bool inside = q.clamped == q.u;
      const float g = to_float(above.values[j]);
      sum += g * (inside ? q.v - q.u : q.v);
      if (!inside) from_float(0.0F, above.values[j]);
    }
    store(above, grad_x + begin + i, count, aligned);
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[row * gridDim.x + blockIdx.x] = sum;
}

__global__ void sum_kernel(const float* partial, int64_t blocks, const float* scale,
                           float* grad_scale) {
  const int64_t row = blockIdx.x;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < blocks; i += kThreads) sum += partial[row * blocks + i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) grad_scale[row] = sum * scale[row];
}

int64_t blocks_a_row(const QuantizeShape& shape) {
  const int64_t vectors = shape.type == ElementType::kFloat32 ? 4 : 8;
  const int64_t needed = (shape.row_length + kThreads * vectors - 1) / (kThreads * vectors);
  return needed < kMostBlocks ? needed : kMostBlocks;
}

dim3 grid_of(const QuantizeShape& shape) {
  return {static_cast<unsigned>(blocks_a_row(shape)), static_cast<unsigned>(shape.rows)};
}

}  // namespace

void launch_quantize_forward(const QuantizeShape& shape, const void* x, const float* scale, void* y,
                             cudaStream_t stream) {
  if (shape.type == ElementType::kFloat32) {
    forward_kernel<<<grid_of(shape), kThreads, 0, stream>>>(shape, static_cast<const float*>(x),
                                                            scale, static_cast<float*>(y));
  } else {
    forward_kernel<<<grid_of(shape), kThreads, 0, stream>>>(
        shape, static_cast<const __nv_bfloat16*>(x), scale, static_cast<__nv_bfloat16*>(y));
  }
}

int64_t quantize_backward_scratch(const QuantizeShape& shape) {
  return blocks_a_row(shape) * shape.rows;
}

void launch_quantize_backward(const QuantizeShape& shape, const void* grad, const void* x,
                              const float* scale, void* grad_x, float* grad_scale, float* scratch,
                              cudaStream_t stream) {
  if (shape.type == ElementType::kFloat32) {
    backward_kernel<<<grid_of(shape), kThreads, 0, stream>>>(shape, static_cast<const float*>(grad),
                                                             static_cast<const float*>(x), scale,
                                                             static_cast<float*>(grad_x), scratch);
  } else {
    backward_kernel<<<grid_of(shape), kThreads, 0, stream>>>(
        shape, static_cast<const __nv_bfloat16*>(grad), static_cast<const __nv_bfloat16*>(x), scale,
        static_cast<__nv_bfloat16*>(grad_x), scratch);
  }
  sum_kernel<<<static_cast<unsigned>(shape.rows), kThreads, 0, stream>>>(
      scratch, blocks_a_row(shape), scale, grad_scale);
}

}  // namespace flatenn::nn::cuda
