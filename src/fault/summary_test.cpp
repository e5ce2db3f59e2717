#include "flatenn/fault/summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "fault/test_network.h"

namespace flatenn::fault {
namespace {

TEST(Summary, PartsAddUpToTheWholeAndToTheInjection) {
  const Injector injector(
      make_test_network({{"conv", {4, 2, 3, 3}, 4}, {"fc", {10, 36, 1, 1}, 8}}),
      {.sources = {{.kinds = {0.4, 0.3, 0.3}}, {.target = FaultTarget::kBiases, .rate = 0.05}}});
  const FaultMap map = injector.draw(0.1, 1, 1);
  const Injection injection = injector.apply(map);
  const auto summaries = summarize(map, injector);
  const FaultSummary& whole = summaries.back();
  EXPECT_EQ(whole.faults(), injection.counts.drawn);
  EXPECT_EQ(whole.landed, injection.counts.landed);
  EXPECT_EQ(whole.changed_codes, std::ssize(injection.weights) + std::ssize(injection.biases));
  int64_t faults = 0;
  for (size_t i = 0; i + 1 < summaries.size(); ++i) {
    const auto& bits = summaries[i].by_bit;
    EXPECT_EQ(std::accumulate(bits.begin(), bits.end(), int64_t{0}), summaries[i].faults());
    faults += summaries[i].faults();
  }
  EXPECT_EQ(faults, whole.faults());
}

TEST(Summary, CountsEveryKindInPartsAndWhole) {
  const Injector injector(make_test_network({{"conv", {4, 2, 3, 3}, 4}, {"fc", {10, 36, 1, 1}, 8}}),
                          {});
  FaultMap map;
  const auto add = [&](FaultKind kind, int32_t tensor, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto element = static_cast<int64_t>(map.faults.size()) % 60;
      map.faults.push_back({{.tensor = tensor, .bit = 1, .element = element}, kind});
    }
  };
  constexpr int32_t kConv = 0;
  add(FaultKind::kBitFlip, kConv, 1);
  add(FaultKind::kStuckAt0, kConv, 2);
  add(FaultKind::kStuckAt1, kConv, 3);
  add(FaultKind::kFlip0To1, kConv, 4);
  add(FaultKind::kFlip1To0, kConv, 5);
  const auto summaries = summarize(map, injector);
  for (const FaultSummary* const summary : {&summaries.front(), &summaries.back()}) {
    EXPECT_EQ(summary->bit_flips, 1);
    EXPECT_EQ(summary->stuck_at_0, 2);
    EXPECT_EQ(summary->stuck_at_1, 3);
    EXPECT_EQ(summary->flips_0_to_1, 4);
    EXPECT_EQ(summary->flips_1_to_0, 5);
    EXPECT_EQ(summary->faults(), 15);
  }
  EXPECT_EQ(summaries.front().words, 4 * 2 * 3 * 3);
  EXPECT_EQ(summaries.front().stored_bits, 4 * 4 * 2 * 3 * 3);
  EXPECT_EQ(summaries.back().words, 4 * 2 * 3 * 3 + 10 * 36);
  EXPECT_EQ(summaries.back().stored_bits, 4 * 4 * 2 * 3 * 3 + 8 * 10 * 36);
}

TEST(Summary, RmsIsThatOfTheChangedCodes) {
  net::Network network = *make_test_network({{"fc", {1, 2, 1, 1}, 4}, {"out", {1, 1, 1, 1}, 4}});
  network.layers[0].weights.codes = {0, 1};
  const Injector injector(std::make_shared<net::Network>(network),
                          FaultModel::of_kind(FaultKind::kBitFlip));
  const FaultMap map{.faults = {{{.bit = 0, .element = 0}}, {{.bit = 1, .element = 1}}}};
  EXPECT_DOUBLE_EQ(summarize(map, injector).front().rms_change, std::sqrt((1.0 + 4.0) / 2));
  EXPECT_DOUBLE_EQ(summarize(map, injector).back().rms_change, std::sqrt((1.0 + 4.0) / 2));
}

TEST(FaultyNetwork, HoldsTheChangedCodes) {
  const Injector injector(make_test_network({{"fc", {9, 9, 1, 1}, 4}, {"out", {1, 9, 1, 1}, 4}}),
                          FaultModel::of_kind(FaultKind::kBitFlip));
  const Injection injection = injector.inject(1, 1, 1);
  const net::Network faulty = faulty_network(*injector.network(), injection);
  for (size_t i = 0; i < 81; ++i) {
    EXPECT_EQ(faulty.layers[0].weights.codes[i],
              -1 - injector.network()->layers[0].weights.codes[i]);
  }
}

TEST(Summary, OfFaultsThatChangeNothingIsZeroEverywhere) {
  net::Network network = *make_test_network({{"fc", {1, 2, 1, 1}, 4}, {"out", {1, 1, 1, 1}, 4}});
  network.layers[0].weights.codes = {0, 0};
  const Injector injector(std::make_shared<net::Network>(network),
                          FaultModel::of_kind(FaultKind::kStuckAt0));
  const FaultMap map{.faults = {{{.bit = 0, .element = 1}, FaultKind::kStuckAt0}}};
  for (const FaultSummary& summary : summarize(map, injector)) {
    EXPECT_EQ(summary.rms_change, 0) << "and no quotient of zeros";
    EXPECT_EQ(summary.changed_codes, 0);
  }
  EXPECT_EQ(summarize(map, injector).back().faults(), 1);
}

}  // namespace
}  // namespace flatenn::fault
