#include "engine/cuda/requantize.cuh"
#include "engine/cuda/small_kernel.h"
#include "engine/cuda/support.h"

namespace flatenn::engine::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

/// d[16, 8] += a[16, 32] * b[8, 32]^T on bytes. Lane l holds of a rows l / 4 (+ 8) and bytes
/// 4 (l % 4) (+ 16), of b row l / 4 and the same bytes, of d columns 2 (l % 4) and the next.
template <bool kSignedA>
__device__ __forceinline__ void multiply(int32_t (&d)[4], const uint32_t (&a)[4], uint2 b) {
  if constexpr (kSignedA) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
  }
}

/// The block's job and images.
struct Work {
  const uint8_t* weights;
  const ChannelFactor* factors;
  float* logits;  ///< Of the block's first image.
  int images;     ///< At most kSmallImages.
};

__device__ void clear(uint8_t* shared, const SmallTensor& tensor) {
  auto* words = reinterpret_cast<uint32_t*>(shared + tensor.offset);
  for (int i = static_cast<int>(threadIdx.x); i < tensor.bytes / 4; i += kThreads) words[i] = 0;
}

/// Copies the block's images, which lie in global memory as the first layer reads them.
__device__ void load_images(const SmallArgs& args, int64_t job, int64_t first, int images,
                            uint8_t* shared) {
  const int vectors = args.image.image / 16;
  auto* dst = reinterpret_cast<uint4*>(shared + args.image.offset);
  for (int i = static_cast<int>(threadIdx.x); i < images * vectors; i += kThreads) {
    const int64_t position = first + i / vectors;
    const int64_t image =
        args.images == nullptr ? position : args.images[job * args.most_images + position];
    dst[i] =
        __ldg(reinterpret_cast<const uint4*>(args.codes + image * args.image.image) + i % vectors);
  }
}

/// Where a row of a matrix tile comes from: the output pixel or, with a fused pool, one of the four
/// pixels of a window.
struct Row {
  int image, y, x;
  bool valid;
};

/// Row `slot` of this lane. Pooled: slots are the pixels of window tile * 8 + lane / 4. Otherwise
/// output pixel tile * 8 * kSlots + slot * 8 + lane / 4.
template <int kSlots>
__device__ Row row_of(const SmallLayer& layer, int images, int tile, int slot) {
  const int lane_row = static_cast<int>(threadIdx.x) % 32 / 4;
  const int height = layer.pooled != 0 ? layer.out_height / 2 : layer.out_height;
  const int width = layer.pooled != 0 ? layer.out_width / 2 : layer.out_width;
  int index = layer.pooled != 0 ? tile * 8 + lane_row : tile * 8 * kSlots + slot * 8 + lane_row;
  Row row{};
  row.valid = index < images * height * width;
  index = row.valid ? index : 0;
  row.x = index % width;
  index /= width;
  row.y = index % height;
  row.image = index / height;
  return row;
}

/// The sums of kSlots rows x kTiles tiles of 8 channels.
template <int kSlots, int kTiles, bool kSignedSrc>
__device__ void accumulate(const SmallArgs& args, const SmallLayer& layer, const uint8_t* shared,
                           const uint2* weights, const int (&bases)[kSlots],
                           int32_t (&sums)[kSlots / 2][kTiles][4]) {
  const int quad = static_cast<int>(threadIdx.x) % 4;
  const int32_t* groups = args.groups + layer.groups + quad;
#pragma unroll 2
  for (int k = 0; k < layer.k_steps; ++k) {
    const int low = __ldg(groups + 8 * k);
    const int high = __ldg(groups + 8 * k + 4);
    uint2 b[kTiles];
#pragma unroll
    for (int t = 0; t < kTiles; ++t) b[t] = __ldg(weights + 32 * (k * layer.channel_tiles + t));
#pragma unroll
    for (int m = 0; m < kSlots / 2; ++m) {
      const uint32_t a[4] = {*reinterpret_cast<const uint32_t*>(shared + bases[2 * m] + low),
                             *reinterpret_cast<const uint32_t*>(shared + bases[2 * m + 1] + low),
                             *reinterpret_cast<const uint32_t*>(shared + bases[2 * m] + high),
                             *reinterpret_cast<const uint32_t*>(shared + bases[2 * m + 1] + high)};
#pragma unroll
      for (int t = 0; t < kTiles; ++t) multiply<kSignedSrc>(sums[m][t], a, b[t]);
    }
  }
}

/// Largest of the window's four sums, or the smallest where a larger sum makes a smaller code.
__device__ int32_t pool(int32_t a, int32_t b, int32_t c, int32_t d, float multiplier) {
  return multiplier < 0 ? min(min(a, b), min(c, d)) : max(max(a, b), max(c, d));
}

__device__ void write_logit(const SmallLayer& layer, const SmallArgs& args, const Work& work,
                            const Row& row, int channel, float value) {
  if (channel >= layer.dst.channels) return;
  const int pixels = layer.out_height * layer.out_width;
  work.logits[row.image * args.classes + channel * pixels + row.y * layer.out_width + row.x] =
      layer.requantize.relu ? rectified(value) : value;
}

/// Requantizes the two neighbouring channels that a lane holds of one row and writes them.
__device__ void write_pair(const SmallLayer& layer, const SmallArgs& args, const Work& work,
                           uint8_t* shared, const Row& row, int channel, int32_t first,
                           int32_t second) {
  const ChannelFactor* factors = work.factors + layer.factors + channel;
  const float y0 = scaled(__int2float_rn(first), factors[0]);
  const float y1 = scaled(__int2float_rn(second), factors[1]);
  if (layer.logits != 0) {
    write_logit(layer, args, work, row, channel, y0);
    write_logit(layer, args, work, row, channel + 1, y1);
    return;
  }
  const SmallTensor& dst = layer.dst;
  if (channel >= dst.pixel) return;
  const Requantize& q = layer.requantize;
  uint8_t* out = shared + dst.offset + row.image * dst.image + dst.interior + row.y * dst.row +
                 row.x * dst.pixel + channel;
  *reinterpret_cast<uint16_t*>(out) = static_cast<uint16_t>(
      __byte_perm(rounded(y0, q.low, q.high), rounded(y1, q.low, q.high), 0x0040));
}

template <int kSlots, int kTiles, bool kSignedSrc>
__device__ void matrix_tile(const SmallArgs& args, const SmallLayer& layer, const Work& work,
                            uint8_t* shared, int tile, int channel_tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const SmallTensor& src = layer.src;
  Row rows[kSlots];
  int bases[kSlots];
#pragma unroll
  for (int s = 0; s < kSlots; ++s) {
    rows[s] = row_of<kSlots>(layer, work.images, tile, s);
    const int y = layer.pooled != 0 ? 2 * rows[s].y + s / 2 : rows[s].y;
    const int x = layer.pooled != 0 ? 2 * rows[s].x + s % 2 : rows[s].x;
    bases[s] =
        src.offset + rows[s].image * src.image + layer.stride * (y * src.row + x * src.pixel);
  }
  int32_t sums[kSlots / 2][kTiles][4] = {};
  const auto* weights =
      reinterpret_cast<const uint2*>(work.weights + layer.weights) + 32 * channel_tile + lane;
  accumulate<kSlots, kTiles, kSignedSrc>(args, layer, shared, weights, bases, sums);
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
    const int channel = (channel_tile + t) * 8 + 2 * (lane % 4);
    if (layer.pooled != 0) {
      if constexpr (kSlots == 4) {
        const ChannelFactor* f = work.factors + layer.factors + channel;
        if (rows[0].valid) {
          write_pair(
              layer, args, work, shared, rows[0], channel,
              pool(sums[0][t][0], sums[0][t][2], sums[1][t][0], sums[1][t][2], f[0].multiplier),
              pool(sums[0][t][1], sums[0][t][3], sums[1][t][1], sums[1][t][3], f[1].multiplier));
        }
      }
      continue;
    }
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (!rows[s].valid) continue;
      write_pair(layer, args, work, shared, rows[s], channel, sums[s / 2][t][2 * (s % 2)],
                 sums[s / 2][t][2 * (s % 2) + 1]);
    }
  }
}

template <int kSlots, bool kSignedSrc>
__device__ void matrix_layer(const SmallArgs& args, const SmallLayer& layer, const Work& work,
                             uint8_t* shared) {
  const int pixels = layer.out_height * layer.out_width;
  const int per_tile = layer.pooled != 0 ? 32 : 8 * kSlots;
  const int rows = layer.pooled != 0
                       ? work.images * (layer.out_height / 2) * (layer.out_width / 2) * 4
                       : work.images * pixels;
  const int tiles = (rows + per_tile - 1) / per_tile;
  const int pairs = (layer.channel_tiles + 1) / 2;
  for (int i = static_cast<int>(threadIdx.x) / 32; i < tiles * pairs; i += kWarps) {
    const int channel_tile = i % pairs * 2;
    if (channel_tile + 1 < layer.channel_tiles) {
      matrix_tile<kSlots, 2, kSignedSrc>(args, layer, work, shared, i / pairs, channel_tile);
    } else {
      matrix_tile<kSlots, 1, kSignedSrc>(args, layer, work, shared, i / pairs, channel_tile);
    }
  }
}

__device__ void pool_layer(const SmallLayer& layer, uint8_t* shared, int images) {
  const SmallTensor& src = layer.src;
  const SmallTensor& dst = layer.dst;
  const int count = images * dst.height * dst.width * dst.channels;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    const int c = i % dst.channels;
    const int x = i / dst.channels % dst.width;
    const int y = i / (dst.channels * dst.width) % dst.height;
    const int n = i / (dst.channels * dst.width * dst.height);
    const uint8_t* image = shared + src.offset + n * src.image + src.interior + c;
    int best = -128;
    int sum = 0;
    for (int ky = max(0, y * layer.stride - layer.pad);
         ky < min(src.height, y * layer.stride - layer.pad + layer.window); ++ky) {
      for (int kx = max(0, x * layer.stride - layer.pad);
           kx < min(src.width, x * layer.stride - layer.pad + layer.window); ++kx) {
        const uint8_t byte = image[ky * src.row + kx * src.pixel];
        const int code = layer.signed_src != 0 ? static_cast<int8_t>(byte) : byte;
        best = max(best, code);
        sum += code;
      }
    }
    const Requantize& q = layer.requantize;
    const uint32_t code =
        layer.kind == SmallKind::kMaxPool
            ? static_cast<uint32_t>(best)
            : rounded(__fmul_rn(__int2float_rn(sum), q.skip_multiplier), q.low, q.high);
    shared[dst.offset + n * dst.image + dst.interior + y * dst.row + x * dst.pixel + c] =
        static_cast<uint8_t>(code);
  }
}

__device__ void run_layer(const SmallArgs& args, const SmallLayer& layer, const Work& work,
                          uint8_t* shared) {
  if (layer.kind != SmallKind::kMatrix) {
    pool_layer(layer, shared, work.images);
    return;
  }
  // A linear layer has as many rows as images: two slots of eight.
  const bool wide = layer.out_height * layer.out_width > 1;
  if (layer.signed_src != 0) {
    if (wide) {
      matrix_layer<4, true>(args, layer, work, shared);
    } else {
      matrix_layer<2, true>(args, layer, work, shared);
    }
  } else if (wide) {
    matrix_layer<4, false>(args, layer, work, shared);
  } else {
    matrix_layer<2, false>(args, layer, work, shared);
  }
}

__global__ void __launch_bounds__(kThreads, 2)
    small_kernel(const __grid_constant__ SmallArgs args) {
  extern __shared__ __align__(16) uint8_t shared[];
  const int64_t job = blockIdx.y;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSmallImages;
  const int64_t count = args.counts[job];
  if (first >= count) return;
  const Work work{args.weights + job * args.weight_bytes, args.factors + job * args.factor_count,
                  args.logits + (job * args.most_images + first) * args.classes,
                  static_cast<int>(min(count - first, static_cast<int64_t>(kSmallImages)))};
  load_images(args, job, first, work.images, shared);
  for (int i = 0; i < args.layer_count; ++i) {
    const SmallLayer& layer = args.layers[i];
    if (layer.logits == 0) clear(shared, layer.dst);
    __syncthreads();
    run_layer(args, layer, work, shared);
    __syncthreads();
  }
}

__global__ void weight_writes_kernel(int64_t count, const SmallWeightWrite* writes,
                                     const SmallWeightLayout* layouts, int layers,
                                     const int8_t* golden, int64_t weight_bytes, int8_t* weights) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= count) return;
  const SmallWeightWrite write = writes[index];
  int layer = layers - 1;
  while (layouts[layer].first_element > write.element) --layer;
  const int64_t position = layouts[layer].position(write.element - layouts[layer].first_element);
  weights[write.job * weight_bytes + position] =
      golden != nullptr ? golden[position] : layouts[layer].value(write.code);
}

__global__ void bias_writes_kernel(int64_t count, const SmallBiasWrite* writes,
                                   const ChannelFactor* golden, ChannelFactor* factors) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= count) return;
  const SmallBiasWrite write = writes[index];
  factors[write.factor].bias = golden != nullptr ? golden[write.golden].bias : write.bias;
}

unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

}  // namespace

int64_t small_shared_limit() {
  int device = 0;
  int bytes = 0;
  FLATENN_CUDA_CHECK(cudaGetDevice(&device));
  FLATENN_CUDA_CHECK(
      cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return bytes;
}

void launch_small(const SmallArgs& args, int64_t jobs, cudaStream_t stream) {
  FLATENN_CUDA_CHECK(cudaFuncSetAttribute(small_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          args.shared_bytes));
  const dim3 grid(static_cast<unsigned>((args.most_images + kSmallImages - 1) / kSmallImages),
                  static_cast<unsigned>(jobs));
  small_kernel<<<grid, kThreads, static_cast<size_t>(args.shared_bytes), stream>>>(args);
  FLATENN_CUDA_CHECK(cudaGetLastError());
}

void launch_small_weight_writes(const SmallWeightWrite* writes, int64_t count,
                                const SmallWeightLayout* layouts, int layers, const int8_t* golden,
                                int64_t weight_bytes, int8_t* weights, cudaStream_t stream) {
  if (count == 0) return;
  weight_writes_kernel<<<blocks_for(count), kThreads, 0, stream>>>(count, writes, layouts, layers,
                                                                   golden, weight_bytes, weights);
  FLATENN_CUDA_CHECK(cudaGetLastError());
}

void launch_small_bias_writes(const SmallBiasWrite* writes, int64_t count,
                              const ChannelFactor* golden, ChannelFactor* factors,
                              cudaStream_t stream) {
  if (count == 0) return;
  bias_writes_kernel<<<blocks_for(count), kThreads, 0, stream>>>(count, writes, golden, factors);
  FLATENN_CUDA_CHECK(cudaGetLastError());
}

}  // namespace flatenn::engine::cuda
