#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/fault/encoding.h"
#include "flatenn/fault/fault_list.h"
#include "flatenn/fault/fault_map.h"
#include "flatenn/fault/memory_array.h"
#include "flatenn/fault/protection.h"

namespace flatenn::fault {

/// Which stored words a source of faults reaches.
enum class FaultTarget {
  kWeights,
  kBiases,       ///< 32-bit words.
  kActivations,  ///< Codes between layers: flips fresh for each image, stuck-at the same for all.
};

/// What happens with the probability `rate`, independently of each other (docs/faults.md).
enum class FaultUnit {
  kBit,     ///< A stored bit is faulty.
  kWord,    ///< A word is hit, and `length` of its bits are faulty.
  kBurst,   ///< A run of `length` bits begins at a bit (population order, within its tensor).
  kRow,     ///< A row of a memory array is faulty: all bits of its cells.
  kColumn,  ///< A column of a memory array is faulty.
  kCell,    ///< A cell of a memory array is faulty: all its bits.
  kList,    ///< An exact list, the same in every trial; no rate.
  kLevel,   ///< Noise and drift of every stored level; the rate is the noise's deviation.
};

/// Fixed shares of the kinds, in [0, 1], summing to 1: a second uniform of each event decides.
struct KindShares {
  double bit_flip = 1;
  double stuck_at_0 = 0;
  double stuck_at_1 = 0;
  double flip_0_to_1 = 0;
  double flip_1_to_0 = 0;

  static KindShares only(FaultKind kind);
  double& of(FaultKind kind);
  double of(FaultKind kind) const;
  double sum() const;
  bool has_flips() const { return bit_flip > 0 || flip_0_to_1 > 0 || flip_1_to_0 > 0; }
  bool has_defects() const { return stuck_at_0 > 0 || stuck_at_1 > 0; }
  /// The kind for a uniform v in [0, 1): the shares one behind the other, in the order above.
  FaultKind pick(double v) const;
  bool is_mix() const;  ///< More than one kind has a share.
  bool operator==(const KindShares&) const = default;
};

/// What becomes of a level L after it was programmed with noise of deviation sigma, in levels:
/// (L + sigma z) (t / t0)^-nu + sigma_read z', with z, z' ~ N(0, 1) and nu ~ N(exponent, spread^2)
/// drawn for every level and trial (docs/faults.md).
struct LevelDrift {
  double time_ratio = 1;  ///< t / t0, at least 1; 1: no drift.
  double exponent = 0;
  double spread = 0;
  double read_noise = 0;  ///< sigma_read as a share of the range of levels.
  bool operator==(const LevelDrift&) const = default;
};

/// One physical cause of faults. Sources are independent of each other.
struct FaultSource {
  FaultTarget target = FaultTarget::kWeights;
  FaultUnit unit = FaultUnit::kBit;
  KindShares kinds;
  bool follows_kind = false;  ///< with_kind() replaces `kinds`: the plan has an axis of kinds.
  /// Probability per unit, in [0, 1]; empty: `rate_factor` times the rate the trial is run at. Unit
  /// kLevel: standard deviation of the noise as a share of the range of levels.
  std::optional<double> rate;
  double rate_factor = 1;
  /// Exactly so many faulty bits instead of a rate (unit kBit).
  std::optional<int64_t> count;
  std::vector<std::string> layers;  ///< Only these (empty: all), by layer name.
  std::vector<std::string> spare;   ///< Not these.
  /// Only these positions (empty: all); negative ones count from the top: -1 is each word's top
  /// bit.
  std::vector<int> bits;
  /// Factor of the rate for each bit position (unit kBit), least significant first, the last one
  /// for each word's top bit: a shorter word takes the last entries. Empty: 1 each.
  std::vector<double> bit_factors;
  int length = 2;          ///< Faulty bits of a word or burst.
  bool scattered = false;  ///< A word's faulty bits lie anywhere in it, else beside each other.
  std::shared_ptr<const FaultList> list;  ///< Unit kList.
  /// Stuck-at faults of activations: one buffer serves all layers, each tensor from its address 0;
  /// else every tensor has memory of its own.
  bool shared_buffer = true;
  LevelDrift drift;  ///< Unit kLevel.

  /// Whether `bits` names this position of a word of `word_bits`.
  bool wants_bit(int bit, int word_bits) const;
  /// Whether it takes the rate (or number of faults) that a trial is run at.
  bool follows_rate() const { return unit != FaultUnit::kList && !rate && !count; }
};

/// Everything that decides which faults a stored network meets, but rate, seed and trial.
struct FaultModel {
  Encoding encoding = Encoding::kTwosComplement;
  std::vector<FaultSource> sources;
  std::optional<ArrayGeometry> array;  ///< Needed by rows, columns, cells and lists of cells.
  Protection protection;

  /// One source of one kind over all weights, at the rate the trial is run at.
  static FaultModel of_kind(FaultKind kind, Encoding encoding = Encoding::kTwosComplement);
  /// The model with `kind` in all sources that follow the plan's kind.
  FaultModel with_kind(FaultKind kind) const;
  /// Whether any source follows the rate a trial is run at.
  bool follows_rate() const;
  bool follows_kind() const;
};

}  // namespace flatenn::fault
