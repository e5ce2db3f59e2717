#include "fault/source_checks.h"

#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/base/number.h"

namespace flatenn::fault {
namespace {

constexpr double kShareSlack = 1e-9;
constexpr int kMaxLength = 1 << 20;

void check_share(double share, const std::string& name, const std::string& place) {
  FLATENN_CHECK(share >= 0 && share <= 1, place, ": share of ", name, " must be in [0, 1], got ",
                number_text(share));
}

void check_kinds(const KindShares& kinds, const std::string& place) {
  for (const std::string& name : fault_kind_names()) {
    check_share(kinds.of(parse_fault_kind(name)), name, place);
  }
  const double sum = kinds.sum();
  FLATENN_CHECK(std::abs(sum - 1) <= kShareSlack, place,
                ": shares of the kinds must sum to 1, got ", number_text(sum));
}

void check_rates(const FaultSource& source, const std::string& place) {
  FLATENN_CHECK(!source.rate || (*source.rate >= 0 && *source.rate <= 1), place,
                ": rate must be in [0, 1], got ", number_text(source.rate.value_or(0)));
  FLATENN_CHECK(!source.rate || !source.count, place,
                ": rate and count contradict each other; give one");
  const bool plans_rate = !source.count && source.unit != FaultUnit::kList;
  FLATENN_CHECK(plans_rate || source.rate_factor == 1, place,
                ": rate_factor is a factor of the plan's rate, which ",
                source.count ? "a count" : "a list", " does not use");
  FLATENN_CHECK(!source.rate || source.rate_factor == 1, place,
                ": rate and rate_factor contradict each other; a factor is for the plan's rate");
  FLATENN_CHECK(std::isfinite(source.rate_factor) && source.rate_factor >= 0, place,
                ": rate_factor must be at least 0, got ", source.rate_factor);
  FLATENN_CHECK(source.count.value_or(0) >= 0, place, ": count must be at least 0, got ",
                source.count.value_or(0));
  FLATENN_CHECK(!source.count || (source.unit == FaultUnit::kBit && source.bit_factors.empty()),
                place, ": count is for single bits without factors");
  FLATENN_CHECK(source.bit_factors.empty() || source.unit == FaultUnit::kBit, place,
                ": rates for each bit position are for unit bit");
  for (const double factor : source.bit_factors) {
    FLATENN_CHECK(std::isfinite(factor) && factor >= 0, place,
                  ": a bit's factor must be at least 0, got ", factor);
  }
}

void check_level(const FaultSource& source, const std::string& place) {
  FLATENN_CHECK(source.target == FaultTarget::kWeights, place,
                ": unit level is the noise of stored weights alone");
  FLATENN_CHECK(source.bits.empty(), place, ": unit level takes no bits; a level has all of them");
  FLATENN_CHECK(!source.follows_kind, place, ": unit level has noise, not kinds of faults");
  const LevelDrift& drift = source.drift;
  FLATENN_CHECK(std::isfinite(drift.time_ratio) && drift.time_ratio >= 1, place,
                ": drift_time is t / t0 and at least 1, got ", number_text(drift.time_ratio));
  FLATENN_CHECK(std::abs(drift.exponent) <= 1 && drift.spread >= 0 && drift.spread <= 1, place,
                ": drift_exponent must be in [-1, 1] and drift_spread in [0, 1]");
  FLATENN_CHECK(drift.read_noise >= 0 && drift.read_noise <= 1, place,
                ": read_noise must be in [0, 1], got ", number_text(drift.read_noise));
}

bool uses_array(FaultUnit unit) {
  return unit == FaultUnit::kRow || unit == FaultUnit::kColumn || unit == FaultUnit::kCell;
}

}  // namespace

void check_source(const FaultSource& source, const FaultModel& model, const std::string& place) {
  check_kinds(source.kinds, place);
  check_rates(source, place);
  FLATENN_CHECK(source.length >= 1 && source.length <= kMaxLength, place,
                ": length must be in [1, ", kMaxLength, "], got ", source.length);
  if (source.unit == FaultUnit::kLevel) check_level(source, place);
  FLATENN_CHECK(source.unit == FaultUnit::kLevel || source.drift == LevelDrift{}, place,
                ": drift is for unit level");
  if (uses_array(source.unit)) {
    FLATENN_CHECK(model.array.has_value(), place,
                  ": rows, columns and cells need the geometry of a memory array");
    FLATENN_CHECK(source.target == FaultTarget::kWeights, place,
                  ": memory arrays hold weights alone");
  }
  FLATENN_CHECK((source.unit == FaultUnit::kList) == (source.list != nullptr), place,
                ": unit list and a list of faults go together");
  FLATENN_CHECK(
      source.unit != FaultUnit::kList ||
          (!source.rate && source.layers.empty() && source.spare.empty() && source.bits.empty()),
      place, ": a list says itself where its faults are; it takes no rate, layers, spare or bits");
}

void check_protection(const Protection& protection) {
  FLATENN_CHECK(protection.hardened_bits >= 0 && protection.hardened_bits <= 8,
                "protection: hardened_bits must be in [0, 8], got ", protection.hardened_bits);
  FLATENN_CHECK(!protection.zero_detected || protection.code == CheckCode::kSecded,
                "protection: zero_detected is for secded (parity always zeroes)");
  const double share = protection.clip_share.value_or(0);
  FLATENN_CHECK(share >= 0 && share <= 1, "protection: clip_share must be in [0, 1], got ",
                number_text(share));
}

}  // namespace flatenn::fault
