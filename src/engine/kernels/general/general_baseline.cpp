#include "engine/kernels/general/winograd_impl.h"

namespace flatenn::engine::general {
namespace {

/// Plain arrays, for the compiler to make vectors of.
struct Baseline {
  using Store = general::Words;
  struct Sums {
    int32_t at[kBlock];
  };
  struct Floats {
    float at[kBlock];
  };
  struct Packs {
    int16_t at[2 * kBlock];
  };
  struct Row {
    int16_t at[kBlock];
  };
  static constexpr int kPixels = 3;
  static constexpr int kFewPixels = 3;
  static constexpr int kTogether = 1;
  static constexpr bool kShares = false;

  template <class Body>
  static Floats each(const Body& body) {
    Floats result;
    for (int i = 0; i < kBlock; ++i) result.at[i] = body(i);
    return result;
  }

  static Sums zero() { return {}; }
  static Packs load_packs(const int16_t* from) {
    Packs result;
    std::memcpy(result.at, from, sizeof result.at);
    return result;
  }
  static Packs broadcast_pack(const int16_t* from) {
    Packs result;
    for (int i = 0; i < 2 * kBlock; ++i) result.at[i] = from[i % 2];
    return result;
  }
  static Packs gather_packs(const int16_t* from, const int32_t* taps) {
    Packs result;
    for (int i = 0; i < kBlock; ++i) {
      result.at[2 * i] = from[taps[0] + i];
      result.at[2 * i + 1] = from[taps[1] + i];
    }
    return result;
  }
  static const Packs& out_of_order(const Packs& weights) { return weights; }
  static Sums in_order(const Sums& sums) { return sums; }
  static Sums add_products(Sums acc, const Packs& a, const Packs& b) {
    for (int i = 0; i < kBlock; ++i) {
      acc.at[i] += a.at[2 * i] * b.at[2 * i] + a.at[2 * i + 1] * b.at[2 * i + 1];
    }
    return acc;
  }
  static Floats to_float(const Sums& s) {
    return each([&](int i) { return static_cast<float>(s.at[i]); });
  }
  static Floats load_floats(const float* from) {
    return each([&](int i) { return from[i]; });
  }
  static Floats splat(float value) {
    return each([&](int) { return value; });
  }
  static Floats add(const Floats& a, const Floats& b) {
    return each([&](int i) { return a.at[i] + b.at[i]; });
  }
  static Floats multiply(const Floats& a, const Floats& b) {
    return each([&](int i) { return a.at[i] * b.at[i]; });
  }
  static Floats divide(const Floats& a, const Floats& b) {
    return each([&](int i) { return a.at[i] / b.at[i]; });
  }
  static Floats fma(const Floats& a, const Floats& b, const Floats& c) {
    return each([&](int i) { return std::fma(a.at[i], b.at[i], c.at[i]); });
  }
  static Floats clamp(const Floats& value, const Floats& low, const Floats& high) {
    return each([&](int i) { return std::min(std::max(value.at[i], low.at[i]), high.at[i]); });
  }
  static Floats load_words(const int16_t* from, int32_t) {
    return each([&](int i) { return static_cast<float>(from[i]); });
  }
  static void store_words(int16_t* to, const Floats& value, int32_t) {
    for (int i = 0; i < kBlock; ++i) to[i] = static_cast<int16_t>(std::nearbyint(value.at[i]));
  }
  static Row load_row(const int16_t* from) {
    Row result;
    std::memcpy(result.at, from, sizeof result.at);
    return result;
  }
  static void store_row(int16_t* to, const Row& row) { std::memcpy(to, row.at, sizeof row.at); }
  static Row add_rows(Row a, const Row& b) {
    for (int i = 0; i < kBlock; ++i) a.at[i] = static_cast<int16_t>(a.at[i] + b.at[i]);
    return a;
  }
  static Row subtract_rows(Row a, const Row& b) {
    for (int i = 0; i < kBlock; ++i) a.at[i] = static_cast<int16_t>(a.at[i] - b.at[i]);
    return a;
  }
  static Sums load_sums(const int32_t* from) {
    Sums result;
    std::memcpy(result.at, from, sizeof result.at);
    return result;
  }
  static Sums add_sums(Sums a, const Sums& b) {
    for (int i = 0; i < kBlock; ++i) {
      a.at[i] =
          static_cast<int32_t>(static_cast<uint32_t>(a.at[i]) + static_cast<uint32_t>(b.at[i]));
    }
    return a;
  }
  static Sums subtract_sums(Sums a, const Sums& b) {
    for (int i = 0; i < kBlock; ++i) {
      a.at[i] =
          static_cast<int32_t>(static_cast<uint32_t>(a.at[i]) - static_cast<uint32_t>(b.at[i]));
    }
    return a;
  }
  static Sums quarter(Sums a) {
    for (int32_t& sum : a.at) sum /= 4;
    return a;
  }
  static void store_sums(int32_t* to, const Sums& s) { std::memcpy(to, s.at, sizeof s.at); }
  static void store_floats(float* to, const Floats& value) {
    std::memcpy(to, value.at, sizeof value.at);
  }
};

}  // namespace

void dot_s16_baseline(const DotArgs<Words>& args) { dot_any<Baseline>(args); }
void depthwise_s16_baseline(const DepthwiseArgs<Words>& args) { depthwise_any<Baseline>(args); }
void combine_s16_baseline(const CombineArgs<Words>& args) { combine_any<Baseline>(args); }
void to_tiles_s16_baseline(const ToTilesArgs& args) { to_tiles_any<Baseline>(args); }
void from_tiles_s16_baseline(const FromTilesArgs& args) { from_tiles_any<Baseline>(args); }

}  // namespace flatenn::engine::general
