#include "engine/kernels/floats_avx2.h"
#include "engine/kernels/general/winograd_impl.h"

namespace flatenn::engine::general {
namespace {

struct Avx2 : FloatsAvx2 {
  using Store = general::Words;
  struct Sums {
    __m256i low, high;
  };
  using Packs = Sums;
  using Row = __m256i;
  /// Twelve sums, two registers of weights and one of codes.
  static constexpr int kPixels = 6;
  static constexpr int kFewPixels = 3;
  static constexpr int kTogether = 1;
  static constexpr bool kShares = false;

  static __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
  static Sums zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Packs load_packs(const int16_t* from) { return {load(from), load(from + kBlock)}; }
  static Packs broadcast_pack(const int16_t* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    const __m256i both = _mm256_set1_epi32(pair);
    return {both, both};
  }
  static __m256i widen_half(const int16_t* from) {
    return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  /// Channels 0-3 and 8-11, then 4-7 and 12-15.
  static Packs gather_packs(const int16_t* from, const int32_t* taps) {
    const __m256i a = load(from + taps[0]);
    const __m256i b = load(from + taps[1]);
    return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
  }
  static Packs out_of_order(Packs weights) { return in_order(weights); }
  /// Its own inverse.
  static Sums in_order(Sums s) {
    return {_mm256_permute2x128_si256(s.low, s.high, 0x20),
            _mm256_permute2x128_si256(s.low, s.high, 0x31)};
  }
  static Sums add_products(Sums acc, Packs a, Packs b) {
    return {_mm256_add_epi32(acc.low, _mm256_madd_epi16(a.low, b.low)),
            _mm256_add_epi32(acc.high, _mm256_madd_epi16(a.high, b.high))};
  }
  static Floats to_float(Sums s) { return {_mm256_cvtepi32_ps(s.low), _mm256_cvtepi32_ps(s.high)}; }
  static Floats load_floats(const float* from) {
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  static Floats divide(Floats a, Floats b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  static Floats load_words(const int16_t* from, int32_t) {
    return to_float({widen_half(from), widen_half(from + 8)});
  }
  /// The default rounding mode is half to even.
  static void store_words(int16_t* to, Floats v, int32_t) {
    const __m256i mixed = _mm256_packs_epi32(_mm256_cvtps_epi32(v.low), _mm256_cvtps_epi32(v.high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(mixed, 0xD8));
  }
  static Row load_row(const int16_t* from) { return load(from); }
  static void store_row(int16_t* to, Row row) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), row);
  }
  static Row add_rows(Row a, Row b) { return _mm256_add_epi16(a, b); }
  static Row subtract_rows(Row a, Row b) { return _mm256_sub_epi16(a, b); }
  static Sums load_sums(const int32_t* from) { return {load(from), load(from + 8)}; }
  static Sums add_sums(Sums a, Sums b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
  }
  static Sums subtract_sums(Sums a, Sums b) {
    return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
  }
  static Sums quarter(Sums a) {
    return {_mm256_srai_epi32(a.low, 2), _mm256_srai_epi32(a.high, 2)};
  }
  static void store_sums(int32_t* to, Sums s) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), s.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 8), s.high);
  }
  static void store_floats(float* to, Floats v) {
    _mm256_storeu_ps(to, v.low);
    _mm256_storeu_ps(to + 8, v.high);
  }
};

}  // namespace

void dot_s16_avx2(const DotArgs<Words>& args) { dot_any<Avx2>(args); }
void depthwise_s16_avx2(const DepthwiseArgs<Words>& args) { depthwise_any<Avx2>(args); }
void combine_s16_avx2(const CombineArgs<Words>& args) { combine_any<Avx2>(args); }
void to_tiles_s16_avx2(const ToTilesArgs& args) { to_tiles_any<Avx2>(args); }
void from_tiles_s16_avx2(const FromTilesArgs& args) { from_tiles_any<Avx2>(args); }

}  // namespace flatenn::engine::general
