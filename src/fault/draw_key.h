#pragma once

#include <cstdint>
#include <optional>

#include "fault/band_sampler.h"
#include "flatenn/base/random.h"
#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {

/// What a source's random streams depend on. `source` is its place in the model: sources draw from
/// streams of their own.
struct DrawKey {
  uint64_t seed = 0;
  uint64_t trial = 0;
  uint64_t source = 0;
};

/// Which stream of a source: part of every result, never renumber. Bits 0 to 31 of a word are
/// streams 0 to 31.
enum StreamNumber : uint64_t {
  kWordStream = 0x40,
  kWordPatterns = 0x41,
  kBurstStream = 0x42,
  kLevelNoise = 0x43,
  kLevelDrift = 0x44,
  kReadNoise = 0x45,
  kCheckBitKinds = 0x80,  ///< To 0x87; in the streams of kinds alone.
  kRowStream = 0,         ///< Of arrays, which have a purpose of their own.
  kColumnStream = 1,
  kCellStream = 2,
};

/// The streams behind one run of the sampler: sites, and kinds where they are mixed.
struct SiteStreams {
  SiteStreams(const DrawKey& key, RandomPurpose purpose, uint64_t sub_a, uint64_t number,
              const KindShares& shares, uint64_t kind_number)
      : sites(key.seed, key.trial, purpose, sub_a, key.source << 8 | number) {
    if (shares.is_mix()) {
      kinds.emplace(key.seed, key.trial, RandomPurpose::kFaultKind, sub_a,
                    key.source << 8 | kind_number);
    }
  }
  SiteStreams(const DrawKey& key, RandomPurpose purpose, uint64_t sub_a, uint64_t number,
              const KindShares& shares)
      : SiteStreams(key, purpose, sub_a, number, shares, number) {}

  BandSampler::Marks marks() { return {.kind = kinds ? &*kinds : nullptr}; }

  RandomStream sites;
  std::optional<RandomStream> kinds;
};

}  // namespace flatenn::fault
