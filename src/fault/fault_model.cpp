#include "flatenn/fault/fault_model.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::fault {

KindShares KindShares::only(FaultKind kind) {
  return {.bit_flip = kind == FaultKind::kBitFlip ? 1.0 : 0.0,
          .stuck_at_0 = kind == FaultKind::kStuckAt0 ? 1.0 : 0.0,
          .stuck_at_1 = kind == FaultKind::kStuckAt1 ? 1.0 : 0.0};
}

FaultKind KindShares::pick(double v) const {
  if (v < bit_flip) return FaultKind::kBitFlip;
  if (v < bit_flip + stuck_at_0) return FaultKind::kStuckAt0;
  if (stuck_at_1 > 0) return FaultKind::kStuckAt1;
  // Shares that sum to a hair under 1 leave v above the last one.
  return stuck_at_0 > 0 ? FaultKind::kStuckAt0 : FaultKind::kBitFlip;
}

bool KindShares::is_mix() const { return bit_flip < 1 && stuck_at_0 < 1 && stuck_at_1 < 1; }

bool FaultSource::wants_bit(int bit, int word_bits) const {
  return bits.empty() || std::any_of(bits.begin(), bits.end(), [&](int position) {
           return (position < 0 ? position + word_bits : position) == bit;
         });
}

FaultModel FaultModel::of_kind(FaultKind kind, Encoding encoding) {
  return {.encoding = encoding, .sources = {{.kinds = KindShares::only(kind)}}};
}

FaultModel FaultModel::with_kind(FaultKind kind) const {
  FaultModel model = *this;
  for (FaultSource& source : model.sources) {
    if (!source.follows_kind) continue;
    source.kinds = KindShares::only(kind);
    source.follows_kind = false;
  }
  return model;
}

bool FaultModel::follows_rate() const {
  return std::any_of(sources.begin(), sources.end(),
                     [](const FaultSource& source) { return source.follows_rate(); });
}

bool FaultModel::follows_kind() const {
  return std::any_of(sources.begin(), sources.end(),
                     [](const FaultSource& source) { return source.follows_kind; });
}

}  // namespace flatenn::fault
