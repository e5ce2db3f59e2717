#include "fault/activation_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <utility>

#include "fault/test_network.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Activations: 0 image, 1 conv1_out (6x3x3, 4 bits), 2 conv2_out (8x3x3, 3 bits), 3 logits.
std::shared_ptr<const net::Network> network() {
  return make_test_network(
      {{"conv1", {6, 1, 3, 3}, 4}, {"conv2", {8, 6, 3, 3}, 3}, {"fc", {10, 72, 1, 1}, 8}});
}

FaultSource source_of(FaultKind kind) {
  return {.target = FaultTarget::kActivations, .kinds = KindShares::only(kind)};
}

std::shared_ptr<const ActivationFaults> draw(const FaultSource& source, double rate,
                                             uint64_t trial = 0) {
  return Injector(network(), {.sources = {source}}).inject(rate, 1, trial).activations;
}

std::vector<CodeMask> masks(const ActivationFaults& faults, int64_t activation, int64_t image) {
  std::vector<CodeMask> result{{.element = 99}};  // to be replaced
  faults.masks(activation, image, result);
  return result;
}

bool same(const std::vector<CodeMask>& a, const std::vector<CodeMask>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const CodeMask& x, const CodeMask& y) {
        return x.element == y.element && x.flip == y.flip && x.set == y.set && x.clear == y.clear;
      });
}

TEST(ActivationFaults, AreAbsentWithoutASource) {
  EXPECT_EQ(
      Injector(network(), FaultModel::of_kind(FaultKind::kBitFlip)).inject(0.1, 1, 1).activations,
      nullptr);
}

TEST(ActivationFaults, ReachStoredCodesButNotTheImageOrLogits) {
  const auto faults = draw(source_of(FaultKind::kBitFlip), 0.1);
  EXPECT_FALSE(faults->touches(0));
  EXPECT_TRUE(faults->touches(1));
  EXPECT_TRUE(faults->touches(2));
  EXPECT_FALSE(faults->touches(3));
}

TEST(ActivationFaults, TouchNothingAtRateZero) {
  for (const FaultKind kind : {FaultKind::kBitFlip, FaultKind::kStuckAt1}) {
    const auto faults = draw(source_of(kind), 0);
    EXPECT_FALSE(faults->touches(1));
    EXPECT_TRUE(masks(*faults, 1, 5).empty());
  }
}

TEST(ActivationFaults, NamesSelectWhatALayerWritesOrAnActivation) {
  FaultSource source = source_of(FaultKind::kBitFlip);
  source.layers = {"conv2", "image"};
  const auto faults = draw(source, 0.1);
  EXPECT_TRUE(faults->touches(0));
  EXPECT_FALSE(faults->touches(1));
  EXPECT_TRUE(faults->touches(2));
}

TEST(ActivationFlips, AreFreshForEachImageAndDependOnItAlone) {
  const auto faults = draw(source_of(FaultKind::kBitFlip), 0.1);
  const auto again = draw(source_of(FaultKind::kBitFlip), 0.1);
  EXPECT_FALSE(same(masks(*faults, 1, 5), masks(*faults, 1, 6)));
  (void)masks(*again, 2, 77);
  EXPECT_TRUE(same(masks(*faults, 1, 5), masks(*again, 1, 5)));
  EXPECT_FALSE(
      same(masks(*faults, 1, 5), masks(*draw(source_of(FaultKind::kBitFlip), 0.1, 1), 1, 5)));
}

TEST(ActivationFlips, ComeWithTheirRateInsideTheCode) {
  const auto faults = draw(source_of(FaultKind::kBitFlip), 0.05);
  double flips = 0;
  constexpr int kImages = 500;
  for (int64_t image = 0; image < kImages; ++image) {
    int64_t last = -1;
    for (const CodeMask& mask : masks(*faults, 2, image)) {
      ASSERT_GT(mask.element, last);
      ASSERT_LT(mask.element, 72);
      ASSERT_LT(mask.flip, 8);
      ASSERT_EQ(mask.set | mask.clear, 0);
      last = mask.element;
      flips += std::popcount(mask.flip);
    }
  }
  const double mean = kImages * 72 * 3 * 0.05;
  EXPECT_NEAR(flips, mean, 5 * std::sqrt(mean));
}

TEST(ActivationFlips, NestAcrossRates) {
  const auto low = draw(source_of(FaultKind::kBitFlip), 0.01);
  const auto high = draw(source_of(FaultKind::kBitFlip), 0.2);
  for (int64_t image = 0; image < 50; ++image) {
    std::vector<uint8_t> flips(72);
    for (const CodeMask& mask : masks(*high, 2, image)) {
      flips[static_cast<size_t>(mask.element)] = mask.flip;
    }
    for (const CodeMask& mask : masks(*low, 2, image)) {
      EXPECT_EQ(mask.flip & ~flips[static_cast<size_t>(mask.element)], 0);
    }
  }
}

TEST(ActivationFlips, SelectedBitsMeetTheFaultsOfTheFullMap) {
  FaultSource top = source_of(FaultKind::kBitFlip);
  top.bits = {-1};
  const auto some = draw(top, 0.2);
  const auto all = draw(source_of(FaultKind::kBitFlip), 0.2);
  std::vector<CodeMask> expected;
  for (CodeMask mask : masks(*all, 1, 3)) {
    mask.flip &= 8;
    if (mask.flip != 0) expected.push_back(mask);
  }
  ASSERT_FALSE(expected.empty());
  EXPECT_TRUE(same(masks(*some, 1, 3), expected));
}

TEST(ActivationStuckAt, IsTheSameForAllImagesAndAddressesOfOneBuffer) {
  const auto faults = draw(source_of(FaultKind::kStuckAt1), 0.1);
  const auto first = masks(*faults, 2, 0);
  EXPECT_TRUE(same(first, masks(*faults, 2, 1234)));
  // conv1_out has 54 words of 4 bits at addresses 0 to 53 of the same buffer, conv2_out 72 of 3.
  std::vector<uint8_t> stuck(72);
  for (const CodeMask& mask : first) stuck[static_cast<size_t>(mask.element)] = mask.set;
  for (const CodeMask& mask : masks(*faults, 1, 0)) {
    EXPECT_EQ(mask.set & 7, stuck[static_cast<size_t>(mask.element)]);
    stuck[static_cast<size_t>(mask.element)] = 0;
  }
  for (int64_t element = 0; element < 54; ++element) {
    EXPECT_EQ(stuck[static_cast<size_t>(element)], 0);
  }
}

TEST(ActivationStuckAt, DiffersBetweenTensorsWithMemoryOfTheirOwn) {
  FaultSource source = source_of(FaultKind::kStuckAt0);
  source.shared_buffer = false;
  const auto faults = draw(source, 0.2);
  EXPECT_FALSE(same(masks(*faults, 1, 0), masks(*faults, 2, 0)));
  for (const CodeMask& mask : masks(*faults, 1, 0)) {
    EXPECT_NE(mask.clear, 0);
    EXPECT_EQ(mask.set | mask.flip, 0);
  }
}

using Place = std::pair<int64_t, int>;  // element, bits

/// Places of one image's faults of seed 1, trial 7.
std::vector<Place> places(const FaultSource& source, int64_t activation, int64_t image) {
  std::vector<Place> result;
  const auto faults = Injector(network(), {.sources = {source}}).inject(0.03, 1, 7).activations;
  for (const CodeMask& mask : masks(*faults, activation, image)) {
    result.emplace_back(mask.element, mask.flip | mask.set | mask.clear);
  }
  return result;
}

/// Expected: golden/bands.py, hits(Stream(1, 7, 4, IMAGE, ACTIVATION), elements * bits, 0.03), with
/// 0xffffffff for the image of stuck-at faults; of a shared buffer Stream(1, 7, 4, 0xfffffffe, 0).
TEST(ActivationFaults, AreThoseOfTheStreamsThatResultsAreMadeOf) {
  const FaultSource flips = source_of(FaultKind::kBitFlip);
  EXPECT_THAT(places(flips, 1, 5), ElementsAre(Place{3, 4}, Place{4, 1}, Place{12, 4}, Place{27, 1},
                                               Place{39, 8}, Place{44, 4}, Place{53, 1}));
  EXPECT_THAT(places(flips, 2, 5),
              ElementsAre(Place{2, 2}, Place{18, 1}, Place{20, 4}, Place{21, 4}, Place{29, 1},
                          Place{30, 1}, Place{38, 2}, Place{55, 1}, Place{65, 2}));
  FaultSource stuck = source_of(FaultKind::kStuckAt1);
  EXPECT_THAT(places(stuck, 1, 5),
              ElementsAre(Place{19, 1}, Place{22, 2}, Place{28, 2}, Place{53, 8}));
  EXPECT_THAT(places(stuck, 2, 5), ElementsAre(Place{19, 1}, Place{22, 2}, Place{28, 2}))
      << "words as wide as the widest of them";
  stuck.shared_buffer = false;
  EXPECT_THAT(places(stuck, 1, 5), ElementsAre(Place{1, 4}, Place{5, 4}, Place{14, 4}, Place{17, 1},
                                               Place{43, 8}, Place{45, 10}));
  EXPECT_THAT(places(stuck, 2, 5), ElementsAre(Place{59, 4}, Place{69, 2}));
}

TEST(ActivationFaults, JoinFlipsAndStuckAtInOneMaskAnElement) {
  const Injector injector(
      network(), {.sources = {source_of(FaultKind::kBitFlip), source_of(FaultKind::kStuckAt1)}});
  const auto faults = injector.inject(0.4, 1, 1).activations;
  bool joined = false;
  int64_t last = -1;
  for (const CodeMask& mask : masks(*faults, 1, 9)) {
    EXPECT_GT(mask.element, last);
    last = mask.element;
    joined = joined || (mask.flip != 0 && mask.set != 0);
  }
  EXPECT_TRUE(joined);
}

TEST(ActivationFaults, AnswerManyThreadsAlike) {
  const Injector injector(
      network(), {.sources = {source_of(FaultKind::kBitFlip), source_of(FaultKind::kStuckAt0)}});
  const auto faults = injector.inject(0.1, 1, 1).activations;
  std::vector<std::vector<CodeMask>> alone(200);
  for (int64_t i = 0; i < 200; ++i)
    alone[static_cast<size_t>(i)] = masks(*faults, 1 + i % 2, i / 2);
  std::vector<char> equal(200);
  parallel_for(200, 4, [&](int64_t i) {
    equal[static_cast<size_t>(i)] =
        same(masks(*faults, 1 + i % 2, i / 2), alone[static_cast<size_t>(i)]);
  });
  for (const char value : equal) EXPECT_TRUE(value);
}

std::string error_of(const FaultSource& source) {
  try {
    const Injector injector(network(), {.sources = {source}});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ActivationFaults, NameWhatDoesNotFit) {
  FaultSource source = source_of(FaultKind::kBitFlip);
  source.layers = {"fc"};
  EXPECT_THAT(error_of(source), HasSubstr("'fc' stores no activation codes"));
  source.layers = {"conv22"};
  EXPECT_THAT(error_of(source), HasSubstr("did you mean 'conv2'"));
  source.layers = {"conv1"};
  source.spare = {"conv1"};
  EXPECT_THAT(error_of(source), HasSubstr("no stored activation bits left"));
  source = source_of(FaultKind::kBitFlip);
  source.unit = FaultUnit::kWord;
  EXPECT_THAT(error_of(source), HasSubstr("activations take unit bit"));
  source = source_of(FaultKind::kBitFlip);
  source.kinds = {0.5, 0.5, 0};
  EXPECT_THAT(error_of(source), HasSubstr("need a source each"));
}

}  // namespace
}  // namespace flatenn::fault
