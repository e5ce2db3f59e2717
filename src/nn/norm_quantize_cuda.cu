#include "nn/norm_quantize_cuda.h"
#include "nn/quantize_device.cuh"

// A block has kThreads threads: `across` of them side by side over a row's vectors, the others
// below them over rows. A thread keeps its channels, so that what belongs to a channel is read
// once.
namespace flatenn::nn::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostAcross = 32;
constexpr int kSums = 2;  ///< A channel's, in both directions.

/// How the work lies on blocks: x over rows, y over groups of channels.
struct Layout {
  int across;  ///< Threads over a row's vectors; divides kThreads.
  int64_t blocks;
  int64_t groups;
};

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// How many blocks share a map: what was fastest on an H200 (132 multiprocessors). More of them
/// keep more reads in flight, and leave more sums to add.
struct Spread {
  int64_t most_blocks;
  int64_t least_rows;  ///< Of a thread, where there are enough.
};
constexpr Spread kMaps = {528, 4};
constexpr Spread kStatistics = {528, 32};
constexpr Spread kGradientSums = {264, 4};

Layout layout_of(const NormShape& shape, const Spread& spread) {
  const int64_t vectors = shape.channels / vector_size(shape.type);
  int across = 1;
  while (across < vectors && across < kMostAcross) across *= 2;
  const int64_t groups = divide_up(vectors, across);
  const int64_t rows_at_once = kThreads / across;
  const int64_t wanted = divide_up(shape.rows, rows_at_once * spread.least_rows);
  const int64_t most = divide_up(spread.most_blocks, groups);
  return {across, wanted < most ? wanted : most, groups};
}

dim3 grid_of(const Layout& layout) {
  return {static_cast<unsigned>(layout.blocks), static_cast<unsigned>(layout.groups)};
}

dim3 block_of(const Layout& layout) {
  return {static_cast<unsigned>(layout.across), static_cast<unsigned>(kThreads / layout.across)};
}

/// This thread's first channel.
template <typename T>
__device__ int64_t own_channel() {
  return (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * Vector<T>::kSize;
}

/// Calls body(first element) for each of this thread's rows.
template <typename Body>
__device__ void for_rows(const NormShape& shape, int64_t channel, Body body) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.y;
  int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
#pragma unroll 1
  for (; row < shape.rows; row += stride) body(row * shape.channels + channel);
}

template <typename T>
__device__ Vector<T> load(const T* data) {
  Vector<T> vector;
  // Past the cache of what this kernel writes, so that loads need not wait for stores.
  *reinterpret_cast<uint4*>(&vector) = __ldg(reinterpret_cast<const uint4*>(data));
  return vector;
}

__device__ void store(const float (&values)[Vector<float>::kSize], float* data) {
  *reinterpret_cast<uint4*>(data) = *reinterpret_cast<const uint4*>(values);
}

/// Rounds two at a time.
__device__ void store(const float (&values)[Vector<__nv_bfloat16>::kSize], __nv_bfloat16* data) {
  __nv_bfloat162 pairs[Vector<__nv_bfloat16>::kSize / 2];
#pragma unroll
  for (int j = 0; j < Vector<__nv_bfloat16>::kSize / 2; ++j)
    pairs[j] = __floats2bfloat162_rn(values[2 * j], values[2 * j + 1]);
  *reinterpret_cast<uint4*>(data) = *reinterpret_cast<const uint4*>(pairs);
}

/// Channels' parameters in registers.
template <int kSize>
struct Lane {
  float values[kSize];

  __device__ Lane(const float* parameters, int64_t channel) {
#pragma unroll
    for (int j = 0; j < kSize; ++j) values[j] = parameters[channel + j];
  }
  __device__ float operator[](int j) const { return values[j]; }
};

/// Adds the threads' sums of equal channels and writes them to partial[block][kind][channel].
template <int kSize>
__device__ void write_sums(float (&sums)[kSums][kSize], const NormShape& shape, float* partial) {
  constexpr int kOwn = kSums * kSize;
  constexpr int kWarps = kThreads / 32;
  __shared__ float shared[kWarps][kMostAcross][kOwn];
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    float sum = sums[i / kSize][i % kSize];
    for (unsigned offset = 16; offset >= blockDim.x; offset /= 2)
      sum += __shfl_down_sync(~0U, sum, offset);
    if (own % 32 < blockDim.x) shared[own / 32][own % 32][i] = sum;
  }
  __syncthreads();
  const int64_t first = static_cast<int64_t>(blockIdx.y) * blockDim.x * kSize;
  for (unsigned i = own; i < blockDim.x * kOwn; i += kThreads) {
    const unsigned kind = i / (blockDim.x * kSize), place = i % (blockDim.x * kSize);
    if (first + place >= shape.channels) continue;
    float sum = 0;
    for (int warp = 0; warp < kWarps; ++warp)
      sum += shared[warp][place / kSize][kind * kSize + place % kSize];
    partial[(static_cast<int64_t>(blockIdx.x) * kSums + kind) * shape.channels + first + place] =
        sum;
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 2)
    sum_kernel(NormShape shape, const T* x, float* partial) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t channel = own_channel<T>();
  float sums[kSums][kSize] = {};
  if (channel < shape.channels) {
    const Vector<T> pivot = load(x + channel);
    for_rows(shape, channel, [&](int64_t at) {
      const Vector<T> vector = load(x + at);
#pragma unroll
      for (int j = 0; j < kSize; ++j) {
        const float away = to_float(vector.values[j]) - to_float(pivot.values[j]);
        sums[0][j] += away;
        sums[1][j] = fmaf(away, away, sums[1][j]);
      }
    });
  }
  write_sums(sums, shape, partial);
}

constexpr int kFinishChannels = 8;  ///< Of a block that adds blocks' sums.

struct ChannelSums {
  double first, second;
};

/// A channel's sums over blocks, in the threads of threadIdx.y == 0.
__device__ ChannelSums add_blocks(const float* partial, int64_t blocks, int64_t channels,
                                  int64_t channel) {
  __shared__ ChannelSums shared[kThreads];
  ChannelSums sums{};
  if (channel < channels) {
#pragma unroll 4
    for (int64_t block = threadIdx.y; block < blocks; block += blockDim.y) {
      const float* own = partial + block * kSums * channels + channel;
      sums.first += static_cast<double>(own[0]);
      sums.second += static_cast<double>(own[channels]);
    }
  }
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  shared[own] = sums;
  __syncthreads();
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    if (threadIdx.y < half) {
      shared[own].first += shared[own + half * blockDim.x].first;
      shared[own].second += shared[own + half * blockDim.x].second;
    }
    __syncthreads();
  }
  return shared[threadIdx.x];
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 2)
    statistics_kernel(NormShape shape, int64_t blocks, const T* x, const float* gamma,
                      const float* beta, double epsilon, NormStatistics statistics,
                      RunningStatistics running, const float* partial) {
  const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const ChannelSums sums = add_blocks(partial, blocks, shape.channels, c);
  if (threadIdx.y != 0 || c >= shape.channels) return;
  const auto rows = static_cast<double>(shape.rows);
  const double away = sums.first / rows;
  const double mean = static_cast<double>(to_float(x[c])) + away;
  const double spread = sums.second - rows * away * away;
  const double positive = spread < 0 ? 0 : spread;  // keeps a NaN
  const double inverse = 1 / sqrt(positive / rows + epsilon);
  const double factor = static_cast<double>(gamma[c]) * inverse;
  statistics.mean[c] = static_cast<float>(mean);
  statistics.inverse_deviation[c] = static_cast<float>(inverse);
  statistics.factor[c] = static_cast<float>(factor);
  statistics.shift[c] = static_cast<float>(static_cast<double>(beta[c]) - mean * factor);
  if (running.mean == nullptr) return;
  const float keep = 1 - running.momentum;
  const double unbiased = positive / (rows > 1 ? rows - 1 : 1);
  running.mean[c] = keep * running.mean[c] + running.momentum * static_cast<float>(mean);
  running.variance[c] =
      keep * running.variance[c] + running.momentum * static_cast<float>(unbiased);
}

/// Of two numbers, or a NaN, which fminf and fmaxf would hide.
__device__ float lesser(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float result;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a > b ? b : a;
#endif
}
__device__ float greater(float a, float b) { return -lesser(-a, -b); }

/// quantize() on a grid of whole numbers, in fewer instructions: a number this large has no place
/// for fractions, so that adding it rounds half to even.
__device__ Quantized quantize_whole(float z, float inverse, const NormShape& shape) {
  constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23
  Quantized q{};
  q.u = __fmul_rn(z, inverse);
  q.clamped = lesser(greater(q.u, shape.low), shape.high);
  q.v = __fsub_rn(__fadd_rn(q.clamped, kRounder), kRounder);
  return q;
}

/// What the quantizer reads: alike in both directions, to the bit.
template <bool kSkip>
__device__ float before_quantizer(float x, float factor, float shift, float skip) {
  const float z = __fmaf_rn(x, factor, shift);
  return kSkip ? __fadd_rn(z, skip) : z;
}

template <typename T, bool kSkip>
__global__ void __launch_bounds__(kThreads, 2)
    forward_kernel(NormShape shape, const T* x, const T* skip, NormStatistics statistics,
                   const float* scale, T* y) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t channel = own_channel<T>();
  if (channel >= shape.channels) return;
  const Lane<kSize> factor(statistics.factor, channel), shift(statistics.shift, channel);
  const float s = *scale;
  const float inverse = __fdiv_rn(1.0F, s);
  for_rows(shape, channel, [&](int64_t at) {
    const Vector<T> vector = load(x + at);
    Vector<T> added{};
    float values[kSize];
    if constexpr (kSkip) added = load(skip + at);
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      const float z = before_quantizer<kSkip>(to_float(vector.values[j]), factor[j], shift[j],
                                              to_float(added.values[j]));
      values[j] = real_value(quantize_whole(z, inverse, shape), s);
    }
    store(values, y + at);
  });
}

/// The block's sum, in thread (0, 0).
__device__ float block_sum(float value) {
  __shared__ float warps[kThreads / 32];
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(~0U, value, offset);
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  if (own % 32 == 0) warps[own / 32] = value;
  __syncthreads();
  float sum = 0;
  for (const float warp : warps) sum += warp;
  return sum;
}

/// Each channel's sums of dL/dz and dL/dz * (x - mean), the blocks' parts of the scale's gradient,
/// and dL/dz itself where a skip connection wants it.
template <typename T, bool kSkip>
__global__ void __launch_bounds__(kThreads, 2)
    gradient_sums_kernel(NormShape shape, const T* grad, const T* x, const T* skip,
                         NormStatistics statistics, const float* scale, T* grad_skip,
                         float* partial, float* scale_partial) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t channel = own_channel<T>();
  float sums[kSums][kSize] = {};
  float of_scale = 0;
  if (channel < shape.channels) {
    const Lane<kSize> factor(statistics.factor, channel), shift(statistics.shift, channel);
    const Lane<kSize> mean(statistics.mean, channel);
    const float inverse = __fdiv_rn(1.0F, *scale);
    for_rows(shape, channel, [&](int64_t at) {
      const Vector<T> input = load(x + at);
      const Vector<T> above = load(grad + at);
      Vector<T> added{};
      float passed[kSize];
      if constexpr (kSkip) added = load(skip + at);
#pragma unroll
      for (int j = 0; j < kSize; ++j) {
        const float value = to_float(input.values[j]);
        const float z =
            before_quantizer<kSkip>(value, factor[j], shift[j], to_float(added.values[j]));
        const Quantized q = quantize_whole(z, inverse, shape);
        const bool inside = q.clamped == q.u;
        const float g = to_float(above.values[j]);
        of_scale = fmaf(g, inside ? q.v - q.u : q.v, of_scale);
        passed[j] = inside ? g : 0.0F;
        sums[0][j] += passed[j];
        sums[1][j] = fmaf(passed[j], value - mean[j], sums[1][j]);
      }
      if constexpr (kSkip) store(passed, grad_skip + at);
    });
  }
  write_sums(sums, shape, partial);
  of_scale = block_sum(of_scale);
  if (threadIdx.x == 0 && threadIdx.y == 0)
    scale_partial[static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x] = of_scale;
}

/// What makes dL/dx of dL/dz: dL/dx = by * dL/dz + along * x + constant.
struct Pull {
  float* along;  ///< [channels]
  float* constant;
};

__device__ void write_scale_gradient(const float* parts, int64_t count, const float* scale,
                                     float scale_factor, float* grad_scale) {
  float sum = 0;
  const unsigned own = threadIdx.y * blockDim.x + threadIdx.x;
  for (int64_t i = own; i < count; i += kThreads) sum += parts[i];
  sum = block_sum(sum);
  if (own == 0) *grad_scale = sum * *scale * scale_factor;
}

__global__ void __launch_bounds__(kThreads, 2)
    gradients_kernel(NormShape shape, int64_t blocks, int64_t groups, NormStatistics statistics,
                     const float* scale, float scale_factor, NormGradients gradients, Pull pull,
                     const float* partial, const float* scale_partial) {
  if (blockIdx.x == gridDim.x - 1)
    return write_scale_gradient(scale_partial, blocks * groups, scale, scale_factor,
                                gradients.scale);
  const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const ChannelSums sums = add_blocks(partial, blocks, shape.channels, c);
  if (threadIdx.y != 0 || c >= shape.channels) return;
  const auto rows = static_cast<double>(shape.rows);
  const double inverse = static_cast<double>(statistics.inverse_deviation[c]);
  const double factor = static_cast<double>(statistics.factor[c]);
  gradients.beta[c] = static_cast<float>(sums.first);
  gradients.gamma[c] = static_cast<float>(sums.second * inverse);
  const double slope = -factor * inverse * inverse * sums.second / rows;
  pull.along[c] = static_cast<float>(slope);
  pull.constant[c] = static_cast<float>(-factor * sums.first / rows -
                                        slope * static_cast<double>(statistics.mean[c]));
}

/// Without a skip connection dL/dz is computed anew from `grad`; with one, `grad` is dL/dz.
template <typename T, bool kSkip>
__global__ void __launch_bounds__(kThreads, 2)
    input_gradient_kernel(NormShape shape, const T* grad, const T* x, NormStatistics statistics,
                          const float* scale, Pull pull, T* grad_x) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t channel = own_channel<T>();
  if (channel >= shape.channels) return;
  const Lane<kSize> factor(statistics.factor, channel), shift(statistics.shift, channel);
  const Lane<kSize> along(pull.along, channel), constant(pull.constant, channel);
  const float inverse = __fdiv_rn(1.0F, *scale);
  for_rows(shape, channel, [&](int64_t at) {
    const Vector<T> input = load(x + at), above = load(grad + at);
    float values[kSize];
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      const float value = to_float(input.values[j]);
      float passed = to_float(above.values[j]);
      if constexpr (!kSkip) {
        const Quantized q = quantize_whole(
            before_quantizer<false>(value, factor[j], shift[j], 0.0F), inverse, shape);
        if (q.clamped != q.u) passed = 0.0F;
      }
      values[j] = fmaf(factor[j], passed, fmaf(along[j], value, constant[j]));
    }
    store(values, grad_x + at);
  });
}

int64_t sums_of(const NormShape& shape, const Layout& layout) {
  return layout.blocks * kSums * shape.channels;
}

dim3 finish_block() { return {kFinishChannels, kThreads / kFinishChannels}; }

unsigned finish_blocks(const NormShape& shape) {
  return static_cast<unsigned>(divide_up(shape.channels, kFinishChannels));
}

template <typename T>
void statistics(const NormShape& shape, const T* x, const float* gamma, const float* beta,
                double epsilon, const NormStatistics& result, const RunningStatistics& running,
                float* scratch, cudaStream_t stream) {
  const Layout layout = layout_of(shape, kStatistics);
  sum_kernel<<<grid_of(layout), block_of(layout), 0, stream>>>(shape, x, scratch);
  statistics_kernel<<<finish_blocks(shape), finish_block(), 0, stream>>>(
      shape, layout.blocks, x, gamma, beta, epsilon, result, running, scratch);
}

template <typename T, bool kSkip>
void forward(const NormShape& shape, const void* x, const void* skip,
             const NormStatistics& statistics, const float* scale, void* y, cudaStream_t stream) {
  const Layout layout = layout_of(shape, kMaps);
  forward_kernel<T, kSkip><<<grid_of(layout), block_of(layout), 0, stream>>>(
      shape, static_cast<const T*>(x), static_cast<const T*>(skip), statistics, scale,
      static_cast<T*>(y));
}

template <typename T, bool kSkip>
void backward(const NormShape& shape, const void* grad, const void* x, const void* skip,
              const NormStatistics& statistics, const float* scale, float scale_factor,
              const NormGradients& gradients, float* scratch, cudaStream_t stream) {
  const Layout layout = layout_of(shape, kGradientSums), maps = layout_of(shape, kMaps);
  float* scale_partial = scratch + sums_of(shape, layout);
  float* along = scale_partial + layout.blocks * layout.groups;
  const Pull pull{along, along + shape.channels};
  auto* grad_skip = static_cast<T*>(gradients.skip);
  gradient_sums_kernel<T, kSkip><<<grid_of(layout), block_of(layout), 0, stream>>>(
      shape, static_cast<const T*>(grad), static_cast<const T*>(x), static_cast<const T*>(skip),
      statistics, scale, grad_skip, scratch, scale_partial);
  gradients_kernel<<<finish_blocks(shape) + 1, finish_block(), 0, stream>>>(
      shape, layout.blocks, layout.groups, statistics, scale, scale_factor, gradients, pull,
      scratch, scale_partial);
  input_gradient_kernel<T, kSkip><<<grid_of(maps), block_of(maps), 0, stream>>>(
      shape, kSkip ? grad_skip : static_cast<const T*>(grad), static_cast<const T*>(x), statistics,
      scale, pull, static_cast<T*>(gradients.x));
}

}  // namespace

int64_t vector_size(ElementType type) {
  return type == ElementType::kFloat32 ? Vector<float>::kSize : Vector<__nv_bfloat16>::kSize;
}

int64_t norm_scratch(const NormShape& shape) {
  const Layout gradients = layout_of(shape, kGradientSums);
  const int64_t forward = sums_of(shape, layout_of(shape, kStatistics));
  const int64_t backward =
      sums_of(shape, gradients) + gradients.blocks * gradients.groups + 2 * shape.channels;
  return forward > backward ? forward : backward;
}

void launch_norm_statistics(const NormShape& shape, const void* x, const float* gamma,
                            const float* beta, double epsilon, const NormStatistics& result,
                            const RunningStatistics& running, float* scratch, cudaStream_t stream) {
  if (shape.type == ElementType::kFloat32) {
    statistics(shape, static_cast<const float*>(x), gamma, beta, epsilon, result, running, scratch,
               stream);
  } else {
    statistics(shape, static_cast<const __nv_bfloat16*>(x), gamma, beta, epsilon, result, running,
               scratch, stream);
  }
}

void launch_norm_quantize(const NormShape& shape, const void* x, const void* skip,
                          const NormStatistics& statistics, const float* scale, void* y,
                          cudaStream_t stream) {
  const bool wide = shape.type == ElementType::kFloat32;
  const auto launch = skip != nullptr
                          ? (wide ? forward<float, true> : forward<__nv_bfloat16, true>)
                          : (wide ? forward<float, false> : forward<__nv_bfloat16, false>);
  launch(shape, x, skip, statistics, scale, y, stream);
}

void launch_norm_quantize_backward(const NormShape& shape, const void* grad, const void* x,
                                   const void* skip, const NormStatistics& statistics,
                                   const float* scale, float scale_factor,
                                   const NormGradients& gradients, float* scratch,
                                   cudaStream_t stream) {
  const bool wide = shape.type == ElementType::kFloat32;
  const auto launch = skip != nullptr
                          ? (wide ? backward<float, true> : backward<__nv_bfloat16, true>)
                          : (wide ? backward<float, false> : backward<__nv_bfloat16, false>);
  launch(shape, grad, x, skip, statistics, scale, scale_factor, gradients, scratch, stream);
}

}  // namespace flatenn::nn::cuda
