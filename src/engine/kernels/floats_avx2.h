#pragma once

#include <immintrin.h>

namespace flatenn::engine {

/// Sixteen floats in two registers.
struct FloatsAvx2 {
  struct Floats {
    __m256 low, high;
  };

  static Floats splat(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static Floats add(Floats a, Floats b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  static Floats multiply(Floats a, Floats b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  static Floats fma(Floats a, Floats b, Floats c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static Floats clamp(Floats value, Floats low, Floats high) {
    return {_mm256_min_ps(_mm256_max_ps(value.low, low.low), high.low),
            _mm256_min_ps(_mm256_max_ps(value.high, low.high), high.high)};
  }
};

}  // namespace flatenn::engine
