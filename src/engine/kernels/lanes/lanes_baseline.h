#pragma once

#include "engine/kernels/lanes/lanes.h"

namespace flatenn::engine::lanes {
namespace {

/// Plain C++ over arrays of sixteen; runs on any machine, vectorized as far as the compiler can.
struct Baseline {
  struct Ints {
    int32_t v[kLanes];
  };
  struct Floats {
    float v[kLanes];
  };
  struct Codes {
    const uint8_t* bytes;
  };
  static constexpr uint32_t kTopBits = 0x80808080;
  static constexpr unsigned kPeakChains = 1;
  static constexpr unsigned kTilePositions[kMaxBlock + 1] = {0, 1, 1, 1, 1, 1, 1};

  template <class To, class Function>
  static To each(const Function& function) {
    To result;
    for (int i = 0; i < kLanes; ++i) result.v[i] = function(i);
    return result;
  }

  static Ints broadcast(int32_t value) {
    return each<Ints>([&](int) { return value; });
  }
  static Ints load(const int32_t* from) {
    return each<Ints>([&](int i) { return from[i]; });
  }
  static void store(int32_t* to, const Ints& value) {
    for (int i = 0; i < kLanes; ++i) to[i] = value.v[i];
  }
  static Ints load_vector(const uint8_t* from) {
    return each<Ints>([&](int i) {
      uint32_t lane = 0;
      for (int b = 3; b >= 0; --b) lane = lane << 8 | from[4 * i + b];
      return static_cast<int32_t>(lane);
    });
  }
  static void store_vector(uint8_t* to, const Ints& value) {
    for (int b = 0; b < 4; ++b) store_byte(to, b, byte_of(value, b));
  }

  template <bool Wide>
  static Codes codes(const uint8_t* from) {
    return {from};
  }
  template <bool Wide>
  static int32_t weight(int32_t bytes) {
    return bytes;
  }
  template <bool Wide>
  static Ints dot(const Ints& acc, Codes codes, int32_t weight) {
    const auto byte = [&](int b) {
      return static_cast<int32_t>(static_cast<int8_t>(weight >> (8 * b)));
    };
    const int32_t w0 = byte(0);
    const int32_t w1 = byte(1);
    const int32_t w2 = byte(2);
    const int32_t w3 = byte(3);
    return each<Ints>([&](int i) {
      const uint8_t* c = codes.bytes + 4 * i;
      const int32_t sum = c[0] * w0 + c[1] * w1 + c[2] * w2 + c[3] * w3;
      return static_cast<int32_t>(static_cast<uint32_t>(acc.v[i]) + static_cast<uint32_t>(sum));
    });
  }

  static Ints add(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return a.v[i] + b.v[i]; });
  }
  static Ints subtract(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return a.v[i] - b.v[i]; });
  }
  static Ints max(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static Ints min(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static Floats splat(float value) {
    return each<Floats>([&](int) { return value; });
  }
  static Floats to_float(const Ints& value) {
    return each<Floats>([&](int i) { return static_cast<float>(value.v[i]); });
  }
  static Floats add(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.v[i] + b.v[i]; });
  }
  static Floats multiply(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return a.v[i] * b.v[i]; });
  }
  static Floats fma(const Floats& a, const Floats& b, const Floats& c) {
    return each<Floats>([&](int i) { return __builtin_fmaf(a.v[i], b.v[i], c.v[i]); });
  }
  static Floats clamp(const Floats& value, const Floats& low, const Floats& high) {
    return each<Floats>([&](int i) {
      const float raised = value.v[i] > low.v[i] ? value.v[i] : low.v[i];
      return raised < high.v[i] ? raised : high.v[i];
    });
  }
  /// Adding 1.5 * 2^23 leaves no bit for a fraction, so the sum rounds to an integer, half to even;
  /// codes are far below 2^22.
  static Ints round(const Floats& value) {
    constexpr float kNoFraction = 12582912.0F;
    return each<Ints>(
        [&](int i) { return static_cast<int32_t>((value.v[i] + kNoFraction) - kNoFraction); });
  }

  /// Four bytes of a word at once: carries stop at the top bits, which are added apart.
  static Ints add_bytes(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) {
      const auto x = static_cast<uint32_t>(a.v[i]);
      const auto y = static_cast<uint32_t>(b.v[i]);
      return static_cast<int32_t>(((x & ~kTopBits) + (y & ~kTopBits)) ^ ((x ^ y) & kTopBits));
    });
  }
  static Ints subtract_bytes(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) {
      const auto x = static_cast<uint32_t>(a.v[i]);
      const auto y = static_cast<uint32_t>(b.v[i]);
      return static_cast<int32_t>(((x | kTopBits) - (y & ~kTopBits)) ^ ((x ^ ~y) & kTopBits));
    });
  }
  static Ints flip_top_bits(const Ints& a) {
    return each<Ints>(
        [&](int i) { return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) ^ kTopBits); });
  }
  static Ints quarter(const Ints& a) {
    return each<Ints>([&](int i) { return a.v[i] >> 2; });
  }

  static Ints byte_of(const Ints& vector, int byte) {
    return each<Ints>([&](int i) { return vector.v[i] >> (8 * byte) & 0xff; });
  }
  static Ints pack(const Ints& c0, const Ints& c1, const Ints& c2, const Ints& c3) {
    return each<Ints>([&](int i) {
      return static_cast<int32_t>(static_cast<uint32_t>(c0.v[i] | c1.v[i] << 8 | c2.v[i] << 16) |
                                  static_cast<uint32_t>(c3.v[i]) << 24);
    });
  }
  static Ints pack_unsigned(const Floats& y0, const Floats& y1, const Floats& y2, const Floats& y3,
                            const Floats& high) {
    const auto code = [&](const Floats& y) { return round(clamp(y, splat(0), high)); };
    return pack(code(y0), code(y1), code(y2), code(y3));
  }
  static void store_byte(uint8_t* vector, int byte, const Ints& codes) {
    for (int i = 0; i < kLanes; ++i) vector[4 * i + byte] = static_cast<uint8_t>(codes.v[i]);
  }
};

}  // namespace
}  // namespace flatenn::engine::lanes
