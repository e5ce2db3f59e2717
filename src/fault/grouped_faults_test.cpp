#include "fault/grouped_faults.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "fault/test_network.h"
#include "flatenn/base/error.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {
namespace {

constexpr KindShares kMix{.bit_flip = 0.4, .stuck_at_0 = 0.3, .stuck_at_1 = 0.3};

std::shared_ptr<const net::Network> network() {
  return make_test_network({{"conv", {8, 5, 3, 3}, 5}, {"fc", {20, 60, 1, 1}, 8}});
}

Injector injector_of(FaultSource source) {
  FaultModel model{.sources = {std::move(source)},
                   .array = ArrayGeometry{.rows = 32, .columns = 48, .bits_per_cell = 2}};
  return {network(), std::move(model)};
}

TEST(WordPattern, AdjacentBitsTakeEveryPlaceAlike) {
  std::map<uint32_t, int> seen;
  for (int i = 0; i < 600; ++i) ++seen[word_pattern(8, 3, false, i / 600.0)];
  EXPECT_EQ(seen.size(), 6u);
  for (const auto& [mask, times] : seen) {
    EXPECT_EQ(times, 100);
    EXPECT_EQ(mask >> std::countr_zero(mask), 7u);
  }
}

TEST(WordPattern, ScatteredBitsTakeEverySetAlike) {
  std::map<uint32_t, int> seen;
  for (int i = 0; i < 5600; ++i) ++seen[word_pattern(8, 3, true, (i + 0.5) / 5600.0)];
  EXPECT_EQ(seen.size(), 56u);
  for (const auto& [mask, times] : seen) {
    EXPECT_EQ(times, 100);
    EXPECT_EQ(std::popcount(mask), 3);
    EXPECT_LT(mask, 256u);
  }
}

TEST(WordPattern, ShortWordsAreFaultyWhole) {
  EXPECT_EQ(word_pattern(3, 5, false, 0.9), 7u);
  EXPECT_EQ(word_pattern(3, 5, true, 0.9), 7u);
}

TEST(GroupedFaults, OfProbabilityOneLeaveNoBitOut) {
  for (const FaultUnit unit : {FaultUnit::kWord, FaultUnit::kBurst, FaultUnit::kRow,
                               FaultUnit::kColumn, FaultUnit::kCell}) {
    const Injector injector = injector_of({.unit = unit, .length = 8});
    EXPECT_EQ(std::ssize(injector.draw(1, 5, 0).faults), injector.layout().weight_bits())
        << static_cast<int>(unit);
  }
}

TEST(GroupedFaults, HaveAtMostAMillionBits) {
  const auto accepted = [](int length) {
    try {
      injector_of({.unit = FaultUnit::kBurst, .length = length});
    } catch (const Error&) {
      return false;
    }
    return true;
  };
  EXPECT_TRUE(accepted(1));
  EXPECT_TRUE(accepted(1 << 20));
  EXPECT_FALSE(accepted(0));
  EXPECT_FALSE(accepted((1 << 20) + 1));
}

TEST(GroupedFaults, NestAcrossRates_KindsIncluded) {
  for (const FaultUnit unit : {FaultUnit::kWord, FaultUnit::kBurst, FaultUnit::kRow,
                               FaultUnit::kColumn, FaultUnit::kCell}) {
    for (const bool scattered : {false, true}) {
      const Injector injector =
          injector_of({.unit = unit, .kinds = kMix, .length = 3, .scattered = scattered});
      FaultMap lower;
      for (const double rate : {1e-3, 0.01, 0.1, 0.4, 1.0}) {
        const FaultMap map = injector.draw(rate, 5, 2);
        check_map(map, injector.layout());
        EXPECT_TRUE(std::includes(map.faults.begin(), map.faults.end(), lower.faults.begin(),
                                  lower.faults.end()))
            << static_cast<int>(unit) << " " << rate;
        lower = map;
      }
      EXPECT_FALSE(lower.faults.empty());
    }
  }
}

TEST(Words, HitEachWordWithItsRateAndSoManyBits) {
  const Injector injector = injector_of({.unit = FaultUnit::kWord, .length = 2, .scattered = true});
  int64_t words = 0;
  for (uint64_t trial = 0; trial < 50; ++trial) {
    std::map<std::pair<int32_t, int64_t>, int> bits;
    for (const Fault& fault : injector.draw(0.05, 1, trial).faults) {
      ++bits[{fault.site.tensor, fault.site.element}];
    }
    for (const auto& entry : bits) EXPECT_EQ(entry.second, 2);
    words += std::ssize(bits);
  }
  const double mean = 50 * (360 + 1200) * 0.05;
  EXPECT_NEAR(static_cast<double>(words), mean, 5 * std::sqrt(mean));
}

TEST(Bursts, AreRunsInPopulationOrderThatEndWithTheirTensor) {
  const Injector injector = injector_of({.unit = FaultUnit::kBurst, .length = 7});
  // Bits beside each other: the run of faulty positions that each begins.
  const FaultMap map = injector.draw(1e-3, 1, 4);
  ASSERT_FALSE(map.faults.empty());
  int64_t run = 0;
  for (size_t i = 0; i < map.faults.size(); ++i) {
    const auto position = [&](const Fault& fault) {
      const auto& tensor = injector.layout().tensors[static_cast<size_t>(fault.site.tensor)];
      return fault.site.element * tensor.bits + fault.site.bit;
    };
    const bool last = i + 1 == map.faults.size();
    ++run;
    const bool follows = !last && map.faults[i + 1].site.tensor == map.faults[i].site.tensor &&
                         position(map.faults[i + 1]) == position(map.faults[i]) + 1;
    if (follows) continue;
    const auto& tensor = injector.layout().tensors[static_cast<size_t>(map.faults[i].site.tensor)];
    EXPECT_TRUE(run >= 7 || position(map.faults[i]) + 1 == tensor.elements * tensor.bits) << run;
    run = 0;
  }
}

TEST(Bursts, LeaveEachBitFaultyWithOneMinusTheChanceOfNoBurst) {
  constexpr double kRate = 0.02;
  constexpr int kLength = 4;
  const Injector injector = injector_of({.unit = FaultUnit::kBurst, .length = kLength});
  double faults = 0;
  for (uint64_t trial = 0; trial < 100; ++trial) {
    faults += static_cast<double>(injector.draw(kRate, 1, trial).faults.size());
  }
  // The first bits of a tensor have fewer places before them; 2 tensors of 11,400 bits in all.
  double mean = 0;
  for (const int64_t bits : {360 * 5, 1200 * 8}) {
    for (int64_t i = 0; i < bits; ++i) {
      mean += 1 - std::pow(1 - kRate, static_cast<double>(std::min<int64_t>(i + 1, kLength)));
    }
  }
  mean *= 100;
  // Neighbours are correlated: the variance is at most that of independent bits times the length.
  EXPECT_NEAR(faults, mean, 5 * std::sqrt(mean * kLength));
}

TEST(ArrayFaults, TakeAllBitsOfTheirRowsColumnsAndCells) {
  for (const FaultUnit unit : {FaultUnit::kRow, FaultUnit::kColumn, FaultUnit::kCell}) {
    const Injector injector =
        injector_of({.unit = unit, .kinds = KindShares::only(FaultKind::kStuckAt1)});
    const FaultMap map = injector.draw(unit == FaultUnit::kCell ? 0.01 : 0.05, 1, 1);
    ASSERT_FALSE(map.faults.empty());
    std::set<std::tuple<int64_t, int64_t>> units;
    std::set<std::tuple<int32_t, int64_t, int32_t>> sites;
    const auto unit_of = [&](const FaultSite& site) -> std::tuple<int64_t, int64_t> {
      const Cell cell = injector.arrays()->cell_of(site);
      if (unit == FaultUnit::kRow) return {cell.array, cell.row};
      if (unit == FaultUnit::kColumn) return {cell.array, cell.column};
      return {cell.array, cell.row * 48 + cell.column};
    };
    for (const Fault& fault : map.faults) {
      units.insert(unit_of(fault.site));
      sites.insert({fault.site.tensor, fault.site.element, fault.site.bit});
    }
    // A bit is faulty exactly where its unit is.
    for (int32_t t = 0; t < injector.layout().weight_tensors; ++t) {
      const auto& tensor = injector.layout().tensors[static_cast<size_t>(t)];
      for (int64_t element = 0; element < tensor.elements; ++element) {
        for (int32_t bit = 0; bit < tensor.bits; ++bit) {
          const FaultSite site{.tensor = t, .bit = bit, .element = element};
          ASSERT_EQ(sites.contains({t, element, bit}), units.contains(unit_of(site)));
        }
      }
    }
  }
}

TEST(ArrayFaults, ComeWithTheirRate) {
  const Injector injector = injector_of({.unit = FaultUnit::kRow});
  std::set<std::tuple<uint64_t, int64_t, int64_t>> rows;
  for (uint64_t trial = 0; trial < 400; ++trial) {
    for (const Fault& fault : injector.draw(0.02, 1, trial).faults) {
      const Cell cell = injector.arrays()->cell_of(fault.site);
      rows.insert({trial, cell.array, cell.row});
    }
  }
  // Rows in use: 45 for conv (2 arrays), 60 for fc in each of its column tiles.
  const auto& regions = injector.arrays()->regions();
  const auto used = static_cast<double>(regions[0].rows * regions[0].column_tiles +
                                        regions[1].rows * regions[1].column_tiles);
  const double mean = 400 * 0.02 * used;
  EXPECT_NEAR(static_cast<double>(rows.size()), mean, 5 * std::sqrt(mean));
}

TEST(ArrayFaults, LayersSelectFromTheFullMap) {
  const FaultMap full = injector_of({.unit = FaultUnit::kColumn}).draw(0.1, 1, 1);
  const FaultMap some =
      injector_of({.unit = FaultUnit::kColumn, .layers = {"fc"}, .bits = {0}}).draw(0.1, 1, 1);
  FaultMap expected;
  for (const Fault& fault : full.faults) {
    if (fault.site.tensor == 1 && fault.site.bit == 0) expected.faults.push_back(fault);
  }
  EXPECT_EQ(some, expected);
}

}  // namespace
}  // namespace flatenn::fault
