#include <immintrin.h>

#include "engine/kernels/general/winograd_impl.h"

namespace flatenn::engine::general {
namespace {

struct Avx512Vnni {
  using Sums = __m512i;
  using Floats = __m512;
  using Words = __m512i;
  using Row = __m256i;
  static constexpr int kPixels = kMostPixels;

  static Sums zero() { return _mm512_setzero_si512(); }
  static Words load_pairs(const int16_t* from) { return _mm512_loadu_si512(from); }
  static Words broadcast_pair(const int16_t* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static __m256i load_half(const int16_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  /// Channels 0-3, 8-11, 4-7 and 12-15.
  static Words interleave(const int16_t* first, const int16_t* second) {
    const __m256i a = load_half(first);
    const __m256i b = load_half(second);
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_unpacklo_epi16(a, b)),
                              _mm256_unpackhi_epi16(a, b), 1);
  }
  static Sums in_order(Sums s) { return _mm512_shuffle_i64x2(s, s, 0xD8); }
  static Sums add_products(Sums acc, Words a, Words b) { return _mm512_dpwssd_epi32(acc, a, b); }
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
  static Floats load_words(const int16_t* from) {
    return to_float(_mm512_cvtepi16_epi32(load_half(from)));
  }
  /// The default rounding mode is half to even.
  static void store_words(int16_t* to, Floats v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  static Row load_row(const int16_t* from) { return load_half(from); }
  static void store_row(int16_t* to, Row row) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), row);
  }
  static Row add_rows(Row a, Row b) { return _mm256_add_epi16(a, b); }
  static Row subtract_rows(Row a, Row b) { return _mm256_sub_epi16(a, b); }
  static Sums load_sums(const int32_t* from) { return _mm512_loadu_si512(from); }
  static Sums add_sums(Sums a, Sums b) { return _mm512_add_epi32(a, b); }
  static Sums subtract_sums(Sums a, Sums b) { return _mm512_sub_epi32(a, b); }
  static Sums quarter(Sums a) { return _mm512_srai_epi32(a, 2); }
  static void store_sums(int32_t* to, Sums s) { _mm512_storeu_si512(to, s); }
  static void store_floats(float* to, Floats v) { _mm512_storeu_ps(to, v); }
};

}  // namespace

void dot_s16_avx512vnni(const DotArgs& args) { dot_any<Avx512Vnni>(args); }
void depthwise_s16_avx512vnni(const DepthwiseArgs& args) { depthwise_any<Avx512Vnni>(args); }
void combine_s16_avx512vnni(const CombineArgs& args) { combine_any<Avx512Vnni>(args); }
void to_tiles_s16_avx512vnni(const ToTilesArgs& args) { to_tiles_any<Avx512Vnni>(args); }
void from_tiles_s16_avx512vnni(const FromTilesArgs& args) { from_tiles_any<Avx512Vnni>(args); }

}  // namespace flatenn::engine::general
