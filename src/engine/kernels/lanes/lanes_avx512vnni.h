#pragma once

#include <immintrin.h>

#include "engine/kernels/lanes/lanes.h"

namespace flatenn::engine::lanes {
namespace {

struct Avx512Vnni {
  using Ints = __m512i;
  using Floats = __m512;
  using Codes = __m512i;
  /// 24 accumulators leave room for the codes and a weight in 32 registers.
  static constexpr unsigned kPeakChains = 12;
  static constexpr unsigned kTilePositions[kMaxBlock + 1] = {0, 8, 8, 8, 6, 4, 4};

  static Ints broadcast(int32_t value) { return _mm512_set1_epi32(value); }
  static Ints load(const int32_t* from) { return _mm512_loadu_si512(from); }
  static void store(int32_t* to, Ints value) { _mm512_storeu_si512(to, value); }
  static Ints load_vector(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static void store_vector(uint8_t* to, Ints value) { _mm512_storeu_si512(to, value); }

  template <bool Wide>
  static Codes codes(const uint8_t* from) {
    return _mm512_loadu_si512(from);
  }
  template <bool Wide>
  static Ints weight(int32_t bytes) {
    return _mm512_set1_epi32(bytes);
  }
  /// VNNI adds four products in 32 bits, so wide products need nothing more.
  template <bool Wide>
  static Ints dot(Ints acc, Codes codes, Ints weight) {
    return _mm512_dpbusd_epi32(acc, codes, weight);
  }

  static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  static Ints min(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
  static Floats splat(float value) { return _mm512_set1_ps(value); }
  static Floats to_float(Ints value) { return _mm512_cvtepi32_ps(value); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static Floats clamp(Floats value, Floats low, Floats high) {
    return _mm512_min_ps(_mm512_max_ps(value, low), high);
  }
  /// The default rounding mode is half to even.
  static Ints round(Floats value) { return _mm512_cvtps_epi32(value); }

  static Ints add_bytes(Ints a, Ints b) { return _mm512_add_epi8(a, b); }
  static Ints subtract_bytes(Ints a, Ints b) { return _mm512_sub_epi8(a, b); }
  static Ints flip_top_bits(Ints a) { return _mm512_xor_si512(a, _mm512_set1_epi8(-128)); }
  static Ints quarter(Ints a) { return _mm512_srai_epi32(a, 2); }

  /// Compilers' vectors are shifted by an immediate where `byte` is known.
  static Ints byte_of(Ints vector, int byte) {
    using Words = uint32_t __attribute__((vector_size(kVectorBytes)));
    const Words shifted = reinterpret_cast<Words>(vector) >> static_cast<uint32_t>(8 * byte);
    return _mm512_and_si512(reinterpret_cast<Ints>(shifted), _mm512_set1_epi32(0xff));
  }
  static Ints pack(Ints c0, Ints c1, Ints c2, Ints c3) {
    constexpr int kOr = 0xfe;
    const Ints low =
        _mm512_ternarylogic_epi32(c0, _mm512_slli_epi32(c1, 8), _mm512_slli_epi32(c2, 16), kOr);
    return _mm512_or_si512(low, _mm512_slli_epi32(c3, 24));
  }
  /// The lower bound comes with the packing, whose saturation is unsigned; what is too low for an
  /// int32, or no number, converts to the lowest.
  static Ints pack_unsigned(Floats y0, Floats y1, Floats y2, Floats y3, Floats high) {
    const auto code = [&](Floats y) { return round(_mm512_min_ps(high, y)); };
    const Ints bytes = _mm512_packus_epi16(_mm512_packus_epi32(code(y0), code(y1)),
                                           _mm512_packus_epi32(code(y2), code(y3)));
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order));
  }
  static void store_byte(uint8_t* vector, int byte, Ints codes) {
    const Ints shifted = _mm512_sll_epi32(codes, _mm_cvtsi32_si128(8 * byte));
    _mm512_mask_storeu_epi8(vector, 0x1111111111111111ULL << byte, shifted);
  }
};

}  // namespace
}  // namespace flatenn::engine::lanes
