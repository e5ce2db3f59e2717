#include "fault/band_sampler.h"

#include <algorithm>
#include <cmath>

#include "fault/logarithm.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

constexpr int kBands = 41;
constexpr int kLastBand = kBands - 1;  // [1/2, 1): every position that is left

/// -1 / log(1 - r), the mean jump; bands from the lowest, without the last.
constexpr double kJumpScale[] = {
#include "fault/band_table.inc"
};
static_assert(sizeof(kJumpScale) / sizeof(double) == kLastBand);

double lower_edge(int band) { return band == 0 ? 0.0 : std::ldexp(1.0, band - kBands); }

/// The uniform of a hit: a multiple of 2^-52 of the band's width above its lower edge, so that the
/// sum is exact and stays below the upper edge.
double place_in_band(RandomStream& stream, int band) {
  const double fraction = static_cast<double>(stream.next_u64() >> 12) * 0x1p-52;
  return band == 0 ? fraction * 0x1p-40 : lower_edge(band) * (1 + fraction);
}

/// Positions to jump over, or `left` where the jump leaves the stream.
int64_t draw_jump(RandomStream& stream, int band, int64_t left) {
  if (band == kLastBand) return 0;
  const double u = stream.open_uniform();
  const double scale = kJumpScale[band];
  // -log(u) >= 1 - u: most streams end here without a logarithm, with the same outcome (the margin
  // is far wider than the rounding of either side).
  if ((1 - u) * scale * (1 - 0x1p-40) >= static_cast<double>(left)) return left;
  const double jump = negative_log(u) * scale;
  return jump >= static_cast<double>(left) ? left : static_cast<int64_t>(jump);
}

bool by_index(const Hit& a, const Hit& b) { return a.index < b.index; }

}  // namespace

void BandSampler::draw_band(RandomStream& stream, const Marks& marks, int64_t count, int band) {
  band_.clear();
  auto lower = hits_.cbegin();
  for (int64_t index = 0; index < count; ++index) {
    index += draw_jump(stream, band, count - index);
    if (index >= count) break;
    while (lower != hits_.cend() && lower->index < index) ++lower;
    if (lower != hits_.cend() && lower->index == index) continue;
    const double u = place_in_band(stream, band);
    band_.push_back({.index = index,
                     .u = u,
                     .kind = marks.kind != nullptr ? marks.kind->uniform() : 0.0,
                     .pattern = marks.pattern != nullptr ? marks.pattern->uniform() : 0.0});
  }
  if (band_.empty()) return;
  merged_.resize(hits_.size() + band_.size());
  std::merge(hits_.begin(), hits_.end(), band_.begin(), band_.end(), merged_.begin(), by_index);
  hits_.swap(merged_);
}

const std::vector<Hit>& BandSampler::sample(RandomStream& stream, const Marks& marks, int64_t count,
                                            double rate) {
  FLATENN_ASSERT(rate >= 0 && rate <= 1, "rate ", rate);
  hits_.clear();
  int band = 0;
  for (; band < kBands && lower_edge(band) < rate; ++band) draw_band(stream, marks, count, band);
  if (band > 0 && rate < lower_edge(band)) {
    std::erase_if(hits_, [&](const Hit& hit) { return !(hit.u < rate); });
  }
  return hits_;
}

}  // namespace flatenn::fault
