#include "flatenn/fault/injector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "fault/test_network.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

using testing::HasSubstr;

std::shared_ptr<const net::Network> mixed_network() {
  return make_test_network({{"conv1", {6, 1, 5, 5}, 8},
                            {"conv2", {16, 6, 5, 5}, 4},
                            {"fc1", {40, 100, 1, 1}, 3, net::ValueMap::kOdd},
                            {"fc2", {10, 40, 1, 1}, 8}});
}

Injector injector_of(FaultModel model) { return {mixed_network(), std::move(model)}; }

bool is_subset(const FaultMap& inner, const FaultMap& outer) {
  return std::includes(outer.faults.begin(), outer.faults.end(), inner.faults.begin(),
                       inner.faults.end());
}

std::string error_of(FaultModel model) {
  try {
    injector_of(std::move(model));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

constexpr KindShares kMix{.bit_flip = 0.5, .stuck_at_0 = 0.3, .stuck_at_1 = 0.2};

TEST(Draw, HitsNothingAtZeroAndEveryWeightBitAtOne) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  EXPECT_TRUE(injector.draw(0, 1, 0).faults.empty());
  const FaultMap map = injector.draw(1, 1, 0);
  EXPECT_EQ(std::ssize(map.faults), injector.layout().weight_bits());
  check_map(map, injector.layout());
}

TEST(Draw, MapsNestAcrossRates_KindsIncluded) {
  const Injector injector = injector_of({.sources = {{.kinds = kMix}}});
  for (uint64_t trial = 0; trial < 10; ++trial) {
    FaultMap lower;
    for (const double rate : {1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 1.0}) {
      const FaultMap map = injector.draw(rate, 7, trial);
      EXPECT_TRUE(is_subset(lower, map)) << rate;
      EXPECT_TRUE(std::is_sorted(map.faults.begin(), map.faults.end()));
      lower = map;
    }
  }
}

TEST(Draw, ExactCountsNest_KindsIncluded) {
  FaultMap lower;
  for (const int64_t count : {0, 1, 2, 17, 300, 5000}) {
    const FaultMap map = injector_of({.sources = {{.kinds = kMix, .count = count}}}).draw(0, 7, 3);
    EXPECT_EQ(std::ssize(map.faults), count);
    check_map(map, memory_layout(*mixed_network()));
    EXPECT_TRUE(is_subset(lower, map)) << count;
    lower = map;
  }
}

TEST(Draw, ExactCountMayBeTheWholeSelection) {
  const FaultMap map =
      injector_of({.sources = {{.count = 6 * 25, .layers = {"conv1"}, .bits = {-1}}}})
          .draw(0, 1, 1);
  for (const Fault& fault : map.faults) EXPECT_EQ(fault.site.bit, 7);
  EXPECT_EQ(map.faults.size(), 150u);
}

TEST(Draw, SelectedLayersAndBitsMeetTheFaultsOfTheFullMap) {
  const FaultMap full = injector_of({.sources = {{.kinds = kMix}}}).draw(0.05, 3, 5);
  const FaultMap some =
      injector_of({.sources = {{.kinds = kMix, .layers = {"conv2", "fc2"}, .bits = {0, -1}}}})
          .draw(0.05, 3, 5);
  FaultMap expected;
  for (const Fault& fault : full.faults) {
    const bool conv2 = fault.site.tensor == 1 && (fault.site.bit == 0 || fault.site.bit == 3);
    const bool fc2 = fault.site.tensor == 3 && (fault.site.bit == 0 || fault.site.bit == 7);
    if (conv2 || fc2) expected.faults.push_back(fault);
  }
  ASSERT_FALSE(expected.faults.empty());
  EXPECT_EQ(some, expected);
}

TEST(Draw, SparedLayersStayWhole) {
  const FaultMap map = injector_of({.sources = {{.spare = {"fc2"}}}}).draw(0.2, 3, 5);
  for (const Fault& fault : map.faults) EXPECT_NE(fault.site.tensor, 3);
  EXPECT_EQ(injector_of({.sources = {{.layers = {"conv1", "conv2", "fc1"}}}}).draw(0.2, 3, 5), map);
}

TEST(Draw, SitesAreTheSameForEveryKindAndEncoding) {
  const FaultMap flips = injector_of(FaultModel::of_kind(FaultKind::kBitFlip)).draw(0.03, 1, 2);
  for (const Encoding encoding :
       {Encoding::kOffsetBinary, Encoding::kGray, Encoding::kSignMagnitude}) {
    const FaultMap stuck =
        injector_of(FaultModel::of_kind(FaultKind::kStuckAt1, encoding)).draw(0.03, 1, 2);
    ASSERT_EQ(stuck.faults.size(), flips.faults.size());
    for (size_t i = 0; i < flips.faults.size(); ++i) {
      EXPECT_EQ(stuck.faults[i].site, flips.faults[i].site);
    }
  }
}

TEST(Draw, KindsComeInTheirShares) {
  const FaultMap map = injector_of({.sources = {{.kinds = kMix}}}).draw(1, 1, 0);
  const auto total = static_cast<double>(map.faults.size());
  const auto share = [&](FaultKind kind) {
    return static_cast<double>(std::count_if(map.faults.begin(), map.faults.end(),
                                             [&](const Fault& f) { return f.kind == kind; })) /
           total;
  };
  const double slack = 5 * 0.5 / std::sqrt(total);
  EXPECT_NEAR(share(FaultKind::kBitFlip), 0.5, slack);
  EXPECT_NEAR(share(FaultKind::kStuckAt0), 0.3, slack);
  EXPECT_NEAR(share(FaultKind::kStuckAt1), 0.2, slack);
}

/// The directions' rates must come out as given, on bits that are 0 and on bits that are 1.
TEST(AsymmetricFlips, TurnZerosAndOnesAtTheirOwnRates) {
  const auto network = make_test_network({{"fc", {100, 200, 1, 1}, 8}});
  const double up = 0.03;
  const double down = 0.005;
  const FaultSource source{
      .kinds = {.bit_flip = 0, .flip_0_to_1 = up / (up + down), .flip_1_to_0 = down / (up + down)},
      .rate = up + down};
  for (const std::string& encoding : encoding_names()) {
    const Injector injector(network, {.encoding = parse_encoding(encoding), .sources = {source}});
    const net::Weights& weights = injector.network()->layers[0].weights;
    std::vector<uint32_t> words;
    for (const int8_t code : weights.codes) {
      words.push_back(encode(code, weights.bits, injector.model().encoding));
    }
    double zeros = 0;
    double ones = 0;
    const int bits = injector.layout().tensors[0].bits;
    for (const uint32_t word : words) ones += std::popcount(word);
    zeros = bits * static_cast<double>(words.size()) - ones;
    double risen = 0;
    double fallen = 0;
    const FaultMap map = injector.draw(0, 3, 1);
    for (const Fault& fault : map.faults) {
      const bool one = (words[static_cast<size_t>(fault.site.element)] >> fault.site.bit & 1) != 0;
      risen += !one && fault.kind == FaultKind::kFlip0To1 ? 1 : 0;
      fallen += one && fault.kind == FaultKind::kFlip1To0 ? 1 : 0;
    }
    EXPECT_NEAR(risen, zeros * up, 4 * std::sqrt(zeros * up * (1 - up))) << encoding;
    EXPECT_NEAR(fallen, ones * down, 4 * std::sqrt(ones * down * (1 - down))) << encoding;
    EXPECT_EQ(injector.apply(map).counts.landed, static_cast<int64_t>(risen + fallen)) << encoding;
  }
}

TEST(Draw, SourcesAreIndependentOfEachOther) {
  const FaultSource flips{.rate = 0.1};
  const FaultSource stuck{.kinds = KindShares::only(FaultKind::kStuckAt0), .rate = 0.1};
  const FaultMap both = injector_of({.sources = {flips, stuck}}).draw(0, 1, 0);
  check_map(both, memory_layout(*mixed_network()));
  const FaultMap alone = injector_of({.sources = {flips}}).draw(0, 1, 0);
  // Bits that both sources hit are stuck; the other flips are those of the first source alone.
  FaultMap kept;
  for (const Fault& fault : both.faults) {
    if (fault.kind == FaultKind::kBitFlip) kept.faults.push_back(fault);
  }
  EXPECT_TRUE(is_subset(kept, alone));
  const auto bits = static_cast<double>(memory_layout(*mixed_network()).weight_bits());
  const auto common = static_cast<double>(alone.faults.size() - kept.faults.size());
  EXPECT_NEAR(common, 0.01 * bits, 5 * std::sqrt(0.01 * bits));
}

TEST(JoinFaults, LeavesOneFaultABitWithTheSameEffect) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  const auto kinds = static_cast<int>(fault_kind_names().size());
  for (int choice = 0; choice < kinds * kinds * kinds * kinds; ++choice) {
    FaultMap map;
    for (int rest = choice, i = 0; i < 4; ++i, rest /= kinds) {
      map.faults.push_back(
          {{.tensor = 0, .bit = i / 3, .element = 7}, static_cast<FaultKind>(rest % kinds)});
    }
    std::sort(map.faults.begin(), map.faults.end());
    FaultMap joined = map;
    join_faults(joined.faults);
    check_map(joined, injector.layout());
    EXPECT_EQ(injector.apply(joined).weights, injector.apply(map).weights);
    EXPECT_EQ(injector.apply(joined).counts.landed, injector.apply(map).counts.landed);
  }
}

TEST(Draw, SeedsAndTrialsDiffer) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  EXPECT_EQ(injector.draw(0.01, 1, 2), injector.draw(0.01, 1, 2));
  EXPECT_NE(injector.draw(0.01, 1, 2), injector.draw(0.01, 1, 3));
  EXPECT_NE(injector.draw(0.01, 1, 2), injector.draw(0.01, 2, 2));
}

TEST(Draw, ExactSitesAreUniformOverTheBits) {
  const Injector injector = injector_of({.sources = {{.count = 40, .layers = {"conv1"}}}});
  std::vector<double> hits(6 * 25 * 8);
  constexpr int kTrials = 3000;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    for (const Fault& fault : injector.draw(0, 5, trial).faults) {
      ++hits[static_cast<size_t>(fault.site.element * 8 + fault.site.bit)];
    }
  }
  const double mean = kTrials * 40.0 / static_cast<double>(hits.size());
  double chi = 0;
  for (const double n : hits) chi += (n - mean) * (n - mean) / mean;
  const auto freedom = static_cast<double>(hits.size());
  EXPECT_NEAR(chi, freedom, 5 * std::sqrt(2 * freedom));
}

/// The network with an injection's codes in place.
net::Network changed(net::Network network, const Injection& injection) {
  for (const WeightChange& change : injection.weights) {
    network.layers[static_cast<size_t>(change.layer)]
        .weights.codes[static_cast<size_t>(change.element)] = change.code;
  }
  for (const BiasChange& change : injection.biases) {
    network.layers[static_cast<size_t>(change.layer)].bias[static_cast<size_t>(change.channel)] =
        change.value;
  }
  return network;
}

bool same_codes(const net::Network& a, const net::Network& b) {
  for (size_t i = 0; i < a.layers.size(); ++i) {
    if (a.layers[i].weights.codes != b.layers[i].weights.codes) return false;
    if (a.layers[i].bias != b.layers[i].bias) return false;
  }
  return true;
}

Injection apply_to(const net::Network& network, const FaultMap& map, FaultKind kind) {
  return Injector(std::make_shared<net::Network>(network), FaultModel::of_kind(kind)).apply(map);
}

TEST(Apply, FlippingTwiceIsTheIdentity) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  const FaultMap map = injector.draw(0.05, 1, 1);
  const net::Network once = changed(*injector.network(), injector.apply(map));
  EXPECT_FALSE(same_codes(once, *injector.network()));
  const net::Network twice = changed(once, apply_to(once, map, FaultKind::kBitFlip));
  EXPECT_TRUE(same_codes(twice, *injector.network()));
}

TEST(Apply, StuckAtTwiceEqualsOnce) {
  for (const FaultKind kind : {FaultKind::kStuckAt0, FaultKind::kStuckAt1}) {
    const Injector injector = injector_of(FaultModel::of_kind(kind));
    const FaultMap map = injector.draw(0.05, 1, 1);
    const net::Network once = changed(*injector.network(), injector.apply(map));
    const Injection again = apply_to(once, map, kind);
    EXPECT_TRUE(again.weights.empty());
    EXPECT_EQ(again.counts.landed, 0);
    EXPECT_EQ(again.counts.drawn, std::ssize(map.faults));
  }
}

TEST(Apply, LandedCountsTheStoredBitsThatChanged) {
  for (const Encoding encoding :
       {Encoding::kTwosComplement, Encoding::kOffsetBinary, Encoding::kGray,
        Encoding::kSignMagnitude, Encoding::kDifferentialPair}) {
    for (const FaultKind kind : {FaultKind::kBitFlip, FaultKind::kStuckAt0, FaultKind::kStuckAt1}) {
      const Injector injector = injector_of(FaultModel::of_kind(kind, encoding));
      const FaultMap map = injector.draw(0.1, 1, 1);
      int64_t landed = 0;
      for (const Fault& fault : map.faults) {
        const auto& tensor = injector.layout().tensors[static_cast<size_t>(fault.site.tensor)];
        const auto& weights = injector.network()->layers[static_cast<size_t>(tensor.layer)].weights;
        const int word =
            encode(weights.codes[static_cast<size_t>(fault.site.element)], weights.bits, encoding);
        const int stored = word >> fault.site.bit & 1;
        landed += kind == FaultKind::kBitFlip || stored == (kind == FaultKind::kStuckAt0 ? 1 : 0);
      }
      EXPECT_EQ(injector.apply(map).counts.landed, landed);
    }
  }
}

TEST(Apply, EveryFaultyWordDecodesFromItsFaultyBits) {
  const Injector injector =
      injector_of(FaultModel::of_kind(FaultKind::kBitFlip, Encoding::kOffsetBinary));
  const FaultMap map{.faults = {{{.tensor = 1, .bit = 3, .element = 17}}}};
  const int8_t before = injector.network()->layers[1].weights.codes[17];
  const Injection injection = injector.apply(map);
  ASSERT_EQ(injection.weights.size(), 1u);
  EXPECT_EQ(injection.weights[0],
            (WeightChange{1, 17, static_cast<int8_t>(before < 0 ? before + 8 : before - 8)}));
  EXPECT_EQ(injection.counts, (FaultCounts{1, 1}));
}

TEST(Apply, FlipToMinusZeroLandsWithoutChangingTheCode) {
  net::Network network = *make_test_network({{"fc", {2, 2, 1, 1}, 4}, {"out", {1, 2, 1, 1}, 4}});
  network.layers[0].weights.codes = {0, 1, 2, 3};
  const Injector injector(std::make_shared<net::Network>(network),
                          FaultModel::of_kind(FaultKind::kBitFlip, Encoding::kSignMagnitude));
  const Injection injection = injector.apply({.faults = {{{.bit = 3, .element = 0}}}});
  EXPECT_TRUE(injection.weights.empty());
  EXPECT_EQ(injection.counts.landed, 1);
}

TEST(Apply, JoinsTheMasksOfFaultsOnOneBit) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  const FaultSite site{.tensor = 0, .bit = 2, .element = 4};
  const Injection flips = injector.apply({.faults = {{site}, {site}}});
  EXPECT_EQ(flips.counts, (FaultCounts{2, 0}));
  const Injection stuck = injector.apply(
      {.faults = {{site}, {site, FaultKind::kStuckAt0}, {site, FaultKind::kStuckAt1}}});
  const int word = encode(injector.network()->layers[0].weights.codes[4], 8, {});
  EXPECT_EQ(stuck.counts.landed, word >> 2 & 1);
}

TEST(Apply, ReachesBiasesWhereAskedTo) {
  const Injector injector = injector_of({.sources = {{.target = FaultTarget::kBiases}}});
  const Injection injection = injector.inject(0.05, 1, 0);
  EXPECT_TRUE(injection.weights.empty());
  ASSERT_FALSE(injection.biases.empty());
  EXPECT_EQ(injection.counts.landed, injection.counts.drawn);
  int64_t bits = 0;
  for (const BiasChange& change : injection.biases) {
    const int32_t before = injector.network()
                               ->layers[static_cast<size_t>(change.layer)]
                               .bias[static_cast<size_t>(change.channel)];
    bits += std::popcount(static_cast<uint32_t>(before ^ change.value));
  }
  EXPECT_EQ(bits, injection.counts.landed);
}

TEST(Apply, RefusesSitesOutsideTheMemory) {
  const Injector injector = injector_of(FaultModel::of_kind(FaultKind::kBitFlip));
  EXPECT_THROW(injector.apply({.faults = {{{.tensor = 99}}}}), Error);
  EXPECT_THROW(injector.apply({.faults = {{{.bit = 8}}}}), Error);
  EXPECT_THROW(injector.apply({.faults = {{{.element = 150}}}}), Error);
}

TEST(Injector, SaturatesWhatTheEncodingCannotStore) {
  const auto network = mixed_network();
  const Injector plain(network, FaultModel::of_kind(FaultKind::kBitFlip));
  EXPECT_EQ(plain.network(), network);
  const Injector signed_words(network,
                              FaultModel::of_kind(FaultKind::kBitFlip, Encoding::kSignMagnitude));
  EXPECT_GT(signed_words.saturated(), 0);
  EXPECT_NE(signed_words.network(), network);
  EXPECT_NO_THROW(signed_words.inject(1, 1, 1));
}

TEST(Injector, NamesWhatDoesNotFit) {
  EXPECT_THAT(error_of({.sources = {{.rate = 1.5}}}), HasSubstr("rate must be in [0, 1], got 1.5"));
  EXPECT_THAT(error_of({.sources = {{.rate = 0.1, .count = 3}}}), HasSubstr("contradict"));
  EXPECT_THAT(error_of({.sources = {{.layers = {"conv11"}}}}), HasSubstr("did you mean 'conv1'"));
  EXPECT_THAT(error_of({.sources = {{.layers = {"fc1"}, .spare = {"fc1"}}}}),
              HasSubstr("no stored bits left"));
  EXPECT_THAT(error_of({.sources = {{.bits = {9}}}}), HasSubstr("no stored bits left"));
  EXPECT_THAT(error_of({.sources = {{.kinds = {0.5, 0.25, 0.125}}}}),
              HasSubstr("sum to 1, got 0.875"));
  EXPECT_THAT(error_of({.sources = {{.count = 1000, .layers = {"conv1"}, .bits = {0}}}}),
              HasSubstr("exceeds the 150 stored bits"));
  EXPECT_THROW(injector_of(FaultModel::of_kind(FaultKind::kBitFlip)).draw(-0.1, 1, 1), Error);
}

}  // namespace
}  // namespace flatenn::fault
