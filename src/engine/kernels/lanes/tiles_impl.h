#pragma once

#include <algorithm>

#include "engine/kernels/lanes/tiles.h"

/// The kernel's loops over tile registers T, for inclusion by one source file an instruction set. T
/// is local to that file, so every instance is too. T offers eight registers of 16 rows of 64
/// bytes:
///   zero<R>(), load<R>(from, row_stride), store<R>(to, row_stride)
///   dot<Sum, Weights, Codes>(): adds the products of signed weights and unsigned codes
namespace flatenn::engine::lanes {
namespace {

template <class T, int Register>
void start_sums(const int32_t* acc, int64_t row_bytes, bool first) {
  first ? T::template zero<Register>() : T::template load<Register>(acc, row_bytes);
}

/// One or two tiles of channels x one or two positions: sums in registers 0 to 3, weights in 4 and
/// 5, codes in 6 and 7. Sums of earlier steps are taken from a.acc.
template <class T, int ChannelTiles, int Positions>
void tile_block(const TileDotArgs& a, int64_t position, int64_t first_step, int64_t end_step) {
  const int64_t row_bytes = a.acc_stride * static_cast<int64_t>(sizeof(int32_t));
  int32_t* acc[2] = {a.acc + position * kLanes,
                     a.acc + kTileRows * a.acc_stride + position * kLanes};
  const bool first = first_step == 0;
  start_sums<T, 0>(acc[0], row_bytes, first);
  if constexpr (Positions == 2) start_sums<T, 1>(acc[0] + kLanes, row_bytes, first);
  if constexpr (ChannelTiles == 2) start_sums<T, 2>(acc[1], row_bytes, first);
  if constexpr (ChannelTiles == 2 && Positions == 2) {
    start_sums<T, 3>(acc[1] + kLanes, row_bytes, first);
  }
  const uint8_t* codes[2] = {a.src + a.offsets[position],
                             a.src + a.offsets[position + Positions - 1]};
  const int8_t* weights[2] = {a.weights, a.weights + a.step_count * kTileBytes};
  for (int64_t s = first_step; s < end_step; ++s) {
    T::template load<6>(codes[0] + a.steps[s], kVectorBytes);
    T::template load<4>(weights[0] + s * kTileBytes, kVectorBytes);
    T::template dot<0, 4, 6>();
    if constexpr (Positions == 2) {
      T::template load<7>(codes[1] + a.steps[s], kVectorBytes);
      T::template dot<1, 4, 7>();
    }
    if constexpr (ChannelTiles == 2) {
      T::template load<5>(weights[1] + s * kTileBytes, kVectorBytes);
      T::template dot<2, 5, 6>();
      if constexpr (Positions == 2) T::template dot<3, 5, 7>();
    }
  }
  T::template store<0>(acc[0], row_bytes);
  if constexpr (Positions == 2) T::template store<1>(acc[0] + kLanes, row_bytes);
  if constexpr (ChannelTiles == 2) T::template store<2>(acc[1], row_bytes);
  if constexpr (ChannelTiles == 2 && Positions == 2) {
    T::template store<3>(acc[1] + kLanes, row_bytes);
  }
}

template <class T, int ChannelTiles>
void tile_dot_channels(const TileDotArgs& a) {
  for (int64_t first = 0; first < a.step_count; first += kTileStepsTogether) {
    const int64_t end = std::min(first + kTileStepsTogether, a.step_count);
    int64_t p = 0;
    for (; p + 2 <= a.positions; p += 2) tile_block<T, ChannelTiles, 2>(a, p, first, end);
    if (p < a.positions) tile_block<T, ChannelTiles, 1>(a, p, first, end);
  }
}

template <class T>
void tile_dot_any(const TileDotArgs& a) {
  a.channel_tiles == 2 ? tile_dot_channels<T, 2>(a) : tile_dot_channels<T, 1>(a);
}

}  // namespace
}  // namespace flatenn::engine::lanes
