#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/kernels/general/general.h"

/// The kernels' loops over vectors T, for inclusion by one source file an instruction set. T is
/// local to that file, so every instance is too. T offers
///   Sums: 16 sums of 32 bits; Floats: 16 of them; Words: 16 pairs of words
///   zero, load_pairs, broadcast_pair, add_products
///   interleave (pairs of two times 16 words, in an order that in_order() undoes for the sums)
///   to_float, load_floats, splat, add, multiply, fma, divide, clamp
///   load_words (16 words as floats), store_words (rounded half to even), store_floats, store_sums
///   kPixels: pixels of a full tile
namespace flatenn::engine::general {
namespace {

template <class T>
inline __attribute__((always_inline)) void write_pixel(const Output& o, typename T::Sums acc,
                                                       int64_t pixel) {
  auto y =
      T::multiply(T::add(T::to_float(acc), T::load_floats(o.bias)), T::load_floats(o.multiplier));
  const int64_t at = o.dst_offsets[pixel];
  const bool whole = o.channels == kBlock;
  if (o.skip != nullptr) {
    const int16_t* skip = o.skip + o.skip_offsets[pixel];
    int16_t words[kBlock] = {};
    if (!whole)
      skip = static_cast<int16_t*>(std::memcpy(words, skip, sizeof(int16_t) * o.channels));
    y = T::fma(T::load_words(skip), T::splat(o.skip_multiplier), y);
  }
  y = T::clamp(y, T::splat(o.low), T::splat(o.high));
  if (o.logits != nullptr) {
    float values[kBlock];
    T::store_floats(values, y);
    for (int64_t c = 0; c < o.channels; ++c) o.logits[at + c * o.logit_stride] = values[c];
  } else if (whole) {
    T::store_words(o.dst + at, y);
  } else {
    int16_t words[kBlock];
    T::store_words(words, y);
    std::memcpy(o.dst + at, words, sizeof(int16_t) * o.channels);
  }
}

/// The common case apart, without a question for each pixel.
template <class T, int Pixels>
inline __attribute__((always_inline)) void write_pixels(const Output& o,
                                                        const typename T::Sums (&acc)[Pixels],
                                                        int64_t first) {
  if (o.sums != nullptr) {
    for (int p = 0; p < Pixels; ++p) T::store_sums(o.sums + (first + p) * kBlock, acc[p]);
    return;
  }
  if (o.skip != nullptr || o.logits != nullptr || o.channels != kBlock) {
    for (int p = 0; p < Pixels; ++p) write_pixel<T>(o, acc[p], first + p);
    return;
  }
  const auto bias = T::load_floats(o.bias);
  const auto multiplier = T::load_floats(o.multiplier);
  const auto low = T::splat(o.low);
  const auto high = T::splat(o.high);
  int16_t* const dst = o.dst;
  const int32_t* const offsets = o.dst_offsets + first;
  for (int p = 0; p < Pixels; ++p) {
    const auto y = T::multiply(T::add(T::to_float(acc[p]), bias), multiplier);
    T::store_words(dst + offsets[p], T::clamp(y, low, high));
  }
}

/// Sums of zero, and where each pixel's codes begin.
template <class T, int Pixels, class Args>
inline __attribute__((always_inline)) void start(const Args& a, int64_t first,
                                                 typename T::Sums* acc, const int16_t** src) {
  for (int p = 0; p < Pixels; ++p) {
    acc[p] = T::zero();
    src[p] = a.src + a.offsets[first + p];
  }
}

template <class T, int Pixels>
inline __attribute__((always_inline)) void dot_tile(const DotArgs& a, int64_t first) {
  typename T::Sums acc[Pixels];
  const int16_t* src[Pixels];
  start<T, Pixels>(a, first, acc, src);
  const int16_t* weights = a.weights;
  for (int64_t tap = 0; tap < a.tap_count; ++tap) {
    int64_t at = a.taps[tap];
    for (int64_t pair = 0; pair < a.pairs; ++pair, at += 2, weights += 2 * kBlock) {
      const auto w = T::load_pairs(weights);
      for (int p = 0; p < Pixels; ++p) {
        acc[p] = T::add_products(acc[p], T::broadcast_pair(src[p] + at), w);
      }
    }
  }
  write_pixels<T, Pixels>(a.output, acc, first);
}

template <class T, int Pixels>
inline __attribute__((always_inline)) void depthwise_tile(const DepthwiseArgs& a, int64_t first) {
  typename T::Sums acc[Pixels];
  const int16_t* src[Pixels];
  start<T, Pixels>(a, first, acc, src);
  const int16_t* weights = a.weights;
  for (int64_t tap = 0; tap < a.tap_count; tap += 2, weights += 2 * kBlock) {
    const auto w = T::interleave(weights, weights + kBlock);
    for (int p = 0; p < Pixels; ++p) {
      const auto both = T::interleave(src[p] + a.taps[tap], src[p] + a.taps[tap + 1]);
      acc[p] = T::add_products(acc[p], both, w);
    }
  }
  for (int p = 0; p < Pixels; ++p) acc[p] = T::in_order(acc[p]);
  write_pixels<T, Pixels>(a.output, acc, first);
}

template <class T>
void dot_any(const DotArgs& a) {
  int64_t p = 0;
  for (; p + T::kPixels <= a.pixels; p += T::kPixels) dot_tile<T, T::kPixels>(a, p);
  for (; p + 3 <= a.pixels; p += 3) dot_tile<T, 3>(a, p);
  for (; p < a.pixels; ++p) dot_tile<T, 1>(a, p);
}

template <class T>
void depthwise_any(const DepthwiseArgs& a) {
  int64_t p = 0;
  for (; p + 4 <= a.pixels; p += 4) depthwise_tile<T, 4>(a, p);
  for (; p < a.pixels; ++p) depthwise_tile<T, 1>(a, p);
}

/// 16 elements from `at` on.
template <class T>
inline __attribute__((always_inline)) void combine_vector(const CombineArgs& o, const int16_t* a,
                                                          const int16_t* b, int16_t* dst) {
  const auto x = T::multiply(T::load_words(a), T::splat(o.a_scale));
  const auto y = T::multiply(T::load_words(b), T::splat(o.b_scale));
  const auto both = o.multiply ? T::multiply(x, y) : T::add(x, y);
  T::store_words(dst,
                 T::clamp(T::divide(both, T::splat(o.scale)), T::splat(o.low), T::splat(o.high)));
}

template <class T>
void combine_any(const CombineArgs& o) {
  int64_t i = 0;
  for (; i + kBlock <= o.count; i += kBlock) combine_vector<T>(o, o.a + i, o.b + i, o.dst + i);
  if (i == o.count) return;
  int16_t a[kBlock] = {};
  int16_t b[kBlock] = {};
  int16_t dst[kBlock];
  const size_t rest = sizeof(int16_t) * static_cast<size_t>(o.count - i);
  std::memcpy(a, o.a + i, rest);
  std::memcpy(b, o.b + i, rest);
  combine_vector<T>(o, a, b, dst);
  std::memcpy(o.dst + i, dst, rest);
}

}  // namespace
}  // namespace flatenn::engine::general
