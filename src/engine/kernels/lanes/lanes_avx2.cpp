#include "engine/kernels/floats_avx2.h"
#include "engine/kernels/lanes/lanes_impl.h"
#include "engine/kernels/lanes/winograd_impl.h"

namespace flatenn::engine::lanes {
namespace {

/// Two registers of eight lanes stand for sixteen.
struct Avx2 : FloatsAvx2 {
  struct Ints {
    __m256i low, high;
  };
  /// Wide: bytes 0 and 2 of each lane, then 1 and 3, as 16-bit words.
  struct Codes {
    __m256i low, high, odd_low, odd_high;
  };
  struct Weight {
    __m256i even, odd;
  };
  static constexpr unsigned kPeakChains = 4;
  static constexpr unsigned kTilePositions[kMaxBlock + 1] = {0, 4, 2, 1, 1, 1, 1};

  static Ints broadcast(int32_t value) {
    return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
  }
  static Ints load_vector(const uint8_t* from) {
    const auto* p = reinterpret_cast<const __m256i*>(from);
    return {_mm256_loadu_si256(p), _mm256_loadu_si256(p + 1)};
  }
  static void store_vector(uint8_t* to, Ints value) {
    auto* p = reinterpret_cast<__m256i*>(to);
    _mm256_storeu_si256(p, value.low);
    _mm256_storeu_si256(p + 1, value.high);
  }
  static Ints load(const int32_t* from) {
    return load_vector(reinterpret_cast<const uint8_t*>(from));
  }
  static void store(int32_t* to, Ints value) {
    store_vector(reinterpret_cast<uint8_t*>(to), value);
  }

  template <bool Wide>
  static Codes codes(const uint8_t* from) {
    const Ints bytes = load_vector(from);
    if constexpr (!Wide) {
      return Codes{bytes.low, bytes.high, bytes.low, bytes.high};
    }
    const __m256i mask = _mm256_set1_epi16(0xff);
    return Codes{_mm256_and_si256(bytes.low, mask), _mm256_and_si256(bytes.high, mask),
                 _mm256_srli_epi16(bytes.low, 8), _mm256_srli_epi16(bytes.high, 8)};
  }
  template <bool Wide>
  static Weight weight(int32_t bytes) {
    const __m256i all = _mm256_set1_epi32(bytes);
    if constexpr (!Wide) return Weight{all, all};
    return Weight{_mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8), _mm256_srai_epi16(all, 8)};
  }
  /// maddubs saturates sums of two products at 16 bits, which only Wide ones can reach.
  template <bool Wide>
  static Ints dot(Ints acc, const Codes& codes, const Weight& weight) {
    if constexpr (Wide) {
      const auto half = [&](__m256i sum, __m256i even, __m256i odd) {
        return _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(even, weight.even),
                                                      _mm256_madd_epi16(odd, weight.odd)));
      };
      return {half(acc.low, codes.low, codes.odd_low), half(acc.high, codes.high, codes.odd_high)};
    } else {
      const __m256i ones = _mm256_set1_epi16(1);
      const auto half = [&](__m256i sum, __m256i bytes) {
        const __m256i pairs = _mm256_maddubs_epi16(bytes, weight.even);
        return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      };
      return {half(acc.low, codes.low), half(acc.high, codes.high)};
    }
  }

  using FloatsAvx2::add;
  static Ints add(Ints a, Ints b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
  }
  static Ints subtract(Ints a, Ints b) {
    return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
  }
  static Ints max(Ints a, Ints b) {
    return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
  }
  static Ints min(Ints a, Ints b) {
    return {_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)};
  }
  static Floats to_float(Ints value) {
    return {_mm256_cvtepi32_ps(value.low), _mm256_cvtepi32_ps(value.high)};
  }
  /// The default rounding mode is half to even.
  static Ints round(Floats value) {
    return {_mm256_cvtps_epi32(value.low), _mm256_cvtps_epi32(value.high)};
  }

  static Ints add_bytes(Ints a, Ints b) {
    return {_mm256_add_epi8(a.low, b.low), _mm256_add_epi8(a.high, b.high)};
  }
  static Ints subtract_bytes(Ints a, Ints b) {
    return {_mm256_sub_epi8(a.low, b.low), _mm256_sub_epi8(a.high, b.high)};
  }
  static Ints flip_top_bits(Ints a) {
    const __m256i top = _mm256_set1_epi8(-128);
    return {_mm256_xor_si256(a.low, top), _mm256_xor_si256(a.high, top)};
  }
  static Ints quarter(Ints a) {
    return {_mm256_srai_epi32(a.low, 2), _mm256_srai_epi32(a.high, 2)};
  }

  static Ints byte_of(Ints vector, int byte) {
    const __m128i shift = _mm_cvtsi32_si128(8 * byte);
    const __m256i mask = _mm256_set1_epi32(0xff);
    return {_mm256_and_si256(_mm256_srl_epi32(vector.low, shift), mask),
            _mm256_and_si256(_mm256_srl_epi32(vector.high, shift), mask)};
  }
  static Ints pack(Ints c0, Ints c1, Ints c2, Ints c3) {
    const auto half = [](__m256i a, __m256i b, __m256i c, __m256i d) {
      const __m256i low = _mm256_or_si256(a, _mm256_slli_epi32(b, 8));
      const __m256i high = _mm256_or_si256(c, _mm256_slli_epi32(d, 8));
      return _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
    };
    return {half(c0.low, c1.low, c2.low, c3.low), half(c0.high, c1.high, c2.high, c3.high)};
  }
  /// As in lanes_avx512vnni.h.
  static Ints pack_unsigned(Floats y0, Floats y1, Floats y2, Floats y3, Floats high) {
    const auto half = [](__m256 top, __m256 a, __m256 b, __m256 c, __m256 d) {
      const auto code = [&](__m256 y) { return _mm256_cvtps_epi32(_mm256_min_ps(top, y)); };
      const __m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(code(a), code(b)),
                                                _mm256_packus_epi32(code(c), code(d)));
      const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
      return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order));
    };
    return {half(high.low, y0.low, y1.low, y2.low, y3.low),
            half(high.high, y0.high, y1.high, y2.high, y3.high)};
  }
  static void store_byte(uint8_t* vector, int byte, Ints codes) {
    const __m128i shift = _mm_cvtsi32_si128(8 * byte);
    const __m256i mask = _mm256_sll_epi32(_mm256_set1_epi32(0xff), shift);
    const Ints old = load_vector(vector);
    const auto half = [&](__m256i before, __m256i code) {
      return _mm256_or_si256(_mm256_andnot_si256(mask, before), _mm256_sll_epi32(code, shift));
    };
    store_vector(vector, {half(old.low, codes.low), half(old.high, codes.high)});
  }
};

}  // namespace

void dot_u8s8s32_avx2(const DotArgs& args) {
  args.wide ? dot_any<Avx2, true>(args) : dot_any<Avx2, false>(args);
}
void requantize_s32u8_avx2(const RequantizeArgs& args) { requantize_any<Avx2>(args); }
int64_t peak_u8s8s32_avx2(int64_t rounds) { return peak_any<Avx2>(rounds); }
void winograd_input_avx2(const WinogradInputArgs& args) { winograd_input_any<Avx2>(args); }
void winograd_output_avx2(const WinogradOutputArgs& args) { winograd_output_any<Avx2>(args); }

}  // namespace flatenn::engine::lanes
