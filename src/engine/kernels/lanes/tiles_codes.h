#pragma once

#include <algorithm>

#include "engine/kernels/lanes/lanes_impl.h"
#include "engine/kernels/lanes/tiles.h"

/// Requantizing behind products of tiles, for inclusion by one source file an instruction set, over
/// a SIMD type S as in lanes_impl.h.
namespace flatenn::engine::lanes {
namespace {

/// No sums to requantize.
struct NoCodes {
  void advance() {}
  void finish() {}
};

/// Works through the sums in the order they lie in, a few with every step of the products.
template <class S, class Traits>
class TileCodes {
 public:
  /// To be done within `steps` calls of advance().
  TileCodes(const TileCodesArgs& a, int64_t steps)
      : a_(a),
        layer_(a),
        acc_(a.acc),
        left_(a.outputs * (a.channels / kQuad)),
        share_((left_ + steps - 1) / std::max<int64_t>(steps, 1)) {
    begin_output();
  }
  inline __attribute__((always_inline)) void advance() {
    for (int64_t i = 0; i < share_ && left_ > 0; ++i) next();
  }
  void finish() {
    while (left_ > 0) next();
  }

 private:
  static constexpr int64_t kQuad = 4;

  void begin_output() {
    channel_ = tile_;
    end_ = std::min<int64_t>(tile_ + kTileRows, a_.channels);
    dst_ = a_.dst + (a_.dst_elements[output_] + tile_) / kQuad * kVectorBytes;
    if constexpr (Traits::kSkip) {
      skip_ = a_.skip + (a_.skip_elements[output_] + tile_) / kQuad * kVectorBytes;
    }
  }

  inline __attribute__((always_inline)) void next() {
    S::store_vector(dst_, codes());
    acc_ += kQuad * kLanes;
    dst_ += kVectorBytes;
    if constexpr (Traits::kSkip) skip_ += kVectorBytes;
    channel_ += kQuad;
    --left_;
    if (channel_ == end_ && left_ > 0) next_output();
  }

  void next_output() {
    acc_ += (tile_ + kTileRows - end_) * kLanes;
    if (++output_ == a_.outputs) {
      output_ = 0;
      tile_ += kTileRows;
    }
    begin_output();
  }

  inline __attribute__((always_inline)) typename S::Ints codes() const {
    typename S::Ints skip{};
    if constexpr (Traits::kSkip) skip = S::load_vector(skip_);
    typename S::Floats y[kQuad];
#pragma GCC unroll 4
    for (int c = 0; c < kQuad; ++c) {
      const ChannelConstants<S> channel(a_.bias[channel_ + c], a_.multiplier[channel_ + c]);
      y[c] = scaled<S, Traits>(layer_, channel, S::load(acc_ + c * kLanes), skip, c);
    }
    return codes_of<S, Traits>(layer_, y);
  }

  const TileCodesArgs& a_;
  const LayerConstants<S> layer_;
  const int32_t* acc_;
  int64_t left_;
  const int64_t share_;  ///< Of each advance().
  int64_t tile_ = 0;     ///< First channel of the tile.
  int64_t output_ = 0;
  int64_t channel_ = 0, end_ = 0;
  uint8_t* dst_ = nullptr;
  const uint8_t* skip_ = nullptr;
};

}  // namespace
}  // namespace flatenn::engine::lanes
