#include "fault/dense_bits.h"

#include "fault/bands.h"
#include "fault/random_bits.h"

namespace flatenn::fault {
namespace {

/// Calls hit(index, below) for the positions whose uniform lies below `rate`, and with below = 0
/// for others that were drawn with them: no branch, as half of the last band's hits may be
/// such. taken(index): whether hit(index, 1) was called.
template <typename Taken, typename Hit>
void draw_below(RandomStream& stream, int64_t count, double rate, const Taken& taken,
                const Hit& hit) {
  WordQueue words(stream);
  const int bands = bands_below(rate);
  for (int band = 0; band < bands; ++band) {
    draw_band(words, band, count, taken,
              [&](int64_t index, double u) { hit(index, static_cast<int>(u < rate)); });
  }
}

/// One kind: where the masks of that kind are empty, they also say which bits were hit.
void draw_first(SiteStreams& streams, int32_t bit, int64_t words, double rate, uint16_t* plane) {
  draw_below(
      streams.sites, words, rate, [=](int64_t i) { return (plane[i] >> bit & 1) != 0; },
      [=](int64_t i, int below) { plane[i] = static_cast<uint16_t>(plane[i] | below << bit); });
}

void draw_beside(const KindShares& kinds, SiteStreams& streams, int32_t bit, int64_t words,
                 double rate, WordMasks& masks) {
  uint16_t* const own = masks.own();
  draw_below(
      streams.sites, words, rate, [=](int64_t i) { return (own[i] >> bit & 1) != 0; },
      [&](int64_t i, int below) {
        const FaultKind kind = kinds.pick(streams.kinds ? streams.kinds->uniform() : 0.0);
        const int one = below << bit;
        own[i] = static_cast<uint16_t>(own[i] | one);
        uint16_t& mask = masks.plane(kind)[i];
        mask = static_cast<uint16_t>(kind == FaultKind::kBitFlip ? mask ^ one : mask | one);
      });
}

}  // namespace

void draw_masks(const FaultSource& source, const SelectedTensor& selected,
                const MemoryTensor& tensor, double rate, const DrawKey& key, WordMasks& masks) {
  const bool first = masks.empty() && !source.kinds.is_mix();
  for (const int32_t bit : selected.bits) {
    SiteStreams streams(key, RandomPurpose::kWeightFault, static_cast<uint64_t>(tensor.ordinal),
                        static_cast<uint64_t>(bit), source.kinds);
    const double own = bit_rate(source, rate, bit, tensor.bits);
    if (first) {
      draw_first(streams, bit, tensor.elements, own, masks.plane(source.kinds.pick(0)));
    } else {
      draw_beside(source.kinds, streams, bit, tensor.elements, own, masks);
    }
  }
  if (!first) masks.clear_own();
}

}  // namespace flatenn::fault
