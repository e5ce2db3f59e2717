#include <array>
#include <mutex>

#include "engine/cuda/conv_tile.h"
#include "engine/cuda/copy_engine.cuh"
#include "engine/cuda/requantize.cuh"
#include "engine/cuda/support.h"
#include "engine/cuda/wgmma.cuh"

namespace flatenn::engine::cuda {
namespace {

constexpr size_t kMostDevices = 64;
constexpr int kConsumers = 256;  ///< Two warpgroups, each multiplying 64 of the tile's pixels.
constexpr int kThreads = kConsumers + 32;  ///< And one warp that feeds the copy engine.

/// Shared memory of a block: pipeline stages of source and weights, the tile of codes that the skip
/// arrives in and the output leaves from, barriers. Two blocks fit into a multiprocessor.
template <int kChannels>
struct Layout {
  static constexpr int kStages = kChannels == 128 ? 3 : kChannels == 64 ? 4 : 5;
  static constexpr int kSrcBytes = kTilePixels * kStageBytes;
  static constexpr int kStage = kSrcBytes + kChannels * kStageBytes;
  static constexpr int kTile = kStages * kStage;
  static constexpr int kBarriers = kTile + kTilePixels * kChannels;
  static constexpr int kBytes = kBarriers + (2 * kStages + 1) * 8;

  static __device__ uint32_t full(uint32_t base, int stage) { return base + kBarriers + 8 * stage; }
  static __device__ uint32_t empty(uint32_t base, int stage) {
    return base + kBarriers + 8 * (kStages + stage);
  }
  static __device__ uint32_t skip(uint32_t base) { return base + kBarriers + 16 * kStages; }
};

/// Where the block's tile lies in the output.
struct Position {
  int channel, x, y, n;
};

__device__ Position position_of(const ConvTileArgs& args, int channels) {
  int index = static_cast<int>(blockIdx.x);
  Position at{};
  at.channel = index % args.channel_tiles * channels;
  index /= args.channel_tiles;
  at.x = index % args.tiles_x * args.tile_x;
  index /= args.tiles_x;
  at.y = index % args.tiles_y * args.tile_y;
  at.n = index / args.tiles_y * args.tile_n;
  return at;
}

/// One thread: keeps the pipeline's stages filled.
template <int kChannels, int kUnit>
__device__ void produce(const ConvTileArgs& args, const Position& at, uint32_t base) {
  using L = Layout<kChannels>;
  constexpr int kUnits = kStageBytes / kUnit;
  const int pixels = args.tile_x * args.tile_y * args.tile_n;
  wait_for_previous_kernel();
  if (args.has_skip) {
    barrier_expect(L::skip(base), static_cast<uint32_t>(pixels * kChannels));
    load_box(base + L::kTile, args.skip, L::skip(base), at.channel, at.x, at.y,
             args.skip_image + at.n);
  }
  const int x = at.x * args.stride - args.pad;
  const int y = at.y * args.stride - args.pad;
  int channel = 0, tap_x = 0, tap_y = 0, tap = 0;
  const int stages = (args.units + kUnits - 1) / kUnits;
  for (int k = 0; k < stages; ++k) {
    const int stage = k % L::kStages;
    // The first round finds every stage empty: waiting for the phase before the first one returns.
    barrier_wait(L::empty(base, stage), static_cast<uint32_t>(k / L::kStages + 1) & 1U);
    const uint32_t full = L::full(base, stage);
    const uint32_t src = base + static_cast<uint32_t>(stage * L::kStage);
    const int units = min(kUnits, args.units - k * kUnits);
    barrier_expect(full, static_cast<uint32_t>(units * pixels * kUnit + kChannels * kStageBytes));
    for (int u = 0; u < units; ++u) {
      load_box(src + static_cast<uint32_t>(u * kTilePixels * kUnit), args.src, full, channel,
               x + tap_x, y + tap_y, args.src_image + at.n);
      ++tap;
      ++tap_x;
      if (tap_x == args.kernel_width) {
        tap_x = 0;
        ++tap_y;
      }
      if (tap == args.taps) {
        tap = tap_x = tap_y = 0;
        channel += kUnit;
      }
    }
    load_box(src + L::kSrcBytes, args.weights, full, k * kStageBytes, at.channel);
  }
}

/// The source operand of step i within a stage, for the 64 pixels of warpgroup `group`.
template <int kUnit>
__device__ uint64_t source_operand(uint32_t stage, int group, int step) {
  constexpr int kUnitBytes = kTilePixels * kUnit;
  const int k = step * 32;
  const uint32_t address =
      stage + static_cast<uint32_t>(k / kUnit * kUnitBytes + k % kUnit + group * 64 * kUnit);
  return descriptor<kUnit>(address, kUnit == 16 ? kUnitBytes : 16);
}

/// Issues `kSteps` steps of 32 in K from one stage.
template <int kSteps, int kChannels, int kUnit, bool kSignedSrc>
__device__ __forceinline__ void multiply_stage(uint32_t stage, int group,
                                               int32_t (&acc)[kChannels / 2]) {
  wgmma_fence();
#pragma unroll
  for (int i = 0; i < kSteps; ++i) {
    Wgmma<kChannels>::template multiply<kSignedSrc>(
        acc, source_operand<kUnit>(stage, group, i),
        descriptor<128>(stage + Layout<kChannels>::kSrcBytes + static_cast<uint32_t>(32 * i)));
  }
  wgmma_commit();
}

template <int kChannels, int kUnit, bool kSignedSrc>
__device__ __forceinline__ void accumulate(const ConvTileArgs& args, uint32_t base, int group,
                                           int32_t (&acc)[kChannels / 2]) {
  using L = Layout<kChannels>;
  constexpr int kSteps = kStageBytes / 32;
  const int steps = (args.units * kUnit + 31) / 32;
  const int stages = steps / kSteps;
  const bool leader = threadIdx.x % 128 == 0;
  for (int k = 0; k < stages; ++k) {
    const int stage = k % L::kStages;
    barrier_wait(L::full(base, stage), static_cast<uint32_t>(k / L::kStages) & 1U);
    multiply_stage<kSteps, kChannels, kUnit, kSignedSrc>(
        base + static_cast<uint32_t>(stage * L::kStage), group, acc);
    wgmma_wait<1>();
    if (k > 0 && leader) barrier_arrive(L::empty(base, (k - 1) % L::kStages));
  }
  wgmma_wait<0>();
  if constexpr (kUnit < kStageBytes) {
    // The last stage may be partly filled: whole halves of it are left out.
    const int rest = steps % kSteps;
    if (rest == 0) return;
    const int stage = stages % L::kStages;
    const uint32_t last = base + static_cast<uint32_t>(stage * L::kStage);
    barrier_wait(L::full(base, stage), static_cast<uint32_t>(stages / L::kStages) & 1U);
    if (rest <= kSteps / 2) {
      multiply_stage<kSteps / 2, kChannels, kUnit, kSignedSrc>(last, group, acc);
      wgmma_wait<0>();
    } else {
      multiply_stage<kSteps, kChannels, kUnit, kSignedSrc>(last, group, acc);
      wgmma_wait<0>();
    }
  }
}

/// The address of (row, byte) in the tile of codes, as the copy engine permutes it.
template <int kChannels>
__device__ uint32_t tile_address(int row, int byte) {
  const auto address = static_cast<uint32_t>(row * kChannels + byte);
  constexpr uint32_t kMask = kChannels == 128 ? 7 : kChannels == 64 ? 3 : kChannels == 32 ? 1 : 0;
  return address ^ ((address >> 7 & kMask) << 4);
}

template <bool kSmallSums>
__device__ float sum_to_float(int32_t acc) {
  return kSmallSums ? __fadd_rn(__int_as_float(acc), -kRounder)
                    : __int2float_rn(acc - kRounderBits);
}

/// Turns a warpgroup's sums into codes in the tile, adding the skip that lies there.
template <int kChannels, bool kSmallSums>
__device__ void write_codes(const ConvTileArgs& args, const Position& at, uint8_t* tile, int row0,
                            const int32_t (&acc)[kChannels / 2]) {
  const Requantize& q = args.requantize;
  const int quad = static_cast<int>(threadIdx.x) % 4;
  const auto* factors = reinterpret_cast<const float4*>(args.factors + at.channel) + quad;
#pragma unroll
  for (int j = 0; j < kChannels / 8; ++j) {
    const float4 pair = factors[4 * j];
    const ChannelFactor even{pair.x, pair.y};
    const ChannelFactor odd{pair.z, pair.w};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      auto* codes = reinterpret_cast<uint16_t*>(
          tile + tile_address<kChannels>(row0 + 8 * h, 8 * j + 2 * quad));
      float first = scaled(sum_to_float<kSmallSums>(acc[4 * j + 2 * h]), even);
      float second = scaled(sum_to_float<kSmallSums>(acc[4 * j + 2 * h + 1]), odd);
      if (args.has_skip) {
        const uint32_t skip = *codes;
        first = __fmaf_rn(code_to_float(skip, q.skip_sign), q.skip_multiplier, first);
        second = __fmaf_rn(code_to_float(skip >> 8, q.skip_sign), q.skip_multiplier, second);
      }
      *codes = static_cast<uint16_t>(
          __byte_perm(rounded(first, q.low, q.high), rounded(second, q.low, q.high), 0x0040));
    }
  }
}

/// Writes a warpgroup's sums as float logits, without a skip.
template <int kChannels>
__device__ void write_logits(const ConvTileArgs& args, const Position& at, int row0,
                             const int32_t (&acc)[kChannels / 2]) {
  const int first = at.channel + 2 * (static_cast<int>(threadIdx.x) % 4);
  const int pixels = args.height * args.width;
#pragma unroll 1
  for (int h = 0; h < 2; ++h) {
    const int row = row0 + 8 * h;
    const int x = at.x + row % args.tile_x;
    const int y = at.y + row / args.tile_x % args.tile_y;
    const int n = at.n + row / (args.tile_x * args.tile_y);
    if (row >= args.tile_x * args.tile_y * args.tile_n || x >= args.width || y >= args.height ||
        n >= args.images) {
      continue;
    }
    float* logits = args.logits +
                    (args.dst_image + n) * static_cast<int64_t>(args.channels) * pixels +
                    y * args.width + x;
#pragma unroll
    for (int i = 0; i < kChannels / 4; ++i) {
      const int channel = first + i / 2 * 8 + i % 2;
      if (channel >= args.channels) continue;
      const int32_t sum = h == 0 ? acc[i / 2 * 4 + i % 2] : acc[i / 2 * 4 + 2 + i % 2];
      const float value = scaled(sum_to_float<false>(sum), args.factors[channel]);
      logits[static_cast<int64_t>(channel) * pixels] =
          args.requantize.relu ? rectified(value) : value;
    }
  }
}

template <int kChannels, int kUnit, bool kSignedSrc>
__device__ void consume(const ConvTileArgs& args, const Position& at, uint32_t base,
                        uint8_t* shared) {
  using L = Layout<kChannels>;
  const int group = static_cast<int>(threadIdx.x) / 128;
  int32_t acc[kChannels / 2];
#pragma unroll
  for (int32_t& sum : acc) sum = kRounderBits;
  accumulate<kChannels, kUnit, kSignedSrc>(args, base, group, acc);
  const int row0 = static_cast<int>(threadIdx.x) / 32 * 16 + static_cast<int>(threadIdx.x) % 32 / 4;
  if constexpr (kChannels <= kMostLogitChannels) {
    if (args.logits != nullptr) {
      write_logits<kChannels>(args, at, row0, acc);
      return;
    }
  }
  if (args.has_skip) barrier_wait(L::skip(base), 0);
  if (args.requantize.small_sums) {
    write_codes<kChannels, true>(args, at, shared + L::kTile, row0, acc);
  } else {
    write_codes<kChannels, false>(args, at, shared + L::kTile, row0, acc);
  }
  copy_engine_fence();
  asm volatile("bar.sync 1, %0;" ::"n"(kConsumers) : "memory");
  if (threadIdx.x == 0) {
    store_box(args.dst, base + L::kTile, at.channel, at.x, at.y, args.dst_image + at.n);
  }
}

template <int kChannels, int kUnit, bool kSignedSrc>
__global__ void __launch_bounds__(kThreads, 2)
    conv_tile(const __grid_constant__ ConvTileArgs args) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  using L = Layout<kChannels>;
  extern __shared__ __align__(1024) uint8_t shared[];
  const uint32_t base = shared_address(shared);
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < L::kStages; ++stage) {
      barrier_init(L::full(base, stage), 1);
      barrier_init(L::empty(base, stage), 2);
    }
    barrier_init(L::skip(base), 1);
    barrier_init_fence();
  }
  __syncthreads();
  allow_next_kernel();
  const Position at = position_of(args, kChannels);
  if (threadIdx.x < kConsumers) {
    consume<kChannels, kUnit, kSignedSrc>(args, at, base, shared);
  } else if (threadIdx.x == kConsumers) {
    produce<kChannels, kUnit>(args, at, base);
  }
#endif
}

template <int kChannels, int kUnit, bool kSignedSrc>
void launch(const ConvTileArgs& args, cudaStream_t stream) {
  constexpr int kBytes = Layout<kChannels>::kBytes;
  const auto kernel = conv_tile<kChannels, kUnit, kSignedSrc>;
  static std::array<std::once_flag, kMostDevices> allowed;  // each device has attributes of its own
  int device = 0;
  FLATENN_CUDA_CHECK(cudaGetDevice(&device));
  std::call_once(allowed.at(static_cast<size_t>(device)), [&] {
    FLATENN_CUDA_CHECK(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  });
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim =
      static_cast<unsigned>(args.channel_tiles * args.tiles_x * args.tiles_y * args.tiles_n);
  config.blockDim = kThreads;
  config.dynamicSmemBytes = kBytes;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = 1;
  FLATENN_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, args));
}

using Launch = void (*)(const ConvTileArgs&, cudaStream_t);

template <int kChannels, int kUnit>
Launch choose_sign(bool signed_src) {
  return signed_src ? launch<kChannels, kUnit, true> : launch<kChannels, kUnit, false>;
}

template <int kChannels>
Launch choose_unit(int unit, bool signed_src) {
  switch (unit) {
    case 16:
      return choose_sign<kChannels, 16>(signed_src);
    case 32:
      return choose_sign<kChannels, 32>(signed_src);
    case 64:
      return choose_sign<kChannels, 64>(signed_src);
    default:
      return choose_sign<kChannels, 128>(signed_src);
  }
}

Launch choose(const ConvTileVariant& variant) {
  switch (variant.channels) {
    case 16:
      return choose_unit<16>(variant.unit, variant.signed_src);
    case 32:
      return choose_unit<32>(variant.unit, variant.signed_src);
    case 64:
      return choose_unit<64>(variant.unit, variant.signed_src);
    default:
      return choose_unit<128>(variant.unit, variant.signed_src);
  }
}

}  // namespace

void launch_conv_tile(const ConvTileVariant& variant, const ConvTileArgs& args,
                      cudaStream_t stream) {
  choose(variant)(args, stream);
}

}  // namespace flatenn::engine::cuda
