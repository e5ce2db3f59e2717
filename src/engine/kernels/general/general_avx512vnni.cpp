#include <immintrin.h>

#include "engine/kernels/general/general_impl.h"

namespace flatenn::engine::general {
namespace {

struct Avx512Vnni {
  using Store = Bytes;
  using Sums = __m512i;
  using Floats = __m512;
  using Packs = __m512i;
  /// With a register of weights they leave some for the compiler.
  static constexpr int kPixels = kMostPixels;
  static constexpr int kFewPixels = 4;
  static constexpr int kTogether = 4;
  static constexpr bool kShares = true;

  static Sums zero() { return _mm512_setzero_si512(); }
  static Sums load_sums(const int32_t* from) { return _mm512_loadu_si512(from); }
  static Packs load_packs(const int8_t* from) { return _mm512_loadu_si512(from); }
  static Packs broadcast_pack(const uint8_t* from) {
    int32_t pack;
    std::memcpy(&pack, from, sizeof pack);
    return _mm512_set1_epi32(pack);
  }
  static __m128i load_block(const uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }
  /// Four channels of all taps to a lane, then each channel's taps together.
  static Packs gather_packs(const uint8_t* from, const int32_t* taps) {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(load_block(from + taps[0])),
                                                load_block(from + taps[1]), 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(load_block(from + taps[2])),
                                                 load_block(from + taps[3]), 1);
    const __m512i lanes = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(transposed(), lanes), transposed_bytes());
  }
  /// Of 4x4 elements.
  static __m512i transposed() {
    return _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  }
  static __m512i transposed_bytes() {
    return _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  }
  static Packs one_place_on(Packs weights) { return _mm512_slli_epi32(weights, 8); }
  static Packs out_of_order(Packs weights) { return weights; }
  static Sums in_order(Sums sums) { return sums; }
  static Sums add_products(Sums acc, Packs codes, Packs weights) {
    return _mm512_dpbusd_epi32(acc, codes, weights);
  }
  static Floats to_float(Sums s) { return _mm512_cvtepi32_ps(s); }
  static Floats load_floats(const float* from) { return _mm512_loadu_ps(from); }
  static Floats splat(float value) { return _mm512_set1_ps(value); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static Floats clamp(Floats v, Floats low, Floats high) {
    return _mm512_min_ps(_mm512_max_ps(v, low), high);
  }
  static Floats load_words(const uint8_t* from, int32_t least) {
    const __m512i codes = _mm512_cvtepu8_epi32(load_block(from));
    return to_float(_mm512_add_epi32(codes, _mm512_set1_epi32(least)));
  }
  /// The default rounding mode is half to even.
  static void store_words(uint8_t* to, Floats v, int32_t least) {
    const __m512i codes = _mm512_sub_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(least));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(codes));
  }
  /// Beyond a byte's bounds, these.
  static void store_together(uint8_t* to, const int32_t* offsets, const Floats (&v)[4],
                             int32_t least) {
    const __m512i zero_code = _mm512_set1_epi16(static_cast<int16_t>(least));
    const auto pair = [&](Floats a, Floats b) {
      return _mm512_subs_epi16(_mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b)),
                               zero_code);
    };
    const __m512i all = _mm512_permutexvar_epi32(
        transposed(), _mm512_packus_epi16(pair(v[0], v[1]), pair(v[2], v[3])));
    store_block(to + offsets[0], _mm512_castsi512_si128(all));
    store_block(to + offsets[1], _mm512_extracti32x4_epi32(all, 1));
    store_block(to + offsets[2], _mm512_extracti32x4_epi32(all, 2));
    store_block(to + offsets[3], _mm512_extracti32x4_epi32(all, 3));
  }
  static void store_block(uint8_t* to, __m128i block) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
  }
  static void store_sums(int32_t* to, Sums s) { _mm512_storeu_si512(to, s); }
  static void store_floats(float* to, Floats v) { _mm512_storeu_ps(to, v); }
};

}  // namespace

void dot_u8s8_avx512vnni(const DotArgs<Bytes>& args) { dot_any<Avx512Vnni>(args); }
void depthwise_u8s8_avx512vnni(const DepthwiseArgs<Bytes>& args) {
  depthwise_any<Avx512Vnni>(args);
}
void combine_u8_avx512vnni(const CombineArgs<Bytes>& args) { combine_any<Avx512Vnni>(args); }

}  // namespace flatenn::engine::general
