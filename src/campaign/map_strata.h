#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "flatenn/fault/injector.h"

namespace flatenn::campaign {

/// Bits whose faults do about the same harm, as far as their codes tell.
struct BitClass {
  struct Position {
    int32_t tensor = 0;  ///< Index into MemoryLayout::tensors.
    int32_t bit = 0;
    int64_t elements = 0;
  };
  std::vector<Position> positions;  ///< Population order within equal harm.
  int64_t bits = 0;
  /// Mean squared change of a code by a fault, as a share of its tensor's sum of squared codes.
  double harm = 0;
};

/// 1 - (1 - rate)^bits, the chance that any of so many bits is faulty; exact to a few units in the
/// last place, by products and sums alone, so the same on every machine.
double hit_probability(double rate, int64_t bits);

/// All maps at one rate, divided by the most harmful class of bits that a map hits.
///
/// Classes hold whole bit positions of tensors, the most harmful first, and divide the bits whose
/// fault can change a code; inert bits are outside. Stratum j holds the maps without a fault in the
/// classes before j and with one at least in class j; the maps without a fault in any class change
/// nothing and are a stratum that needs no pass. docs/rare-events.md has the derivation.
class MapStrata {
 public:
  /// Throws Error beginning with `place` where the faults are not single weight bits of one source
  /// with one rate, where none can change a code, or where a map holds so many that they are not
  /// rare.
  MapStrata(const fault::Injector& injector, double rate, const std::string& place);

  int64_t count() const { return static_cast<int64_t>(classes_.size()); }
  double weight(int64_t stratum) const { return weights_[static_cast<size_t>(stratum)]; }
  int64_t bits(int64_t stratum) const { return classes_[static_cast<size_t>(stratum)].bits; }
  /// "fc3 bit 7", or "fc3 bit 7 and 4 more".
  std::string name(int64_t stratum) const;
  const BitClass& bit_class(int64_t stratum) const {
    return classes_[static_cast<size_t>(stratum)];
  }
  double untouched() const { return untouched_; }  ///< Weight of the maps that change nothing.
  /// Mean number of faults of those maps, all on inert bits.
  double untouched_faults() const { return rate_ * static_cast<double>(inert_.bits); }

  /// A map of the stratum under its exact conditional law: a function of (seed, trial, stratum).
  fault::FaultMap draw(int64_t stratum, uint64_t seed, uint64_t trial) const;

 private:
  void add_faults(const BitClass& bits, size_t stream, int64_t least, uint64_t seed, uint64_t trial,
                  std::vector<fault::Fault>& faults) const;

  const fault::MemoryLayout* layout_;
  fault::KindShares kinds_;
  double rate_ = 0;
  std::vector<BitClass> classes_;
  BitClass inert_;
  std::vector<double> weights_;
  double untouched_ = 1;
};

/// How many of `trials` each stratum gets: at least `least_trials()` each; four fifths of the rest
/// by weight * sd (Neyman, J. R. Statist. Soc. 97, 1934), one fifth by weight, so that no stratum
/// starves for an `sd` that a pilot saw too small.
std::vector<int64_t> allocate_trials(std::span<const double> weights, std::span<const double> sds,
                                     int64_t trials);
int64_t least_trials();

/// The stratum of trial 0, 1, ...: twice round all strata, then each time the one that lags most
/// behind its share.
std::vector<int32_t> stratum_order(std::span<const int64_t> trials);

}  // namespace flatenn::campaign
