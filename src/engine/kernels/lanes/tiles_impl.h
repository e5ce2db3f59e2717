#pragma once

#include <algorithm>

#include "engine/kernels/lanes/tiles.h"
#include "engine/kernels/lanes/tiles_codes.h"

/// The kernel's loops over tile registers T, for inclusion by one source file an instruction set. T
/// is local to that file, so every instance is too. T offers eight registers of 16 rows of 64
/// bytes:
///   zero<R>(), load<R>(from), store<R>(to): rows follow one another
///   dot<Sum, Weights, Codes>(): adds the products of signed weights and unsigned codes
/// Sums are in registers 0 to 3, weights in 4 and 5, codes in 6 and 7.
namespace flatenn::engine::lanes {
namespace {

/// Sums of a tile.
inline constexpr int64_t kTileSums = kTileRows * kLanes;

/// The operands of one step for one or two tiles of channels and one or two positions.
struct TileStep {
  const int8_t* weights[2];
  const uint8_t* codes[2];
};

template <class T, int Register>
void start_sums(const int32_t* acc, bool first) {
  first ? T::template zero<Register>() : T::template load<Register>(acc);
}

/// The products of the operands that the registers hold, and the next step's operands, each loaded
/// once its register has been read for the last time.
template <class T, int ChannelTiles, int Positions>
inline __attribute__((always_inline)) void tile_step(const TileStep& next) {
  T::template dot<0, 4, 6>();
  if constexpr (Positions == 2) T::template dot<1, 4, 7>();
  T::template load<4>(next.weights[0]);
  if constexpr (ChannelTiles == 2) T::template dot<2, 5, 6>();
  T::template load<6>(next.codes[0]);
  if constexpr (ChannelTiles == 2 && Positions == 2) T::template dot<3, 5, 7>();
  if constexpr (ChannelTiles == 2) T::template load<5>(next.weights[1]);
  if constexpr (Positions == 2) T::template load<7>(next.codes[1]);
}

/// The products of one range of steps, which all positions meet in turn.
template <class T, int ChannelTiles, class Codes>
class TileRange {
 public:
  TileRange(const TileDotArgs& a, int64_t first, int64_t end, Codes& codes)
      : a_(a), first_(first), end_(end), codes_(codes) {}

  void run() {
    load_first();
    int64_t p = 0;
    for (; p + 2 <= a_.positions; p += 2) block<2>(p);
    if (p < a_.positions) block<1>(p);
  }

 private:
  TileStep operands(int64_t position, int64_t step) const {
    const uint8_t* src = a_.src + a_.steps[step];
    const int64_t second = std::min(position + 1, a_.positions - 1);
    const int8_t* weights = a_.weights + step * kTileBytes;
    return {{weights, ChannelTiles == 2 ? weights + a_.step_count * kTileBytes : nullptr},
            {src + a_.offsets[position], src + a_.offsets[second]}};
  }

  void load_first() const {
    const TileStep step = operands(0, first_);
    T::template load<4>(step.weights[0]);
    T::template load<6>(step.codes[0]);
    if constexpr (ChannelTiles == 2) T::template load<5>(step.weights[1]);
    T::template load<7>(step.codes[1]);
  }

  /// One or two positions. The registers hold the operands of its first step, and at the end those
  /// of the next block's.
  template <int Positions>
  void block(int64_t position) {
    int32_t* acc[2] = {a_.acc + position * kTileSums,
                       a_.acc + (a_.positions + position) * kTileSums};
    start_sums<T, 0>(acc[0], first_ == 0);
    if constexpr (Positions == 2) start_sums<T, 1>(acc[0] + kTileSums, first_ == 0);
    if constexpr (ChannelTiles == 2) start_sums<T, 2>(acc[1], first_ == 0);
    if constexpr (ChannelTiles == 2 && Positions == 2) {
      start_sums<T, 3>(acc[1] + kTileSums, first_ == 0);
    }
    for (int64_t s = first_ + 1; s < end_; ++s) {
      tile_step<T, ChannelTiles, Positions>(operands(position, s));
      codes_.advance();
    }
    const int64_t next = position + 2 < a_.positions ? position + 2 : position;
    tile_step<T, ChannelTiles, Positions>(operands(next, first_));
    T::template store<0>(acc[0]);
    if constexpr (Positions == 2) T::template store<1>(acc[0] + kTileSums);
    if constexpr (ChannelTiles == 2) T::template store<2>(acc[1]);
    if constexpr (ChannelTiles == 2 && Positions == 2) T::template store<3>(acc[1] + kTileSums);
    codes_.advance();
  }

  const TileDotArgs& a_;
  const int64_t first_;
  const int64_t end_;
  Codes& codes_;
};

template <class T, class Codes>
void tile_dot_with(const TileDotArgs& a, Codes codes) {
  for (int64_t first = 0; a.positions > 0 && first < a.step_count; first += kTileStepsTogether) {
    const int64_t end = std::min(first + kTileStepsTogether, a.step_count);
    if (a.channel_tiles == 2) {
      TileRange<T, 2, Codes>(a, first, end, codes).run();
    } else {
      TileRange<T, 1, Codes>(a, first, end, codes).run();
    }
  }
  codes.finish();
}

template <class T, class S, bool Skip>
void tile_dot_and_codes(const TileDotArgs& a) {
  const int64_t steps = a.step_count * ((a.positions + 1) / 2);
  if (code_range(*a.behind) == CodeRange::kUnsigned) {
    using Traits = RequantizeTraits<false, Skip, CodeRange::kUnsigned>;
    tile_dot_with<T>(a, TileCodes<S, Traits>(*a.behind, steps));
  } else {
    using Traits = RequantizeTraits<false, Skip, CodeRange::kOffset>;
    tile_dot_with<T>(a, TileCodes<S, Traits>(*a.behind, steps));
  }
}

template <class T, class S>
void tile_dot_any(const TileDotArgs& a) {
  if (a.behind == nullptr) {
    tile_dot_with<T>(a, NoCodes{});
  } else {
    a.behind->skip != nullptr ? tile_dot_and_codes<T, S, true>(a)
                              : tile_dot_and_codes<T, S, false>(a);
  }
}

}  // namespace
}  // namespace flatenn::engine::lanes
