#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/kernels/general/general.h"

/// The kernels' loops over vectors T, for inclusion by one source file an instruction set. T is
/// local to that file, so every instance is too. T offers
///   Store: Words or Bytes, with its types and kPack
///   Sums: 16 sums of 32 bits; Floats: 16 of them; Packs: 16 packs of codes or weights
///   zero, splat_sums, load_sums, load_packs, broadcast_pack, add_products (codes first)
///   gather_packs (16 channels of kPack taps, in an order that out_of_order() gives weights and
///   in_order() undoes for the sums)
///   to_float, load_floats, splat, add, multiply, fma, divide, clamp
///   load_words (16 codes as words in floats), store_words (rounded half to even), store_floats,
///   store_sums
///   kPixels and kFewPixels: pixels of a full and of a small tile
///   kShares: whether gathered packs are in order, and one_place_on() moves weights in theirs
///   kTogether: pixels that store_together() rounds and stores as one, or 1: it offers none
namespace flatenn::engine::general {
namespace {

template <class T>
using CodeOf = typename T::Store::Code;

/// What sums become before they are clamped; of whole blocks.
template <class T>
inline __attribute__((always_inline)) typename T::Floats scaled(const Output<typename T::Store>& o,
                                                                typename T::Sums acc,
                                                                typename T::Floats bias,
                                                                typename T::Floats multiplier,
                                                                const CodeOf<T>* skip) {
  const auto y = T::multiply(T::add(T::to_float(acc), bias), multiplier);
  if (skip == nullptr) return y;
  return T::fma(T::load_words(skip, o.skip_least), T::splat(o.skip_multiplier), y);
}

template <class T>
inline __attribute__((always_inline)) void write_pixel(const Output<typename T::Store>& o,
                                                       typename T::Sums acc, int64_t pixel) {
  using Code = CodeOf<T>;
  const int64_t at = o.dst_offsets[pixel];
  const bool whole = o.channels == kBlock;
  const auto part = sizeof(Code) * static_cast<size_t>(o.channels);
  Code codes[kBlock] = {};
  const Code* skip = nullptr;
  if (o.skip != nullptr) {
    skip = o.skip + o.skip_offsets[pixel];
    if (!whole) skip = static_cast<Code*>(std::memcpy(codes, skip, part));
  }
  auto y = scaled<T>(o, acc, T::load_floats(o.bias), T::load_floats(o.multiplier), skip);
  y = T::clamp(y, T::splat(o.low), T::splat(o.high));
  if (o.logits != nullptr) {
    float values[kBlock];
    T::store_floats(values, y);
    for (int64_t c = 0; c < o.channels; ++c) o.logits[at + c * o.logit_stride] = values[c];
  } else if (whole) {
    T::store_words(o.dst + at, y, o.least);
  } else {
    T::store_words(codes, y, o.least);
    std::memcpy(o.dst + at, codes, part);
  }
}

/// Whole blocks of codes, with or without a skip and a clamp.
template <class T, int Pixels, bool Skip, bool Clamp>
inline __attribute__((always_inline)) void write_whole(const Output<typename T::Store>& o,
                                                       const typename T::Sums (&acc)[Pixels],
                                                       int64_t first) {
  constexpr int kTogether = Pixels % T::kTogether == 0 ? T::kTogether : 1;
  const auto bias = T::load_floats(o.bias);
  const auto multiplier = T::load_floats(o.multiplier);
  const auto low = T::splat(o.low);
  const auto high = T::splat(o.high);
  const int32_t* const offsets = o.dst_offsets + first;
  for (int p = 0; p < Pixels; p += kTogether) {
    typename T::Floats y[kTogether];
    for (int i = 0; i < kTogether; ++i) {
      const auto* skip = Skip ? o.skip + o.skip_offsets[first + p + i] : nullptr;
      y[i] = scaled<T>(o, acc[p + i], bias, multiplier, skip);
      if (Clamp) y[i] = T::clamp(y[i], low, high);
    }
    if constexpr (kTogether > 1) {
      T::store_together(o.dst, offsets + p, y, o.least);
    } else {
      T::store_words(o.dst + offsets[p], y[0], o.least);
    }
  }
}

/// The common cases apart, without a question for each pixel.
template <class T, int Pixels>
inline __attribute__((always_inline)) void write_pixels(const Output<typename T::Store>& o,
                                                        const typename T::Sums (&acc)[Pixels],
                                                        int64_t first) {
  if (o.sums != nullptr) {
    for (int p = 0; p < Pixels; ++p) T::store_sums(o.sums + (first + p) * kBlock, acc[p]);
    return;
  }
  if (o.logits != nullptr || o.channels != kBlock) {
    for (int p = 0; p < Pixels; ++p) write_pixel<T>(o, acc[p], first + p);
    return;
  }
  // Only what is stored together saturates.
  const bool saturates = T::kTogether > 1 && Pixels % T::kTogether == 0 && o.saturates;
  if (o.skip == nullptr) {
    saturates ? write_whole<T, Pixels, false, false>(o, acc, first)
              : write_whole<T, Pixels, false, true>(o, acc, first);
  } else {
    saturates ? write_whole<T, Pixels, true, false>(o, acc, first)
              : write_whole<T, Pixels, true, true>(o, acc, first);
  }
}

/// The first sums, and where each pixel's codes begin.
template <class T, int Pixels, class Args>
inline __attribute__((always_inline)) void start(const Args& a, int64_t first,
                                                 typename T::Sums* acc, const CodeOf<T>** src) {
  const auto sums = a.start == nullptr ? T::zero() : T::load_sums(a.start);
  for (int p = 0; p < Pixels; ++p) {
    acc[p] = sums;
    src[p] = a.src + a.offsets[first + p];
  }
}

template <class T, int Pixels>
inline __attribute__((always_inline)) void dot_tile(const DotArgs<typename T::Store>& a,
                                                    int64_t first) {
  constexpr int64_t kPack = T::Store::kPack;
  typename T::Sums acc[Pixels];
  const CodeOf<T>* src[Pixels];
  start<T, Pixels>(a, first, acc, src);
  const auto* weights = a.weights;
  for (int64_t tap = 0; tap < a.tap_count; ++tap) {
    int64_t at = a.taps[tap];
#pragma GCC unroll 4
    for (int64_t pack = 0; pack < a.packs; ++pack, at += kPack, weights += kPack * kBlock) {
      const auto w = T::load_packs(weights);
      for (int p = 0; p < Pixels; ++p) {
        acc[p] = T::add_products(acc[p], T::broadcast_pack(src[p] + at), w);
      }
    }
  }
  write_pixels<T, Pixels>(a.output, acc, first);
}

/// Paired: pixels are pairs of neighbours, and what one's taps gather holds its right neighbour's,
/// one place on.
template <class T, int Pixels, bool Paired>
inline __attribute__((always_inline)) void depthwise_tile(const DepthwiseArgs<typename T::Store>& a,
                                                          int64_t first) {
  constexpr int64_t kPack = T::Store::kPack;
  typename T::Sums acc[Pixels];
  const CodeOf<T>* src[Pixels];
  start<T, Pixels>(a, first, acc, src);
  const auto* weights = a.weights;
  for (int64_t tap = 0; tap < a.tap_count; tap += kPack, weights += kPack * kBlock) {
    const auto w = T::out_of_order(T::load_packs(weights));
    for (int p = 0; p < Pixels; p += Paired ? 2 : 1) {
      const auto codes = T::gather_packs(src[p], a.taps + tap);
      acc[p] = T::add_products(acc[p], codes, w);
      if constexpr (Paired) acc[p + 1] = T::add_products(acc[p + 1], codes, T::one_place_on(w));
    }
  }
  for (int p = 0; p < Pixels; ++p) acc[p] = T::in_order(acc[p]);
  write_pixels<T, Pixels>(a.output, acc, first);
}

template <class T>
void dot_any(const DotArgs<typename T::Store>& a) {
  int64_t p = 0;
  for (; p + T::kPixels <= a.pixels; p += T::kPixels) dot_tile<T, T::kPixels>(a, p);
  for (; p + T::kFewPixels <= a.pixels; p += T::kFewPixels) dot_tile<T, T::kFewPixels>(a, p);
  for (; p < a.pixels; ++p) dot_tile<T, 1>(a, p);
}

template <class T>
void depthwise_any(const DepthwiseArgs<typename T::Store>& a) {
  const auto neighbours = [&](int64_t left) {
    return a.offsets[left + 1] - a.offsets[left] == a.neighbour;
  };
  int64_t p = 0;
  for (; p + 4 <= a.pixels; p += 4) {
    if constexpr (T::kShares) {
      if (neighbours(p) && neighbours(p + 2)) {
        depthwise_tile<T, 4, true>(a, p);
        continue;
      }
    }
    depthwise_tile<T, 4, false>(a, p);
  }
  for (; p < a.pixels; ++p) depthwise_tile<T, 1, false>(a, p);
}

/// 16 elements from `at` on.
template <class T>
inline __attribute__((always_inline)) void combine_vector(const CombineArgs<typename T::Store>& o,
                                                          const CodeOf<T>* a, const CodeOf<T>* b,
                                                          CodeOf<T>* dst) {
  const auto x = T::multiply(T::load_words(a, o.a_least), T::splat(o.a_scale));
  const auto y = T::multiply(T::load_words(b, o.b_least), T::splat(o.b_scale));
  const auto both = o.multiply ? T::multiply(x, y) : T::add(x, y);
  const auto result = T::divide(both, T::splat(o.scale));
  T::store_words(dst, T::clamp(result, T::splat(o.low), T::splat(o.high)), o.dst_least);
}

template <class T>
void combine_any(const CombineArgs<typename T::Store>& o) {
  using Code = CodeOf<T>;
  int64_t i = 0;
  for (; i + kBlock <= o.count; i += kBlock) combine_vector<T>(o, o.a + i, o.b + i, o.dst + i);
  if (i == o.count) return;
  Code a[kBlock] = {};
  Code b[kBlock] = {};
  Code dst[kBlock];
  const size_t rest = sizeof(Code) * static_cast<size_t>(o.count - i);
  std::memcpy(a, o.a + i, rest);
  std::memcpy(b, o.b + i, rest);
  combine_vector<T>(o, a, b, dst);
  std::memcpy(o.dst + i, dst, rest);
}

}  // namespace
}  // namespace flatenn::engine::general
