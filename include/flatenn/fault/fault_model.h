#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/fault/encoding.h"
#include "flatenn/fault/fault_map.h"

namespace flatenn::fault {

/// Which stored words a source of faults reaches.
enum class FaultTarget {
  kWeights,
  kBiases,
};

/// Fixed shares of the kinds, in [0, 1], summing to 1: a second uniform of each faulty bit decides.
struct KindShares {
  double bit_flip = 1;
  double stuck_at_0 = 0;
  double stuck_at_1 = 0;

  static KindShares only(FaultKind kind);
  /// The kind for a uniform v in [0, 1): flips first, then stuck-at-0, then stuck-at-1.
  FaultKind pick(double v) const;
  bool is_mix() const;  ///< More than one kind has a share.
  bool operator==(const KindShares&) const = default;
};

/// One physical cause of faults. Sources are independent of each other.
struct FaultSource {
  FaultTarget target = FaultTarget::kWeights;
  KindShares kinds;
  /// Probability per bit, in [0, 1]; empty: the rate that the trial is run at.
  std::optional<double> rate;
  /// Exactly so many faulty bits instead of a rate.
  std::optional<int64_t> count;
  std::vector<std::string> layers;  ///< Only these (empty: all); by layer name.
  std::vector<std::string> spare;   ///< Not these.
  std::vector<int> bits;            ///< Only these positions (empty: all); -1: each word's top bit.
};

/// Everything that decides which faults a stored network meets, but rate, seed and trial.
struct FaultModel {
  Encoding encoding = Encoding::kTwosComplement;
  std::vector<FaultSource> sources;

  /// One source of one kind over all weights, at the rate the trial is run at.
  static FaultModel of_kind(FaultKind kind, Encoding encoding = Encoding::kTwosComplement);
  /// Whether any source follows the rate a trial is run at.
  bool follows_rate() const;
};

}  // namespace flatenn::fault
