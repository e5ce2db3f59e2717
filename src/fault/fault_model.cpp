#include "flatenn/fault/fault_model.h"

#include <algorithm>
#include <array>

#include "flatenn/base/error.h"

namespace flatenn::fault {

namespace {

using Share = double KindShares::*;

/// In the order of FaultKind.
constexpr std::array<Share, 5> kShares = {&KindShares::bit_flip, &KindShares::stuck_at_0,
                                          &KindShares::stuck_at_1, &KindShares::flip_0_to_1,
                                          &KindShares::flip_1_to_0};

}  // namespace

KindShares KindShares::only(FaultKind kind) {
  KindShares shares{.bit_flip = 0};
  shares.of(kind) = 1;
  return shares;
}

double& KindShares::of(FaultKind kind) { return this->*kShares.at(static_cast<size_t>(kind)); }
double KindShares::of(FaultKind kind) const { return this->*kShares.at(static_cast<size_t>(kind)); }

double KindShares::sum() const {
  double sum = 0;
  for (const Share share : kShares) sum += this->*share;
  return sum;
}

FaultKind KindShares::pick(double v) const {
  double below = 0;
  size_t last = 0;
  for (size_t kind = 0; kind < kShares.size(); ++kind) {
    if (this->*kShares[kind] <= 0) continue;
    below += this->*kShares[kind];
    if (v < below) return static_cast<FaultKind>(kind);
    last = kind;
  }
  return static_cast<FaultKind>(last);  // shares that sum to a hair under 1 leave v above them
}

bool KindShares::is_mix() const {
  return std::none_of(kShares.begin(), kShares.end(),
                      [this](Share share) { return this->*share >= 1; });
}

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
