#include "campaign/map_strata.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"
#include "net/testing.h"
#include "store/store_test_support.h"

namespace flatenn::campaign {
namespace {

using fault::FaultKind;
using fault::FaultModel;
using fault::Injector;
using store::error_of;

Injector injector_of(const FaultModel& model) {
  return {std::make_shared<net::Network>(net::testing::mlp({.seed = 3})), model};
}

bool holds(const BitClass& bits, const fault::FaultSite& site) {
  for (const BitClass::Position& position : bits.positions) {
    if (position.tensor == site.tensor && position.bit == site.bit) return true;
  }
  return false;
}

TEST(HitProbability, EqualsOneLessThePowerAtEveryScale) {
  for (const double rate : {1e-12, 1e-7, 1e-4, 0.01, 0.3}) {
    for (const int64_t bits : {1, 2, 3, 61'000, 11'200'000}) {
      const double expected = -std::expm1(static_cast<double>(bits) * std::log1p(-rate));
      EXPECT_NEAR(hit_probability(rate, bits) / expected, 1, 1e-12) << rate << " " << bits;
    }
  }
  EXPECT_EQ(hit_probability(0.1, 0), 0);
}

TEST(MapStrata, DivideAllMaps) {
  for (const double rate : {1e-7, 1e-4, 1e-3, 0.01}) {
    const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
    const MapStrata strata(injector, rate, "here");
    double sum = strata.untouched();
    int64_t bits = 0;
    for (int64_t i = 0; i < strata.count(); ++i) {
      sum += strata.weight(i);
      bits += strata.bits(i);
      if (i > 0) {
        EXPECT_LE(strata.bit_class(i).harm, strata.bit_class(i - 1).harm);
      }
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_EQ(bits, injector.layout().weight_bits()) << "every flip changes a code";
    const double none = std::exp(static_cast<double>(bits) * std::log1p(-rate));
    EXPECT_NEAR(strata.untouched(), none, 1e-9);
  }
}

TEST(MapStrata, AMapHitsItsClassAndNoneBefore) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kStuckAt1));
  const MapStrata strata(injector, 1e-3, "here");
  ASSERT_GE(strata.count(), 3);
  for (int64_t stratum = 0; stratum < strata.count(); ++stratum) {
    for (uint64_t trial = 0; trial < 50; ++trial) {
      const fault::FaultMap map = strata.draw(stratum, 9, trial);
      fault::check_map(map, injector.layout());
      int64_t own = 0;
      for (const fault::Fault& fault : map.faults) {
        EXPECT_EQ(fault.kind, FaultKind::kStuckAt1);
        own += holds(strata.bit_class(stratum), fault.site);
        for (int64_t before = 0; before < stratum; ++before)
          EXPECT_FALSE(holds(strata.bit_class(before), fault.site));
      }
      EXPECT_GE(own, 1);
      EXPECT_EQ(map, strata.draw(stratum, 9, trial));
    }
  }
}

/// Strata drawn by their weights are maps of the plain campaign: compared by the number of faults
/// a map holds (a binomial law) and by how often each bit position is hit.
TEST(MapStrata, TogetherHaveTheLawOfPlainMaps) {
  constexpr double kRate = 2e-3;
  constexpr int kMaps = 40'000;
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  const MapStrata strata(injector, kRate, "here");
  RandomStream random(1, 0, RandomPurpose::kPilot);
  std::map<int64_t, int> counts;
  std::map<std::pair<int32_t, int32_t>, int64_t> hits;
  for (uint64_t trial = 0; trial < kMaps; ++trial) {
    double u = random.uniform();
    int64_t stratum = 0;
    while (stratum < strata.count() && u >= strata.weight(stratum)) u -= strata.weight(stratum++);
    fault::FaultMap map;
    if (stratum < strata.count()) map = strata.draw(stratum, 4, trial);
    counts[std::ssize(map.faults)] += 1;
    for (const fault::Fault& fault : map.faults) hits[{fault.site.tensor, fault.site.bit}] += 1;
  }
  const auto bits = static_cast<double>(injector.layout().weight_bits());
  double chance = std::pow(1 - kRate, bits);
  for (int64_t k = 0; k <= 4; ++k) {
    const double sd = std::sqrt(chance * (1 - chance) / kMaps);
    EXPECT_NEAR(static_cast<double>(counts[k]) / kMaps, chance, 4.5 * sd) << k << " faults";
    chance *= (bits - static_cast<double>(k)) / static_cast<double>(k + 1) * kRate / (1 - kRate);
  }
  for (const auto& [place, count] : hits) {
    const auto& tensor = injector.layout().tensors[static_cast<size_t>(place.first)];
    const double mean = kMaps * kRate * static_cast<double>(tensor.elements);
    EXPECT_NEAR(static_cast<double>(count), mean, 4.5 * std::sqrt(mean)) << place.second;
  }
}

TEST(MapStrata, BitsThatAKindCannotChangeAreInert) {
  auto network = std::make_shared<net::Network>(net::testing::mlp({.seed = 3}));
  for (net::Layer& layer : network->layers) {
    for (int8_t& code : layer.weights.codes) code = static_cast<int8_t>(code & 1);
  }
  const Injector injector(network, FaultModel::of_kind(FaultKind::kStuckAt0));
  const MapStrata strata(injector, 1e-3, "here");
  int64_t bits = 0;
  for (int64_t i = 0; i < strata.count(); ++i) bits += strata.bits(i);
  EXPECT_EQ(bits * 4, injector.layout().weight_bits()) << "the lowest of four bits alone";
  EXPECT_NEAR(strata.untouched_faults(), 3e-3 * static_cast<double>(bits), 1e-9);
}

TEST(MapStrata, RefusesFaultsThatAreNotBinomial) {
  const auto said = [](const FaultModel& model, double rate = 1e-4) {
    return error_of([&] { const MapStrata strata(injector_of(model), rate, "m bit_flip 0.1"); });
  };
  const FaultModel plain = FaultModel::of_kind(FaultKind::kBitFlip);
  FaultModel burst = plain;
  burst.sources.front().unit = fault::FaultUnit::kBurst;
  EXPECT_EQ(said(burst),
            "m bit_flip 0.1: a stratified estimate needs faults that hit each stored weight bit "
            "alone and alike, got faults that come in clusters");
  FaultModel two = plain;
  two.sources.push_back(two.sources.front());
  EXPECT_NE(said(two).find("several sources of faults"), std::string::npos);
  FaultModel factors = plain;
  factors.sources.front().bit_factors.assign(8, 1.0);
  EXPECT_NE(said(factors).find("a rate for each bit position"), std::string::npos);
  FaultModel checked = plain;
  checked.protection.code = fault::CheckCode::kSecded;
  EXPECT_NE(said(checked).find("a memory with check bits"), std::string::npos);
  EXPECT_NE(said(plain, 0.4).find("is for rare faults"), std::string::npos);
  EXPECT_NE(said(plain, 0).find("the rate is 0"), std::string::npos);
}

TEST(AllocateTrials, FollowsWeightTimesSpreadAndStarvesNone) {
  const std::vector<double> weights{0.01, 0.02, 0.07};
  const auto trials = allocate_trials(weights, std::vector<double>{0.2, 0.01, 0.001}, 1000);
  EXPECT_EQ(std::accumulate(trials.begin(), trials.end(), int64_t{0}), 1000);
  EXPECT_GT(trials[0], 600);
  EXPECT_GE(trials[1], least_trials());
  EXPECT_GE(trials[2], 0.2 * 0.7 * 970);
  EXPECT_EQ(allocate_trials(weights, std::vector<double>{0, 0, 0}, 24),
            (std::vector<int64_t>{8, 8, 8}));
  EXPECT_NE(error_of([&] { allocate_trials(weights, weights, 23); }).find("at least 24"),
            std::string::npos);
}

/// Worked by hand: eight each, four fifths of the rest by weight times spread and a fifth by
/// weight, rounded down, and what is left to those that were rounded down most.
TEST(AllocateTrials, EqualsHandWorkedCases) {
  const auto given = [](const std::vector<double>& weights, const std::vector<double>& sds,
                        int64_t trials) { return allocate_trials(weights, sds, trials); };
  EXPECT_EQ(given({0.01, 0.02, 0.07}, {0.2, 0.01, 0.001}, 1000),
            (std::vector<int64_t>{715, 116, 169}));
  EXPECT_EQ(given({0.3, 0.1, 0.05, 0.02}, {0.01, 0.02, 0.05, 0.3}, 201),
            (std::vector<int64_t>{60, 35, 37, 69}));
  EXPECT_EQ(given({0.3, 0.1}, {0, 0}, 101), (std::vector<int64_t>{72, 29}));
}

/// Worked by hand: after two of each, always the one that lags most behind its share.
TEST(StratumOrder, EqualsHandWorkedCases) {
  EXPECT_EQ(stratum_order(std::vector<int64_t>{7, 3, 2, 5}),
            (std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3, 0, 0, 3, 0, 3, 0, 1, 3, 0}));
  EXPECT_EQ(stratum_order(std::vector<int64_t>{1, 4, 2}),
            (std::vector<int32_t>{0, 1, 2, 1, 2, 1, 1}));
}

TEST(StratumOrder, StartsWithTwoOfEachAndKeepsShares) {
  const std::vector<int64_t> trials{60, 8, 32};
  const auto order = stratum_order(trials);
  ASSERT_EQ(order.size(), 100U);
  EXPECT_EQ(std::vector(order.begin(), order.begin() + 6),
            (std::vector<int32_t>{0, 1, 2, 0, 1, 2}));
  std::vector<int64_t> given(3);
  for (size_t t = 0; t < order.size(); ++t) {
    given[static_cast<size_t>(order[t])] += 1;
    if (t >= 20) {
      EXPECT_NEAR(static_cast<double>(given[0]), 0.6 * static_cast<double>(t), 2);
    }
  }
  EXPECT_EQ(given, trials);
}

/// By trying every fault of every kind on codes of one sign, whose words have bits of one value.
TEST(MapStrata, HoldJustTheBitsThatSomeFaultOfTheKindChanges) {
  auto network = std::make_shared<net::Network>(net::testing::mlp({.seed = 3}));
  for (net::Layer& layer : network->layers) {  // codes of one sign: bits with one value in all
    for (int8_t& code : layer.weights.codes) code = static_cast<int8_t>(std::abs(code) & 5);
  }
  for (const std::string& name : fault::fault_kind_names()) {
    const FaultKind kind = fault::parse_fault_kind(name);
    const Injector injector(network, FaultModel::of_kind(kind));
    std::map<std::pair<int32_t, int32_t>, double> changes;  // tensor, bit: sum of squares
    for (size_t tensor = 0; tensor < injector.layout().tensors.size(); ++tensor) {
      const fault::MemoryTensor& memory = injector.layout().tensors[tensor];
      if (memory.is_bias) continue;
      for (int32_t bit = 0; bit < memory.bits; ++bit) {
        double& sum = changes[{static_cast<int32_t>(tensor), bit}];
        for (int64_t element = 0; element < memory.elements; ++element) {
          const fault::FaultMap map{
              .faults = {{{.tensor = static_cast<int32_t>(tensor), .bit = bit, .element = element},
                          kind}}};
          const auto& codes = network->layers[static_cast<size_t>(memory.layer)].weights.codes;
          for (const auto& change : injector.apply(map).weights)
            sum += std::pow(change.code - codes[static_cast<size_t>(change.element)], 2);
        }
      }
    }
    const MapStrata strata(injector, 1e-4, "here");
    std::set<std::pair<int32_t, int32_t>> seen;
    for (int64_t i = 0; i < strata.count(); ++i) {
      for (const BitClass::Position& position : strata.bit_class(i).positions)
        seen.insert({position.tensor, position.bit});
    }
    for (const auto& [place, sum] : changes)
      EXPECT_EQ(seen.contains(place), sum > 0) << name << " bit " << place.second;
  }
}

}  // namespace
}  // namespace flatenn::campaign
