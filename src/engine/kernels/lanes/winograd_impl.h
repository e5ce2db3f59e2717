#pragma once

#include "engine/kernels/lanes/lanes.h"
#include "engine/kernels/lanes/winograd.h"

/// The transforms over a SIMD type S as in lanes_impl.h, which also offers add_bytes,
/// subtract_bytes, flip_top_bits (of every byte), and quarter (of every 32-bit lane, exact).
namespace flatenn::engine::lanes {
namespace {

/// B^T of four vectors that stand `Step` apart.
template <class S, unsigned Step>
void transform_input(typename S::Ints* d) {
  const auto d0 = d[0];
  const auto d1 = d[Step];
  const auto d2 = d[2 * Step];
  const auto d3 = d[3 * Step];
  d[0] = S::subtract_bytes(d0, d2);
  d[Step] = S::add_bytes(d1, d2);
  d[2 * Step] = S::subtract_bytes(d2, d1);
  d[3 * Step] = S::subtract_bytes(d1, d3);
}

template <class S>
void winograd_input_any(const WinogradInputArgs& a) {
  typename S::Ints d[kWinogradPlaces];
  for (int64_t t = 0; t < a.tile_count; ++t) {
    for (int64_t k = 0; k < a.vectors; ++k) {
      const uint8_t* src = a.src + a.tiles[t] + k * kVectorBytes;
#pragma GCC unroll 4
      for (unsigned y = 0; y < 4; ++y) {
#pragma GCC unroll 4
        for (unsigned x = 0; x < 4; ++x) {
          d[4 * y + x] = S::load_vector(src + y * a.row_bytes + x * a.pixel_bytes);
        }
      }
#pragma GCC unroll 4
      for (unsigned x = 0; x < 4; ++x) transform_input<S, 4>(d + x);
#pragma GCC unroll 4
      for (unsigned y = 0; y < 4; ++y) transform_input<S, 1>(d + 4 * y);
      uint8_t* dst = a.dst + (t * a.vectors + k) * kVectorBytes;
#pragma GCC unroll 16
      for (unsigned p = 0; p < kWinogradPlaces; ++p) {
        S::store_vector(dst + p * a.place_bytes, S::flip_top_bits(d[p]));
      }
    }
  }
}

template <class S>
void winograd_output_any(const WinogradOutputArgs& a) {
  typename S::Ints rows[8];
  for (int64_t m = 0; m < a.block; ++m) {
    for (int64_t t = 0; t < a.tile_count; ++t) {
      const int32_t* acc = a.acc + m * a.acc_stride + t * kLanes;
      const int64_t place = a.tile_count * kLanes;
#pragma GCC unroll 4
      for (unsigned x = 0; x < 4; ++x) {
        const auto p1 = S::load(acc + (4 + x) * place);
        const auto p2 = S::load(acc + (8 + x) * place);
        rows[x] = S::add(S::load(acc + x * place), S::add(p1, p2));
        rows[4 + x] = S::subtract(S::subtract(p1, p2), S::load(acc + (12 + x) * place));
      }
      int32_t* out = a.out + m * a.out_stride + 4 * t * kLanes;
#pragma GCC unroll 2
      for (unsigned y = 0; y < 2; ++y) {
        const auto* row = rows + 4 * y;
        const auto left = S::add(row[0], S::add(row[1], row[2]));
        const auto right = S::subtract(S::subtract(row[1], row[2]), row[3]);
        S::store(out + 2 * y * kLanes, S::quarter(left));
        S::store(out + (2 * y + 1) * kLanes, S::quarter(right));
      }
    }
  }
}

}  // namespace
}  // namespace flatenn::engine::lanes
