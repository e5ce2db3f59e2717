#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "flatenn/base/random.h"

/// The dyadic bands in which the uniforms of positions are drawn; the rule is BandSampler's.
namespace flatenn::fault {

inline constexpr int kBands = 41;
inline constexpr int kLastBand = kBands - 1;  ///< [1/2, 1): every position that is left.

/// -1 / log(1 - r), the mean jump; bands from the lowest, without the last.
inline constexpr double kJumpScale[] = {
#include "fault/band_table.inc"
};
static_assert(sizeof(kJumpScale) / sizeof(double) == kLastBand);

/// 2^(band - 41), but 0 for the lowest band.
constexpr double lower_edge(int band) {
  return band == 0 ? 0.0 : 1.0 / static_cast<double>(uint64_t{1} << (kBands - band));
}

/// 52 bits of a word as a fraction in [0, 1): the bits of a double in [1, 2), less 1, exactly.
inline double fraction_of(uint64_t word) {
  return std::bit_cast<double>(word >> 12 | uint64_t{0x3ff} << 52) - 1;
}

/// The words of a fresh stream, and what each is as a jump, made many at a time: that lets a core
/// overlap them. Takes more of the stream than it gives out.
class WordQueue {
 public:
  explicit WordQueue(RandomStream& stream) : stream_(stream) {}

  /// -log of the next word as an open uniform.
  double next_log() { return logs_[next()]; }
  /// The next word's fraction_of().
  double next_fraction() { return fraction_of(words_[next()]); }

 private:
  size_t next() {
    if (at_ == end_) refill();
    return at_++;
  }
  void refill();

  static constexpr size_t kFirst = 32;  // many streams end within their first words
  static constexpr size_t kMost = 8 * kFirst;
  RandomStream& stream_;
  std::array<uint64_t, kMost> words_;
  std::array<double, kMost> logs_;
  size_t at_ = 0;
  size_t end_ = 0;
};

/// Positions to jump over, or `left` where the jump leaves the stream.
inline int64_t draw_jump(WordQueue& words, int band, int64_t left) {
  if (band == kLastBand) return 0;
  const double jump = words.next_log() * kJumpScale[band];
  return jump >= static_cast<double>(left) ? left : static_cast<int64_t>(jump);
}

/// Calls add(index, u) for the positions in [0, count) that one band hits, indices rising, but for
/// those that taken(index) says a lower band hit. u is the position's uniform: a multiple of 2^-52
/// of the band's width above its lower edge, so that the sum is exact and stays below the upper
/// one.
template <typename Taken, typename Add>
void draw_band(WordQueue& words, int band, int64_t count, const Taken& taken, const Add& add) {
  const double edge = band == 0 ? 0x1p-40 : lower_edge(band);
  const double start = band == 0 ? 0 : 1;
  for (int64_t index = 0; index < count; ++index) {
    index += draw_jump(words, band, count - index);
    if (index >= count) break;
    if (taken(index)) continue;
    add(index, edge * (start + words.next_fraction()));
  }
}

/// Bands that reach below a rate.
inline int bands_below(double rate) {
  int bands = 0;
  while (bands < kBands && lower_edge(bands) < rate) ++bands;
  return bands;
}

}  // namespace flatenn::fault
