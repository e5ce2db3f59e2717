#include "fault/band_sampler.h"

#include <algorithm>

#include "fault/bands.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

bool by_index(const Hit& a, const Hit& b) { return a.index < b.index; }

}  // namespace

void BandSampler::draw_band(WordQueue& words, const Marks& marks, int64_t count, int band) {
  band_.clear();
  auto lower = hits_.cbegin();
  const auto taken = [&](int64_t index) {
    while (lower != hits_.cend() && lower->index < index) ++lower;
    return lower != hits_.cend() && lower->index == index;
  };
  fault::draw_band(words, band, count, taken, [&](int64_t index, double u) {
    band_.push_back({.index = index,
                     .u = u,
                     .kind = marks.kind != nullptr ? marks.kind->uniform() : 0.0,
                     .pattern = marks.pattern != nullptr ? marks.pattern->uniform() : 0.0});
  });
}

void BandSampler::merge_band() {
  if (band_.empty()) return;
  merged_.resize(hits_.size() + band_.size());
  std::merge(hits_.begin(), hits_.end(), band_.begin(), band_.end(), merged_.begin(), by_index);
  hits_.swap(merged_);
}

const std::vector<Hit>& BandSampler::sample(RandomStream& stream, const Marks& marks, int64_t count,
                                            double rate) {
  FLATENN_ASSERT(rate >= 0 && rate <= 1, "rate ", rate);
  hits_.clear();
  WordQueue words(stream);
  const int bands = bands_below(rate);
  for (int band = 0; band < bands; ++band) {
    draw_band(words, marks, count, band);
    if (band + 1 == bands) {
      std::erase_if(band_, [&](const Hit& hit) { return !(hit.u < rate); });
    }
    merge_band();
  }
  return hits_;
}

}  // namespace flatenn::fault
