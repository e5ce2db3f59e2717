#include "fault/protected_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>

#include "fault/test_network.h"

namespace flatenn::fault {
namespace {

std::shared_ptr<const net::Network> network() {
  return make_test_network({{"conv", {6, 5, 3, 3}, 3}, {"fc", {9, 31, 1, 1}, 4}});
}

Injector protected_by(const Protection& protection, Encoding encoding = {}) {
  return {network(), {.encoding = encoding, .sources = {{}}, .protection = protection}};
}

constexpr Protection kParity{.code = CheckCode::kParity};
constexpr Protection kSecded{.code = CheckCode::kSecded};

Fault flip(int32_t tensor, int64_t element, int32_t bit) {
  return {{.tensor = tensor, .bit = bit, .element = element}};
}

/// Site of a stored bit of the first tensor (3-bit words) by its place in population order.
Fault flip_at(int64_t position) {
  return flip(0, position / 3, static_cast<int32_t>(position % 3));
}

TEST(CheckBits, AreOneAWordOfParityAndEightABlockOfSecded) {
  EXPECT_EQ(check_bits(CheckCode::kNone), 0);
  EXPECT_EQ(check_bits(CheckCode::kParity), 1);
  EXPECT_EQ(check_bits(CheckCode::kSecded), 8);
}

TEST(Protection, LeavesTheFaultsOfDataBitsAlone) {
  for (const double rate : {0.003, 0.2}) {
    const FaultMap plain = protected_by({}).draw(rate, 1, 1);
    EXPECT_TRUE(plain.check_faults.empty());
    for (const Protection& protection : {kParity, kSecded}) {
      const FaultMap map = protected_by(protection).draw(rate, 1, 1);
      EXPECT_EQ(map.faults, plain.faults);
      EXPECT_FALSE(map.check_faults.empty());
      EXPECT_TRUE(std::is_sorted(map.check_faults.begin(), map.check_faults.end()));
    }
  }
}

TEST(Protection, WithoutFaultsChangesNothing) {
  for (const Protection& protection :
       {kParity, kSecded, Protection{.hardened_bits = 2, .clip_to_golden = true}}) {
    const Injector injector = protected_by(protection);
    EXPECT_EQ(injector.clipped(), 0);
    EXPECT_TRUE(injector.inject(0, 1, 1).weights.empty());
  }
}

TEST(Parity, ZeroesWordsWithAnOddNumberOfWrongBits) {
  const Injector injector = protected_by(kParity);
  const auto& codes = injector.network()->layers[0].weights.codes;
  const auto nonzero = std::find_if(codes.begin(), codes.end(), [](int8_t c) { return c != 0; });
  const int64_t element = nonzero - codes.begin();
  const Injection odd = injector.apply({.faults = {flip(0, element, 1)}});
  ASSERT_EQ(odd.weights.size(), 1u);
  EXPECT_EQ(odd.weights[0].code, 0);
  EXPECT_EQ(odd.counts.detected, 1);
  const Injection even = injector.apply({.faults = {flip(0, element, 0), flip(0, element, 1)}});
  ASSERT_EQ(even.weights.size(), 1u);
  const auto word = encode(*nonzero, 3, Encoding::kTwosComplement);
  EXPECT_EQ(even.weights[0].code, decode(word ^ 3, 3, Encoding::kTwosComplement));
  EXPECT_EQ(even.counts.missed, 1);
}

TEST(Parity, AFaultyParityBitZeroesAGoodWordAndHidesABadOne) {
  const Injector injector = protected_by(kParity);
  const FaultMap check{.check_faults = {flip(0, 4, 0)}};
  const Injection alone = injector.apply(check);
  EXPECT_EQ(alone.counts.detected, 1);
  EXPECT_EQ(alone.counts.landed, 0);
  EXPECT_EQ(alone.counts.check_drawn, 1);
  FaultMap both = check;
  both.faults = {flip(0, 4, 2)};
  EXPECT_EQ(injector.apply(both).counts.missed, 1);
  EXPECT_EQ(injector.apply(both).counts.detected, 0);
}

TEST(SecdedMemory, CorrectsOneWrongBitInEachBlock) {
  const Injector injector = protected_by(kSecded);
  FaultMap map;  // 810 bits: blocks of 64 cut 3-bit words, the last one is not full
  for (int64_t block = 0; block < 13; ++block)
    map.faults.push_back(flip_at(block * 64 + 5 * block % 42));
  const Injection injection = injector.apply(map);
  EXPECT_TRUE(injection.weights.empty());
  EXPECT_EQ(injection.counts.corrected, 13);
  EXPECT_EQ(injection.counts.landed, 13);
}

TEST(SecdedMemory, DeliversTwoWrongBitsOrZeroesTheBlock) {
  const FaultMap map{.faults = {flip_at(64), flip_at(127)}};  // words 21 and 42, both cut
  const Injector keeps = protected_by(kSecded);
  const Injection kept = keeps.apply(map);
  EXPECT_EQ(kept.counts.detected, 1);
  const Injector plain = protected_by({});
  EXPECT_EQ(kept.weights, plain.apply(map).weights);
  const Injection zeroed =
      protected_by({.code = CheckCode::kSecded, .zero_detected = true}).apply(map);
  std::map<int64_t, int8_t> found;
  for (const WeightChange& change : zeroed.weights) found[change.element] = change.code;
  const auto& codes = keeps.network()->layers[0].weights.codes;
  for (int64_t element = 0; element < std::ssize(codes); ++element) {
    const bool in_block = element >= 21 && element <= 42;
    const int8_t expected = in_block ? int8_t{0} : codes[static_cast<size_t>(element)];
    EXPECT_EQ(found.contains(element) ? found[element] : codes[static_cast<size_t>(element)],
              expected)
        << element;
  }
}

TEST(SecdedMemory, CorrectsAWrongCheckBitAndDetectsItBesideAWrongDataBit) {
  const Injector injector = protected_by(kSecded);
  const FaultMap check{.check_faults = {flip(0, 2, 5)}};
  EXPECT_EQ(injector.apply(check).counts.corrected, 1);
  EXPECT_TRUE(injector.apply(check).weights.empty());
  FaultMap both = check;
  both.faults = {flip_at(130)};
  EXPECT_EQ(injector.apply(both).counts.detected, 1);
}

TEST(SecdedMemory, ThreeWrongBitsBecomeMoreOrAreDetected) {
  const Injector injector = protected_by(kSecded);
  const FaultCounts counts =
      injector.apply({.faults = {flip_at(64), flip_at(70), flip_at(100)}}).counts;
  EXPECT_EQ(counts.missed + counts.detected, 1);
  EXPECT_EQ(counts.corrected, 0);
}

// At a low rate nearly every faulty block has one wrong bit; whatever else happens is counted.
TEST(SecdedMemory, RemovesNearlyAllFaultsAtLowRates) {
  int64_t plain = 0;
  int64_t left = 0;
  FaultCounts counts;
  for (uint64_t trial = 0; trial < 200; ++trial) {
    plain += std::ssize(protected_by({}).inject(1e-3, 1, trial).weights);
    const Injection injection = protected_by(kSecded).inject(1e-3, 1, trial);
    left += std::ssize(injection.weights);
    counts.corrected += injection.counts.corrected;
  }
  EXPECT_GT(counts.corrected, plain / 2);
  EXPECT_LT(left, plain / 5);
}

TEST(HardenedBits, AreNeverWrong) {
  for (const Encoding encoding : {Encoding::kTwosComplement, Encoding::kDifferentialPair}) {
    const Injector injector = protected_by({.hardened_bits = 1}, encoding);
    const Injection injection = injector.inject(1, 1, 1);
    // Every bit was drawn; the top one of each word, or of each half, did not turn.
    const int64_t words = 270 + 279;
    const int64_t bits = injector.layout().weight_bits();
    EXPECT_EQ(injection.counts.drawn, bits);
    EXPECT_EQ(injection.counts.landed,
              bits - words * (encoding == Encoding::kDifferentialPair ? 2 : 1));
  }
}

TEST(Clipping, KeepsFaultyCodesInTheGoldenRange) {
  net::Network small = *network();
  for (int8_t& code : small.layers[0].weights.codes) code = static_cast<int8_t>(code / 2);
  const Injector injector(std::make_shared<net::Network>(small),
                          {.sources = {{}}, .protection = {.clip_to_golden = true}});
  const Injection injection = injector.inject(0.3, 1, 1);
  EXPECT_EQ(injector.clipped(), 0);
  EXPECT_GT(injection.counts.clipped, 0);
  for (const WeightChange& change : injection.weights) {
    EXPECT_LE(std::abs(change.code), change.layer == 0 ? 2 : 8);
  }
}

TEST(Clipping, ToAShareOfTheRangeChangesTheGoldenCodesToo) {
  const Injector injector = protected_by({.clip_share = 0.5});
  EXPECT_GT(injector.clipped(), 0);
  for (const net::Layer& layer : injector.network()->layers) {
    const int top = layer.weights.bits == 3 ? 1 : 3;
    for (const int8_t code : layer.weights.codes) EXPECT_LE(std::abs(code), top);
  }
  for (const WeightChange& change : injector.inject(0.5, 1, 1).weights) {
    EXPECT_LE(std::abs(change.code), change.layer == 0 ? 1 : 3);
  }
}

/// Every word of data errors, with its parity bit wrong or not, read by the definition: odd numbers
/// of wrong bits among data and parity are seen and zeroed, the others pass as they are.
TEST(Parity, IsReadByItsDefinitionForEveryError) {
  const Injector injector = protected_by(kParity);
  const auto& codes = injector.network()->layers[0].weights.codes;
  for (const int64_t element : {int64_t{0}, int64_t{4}, int64_t{200}}) {
    for (unsigned wrong = 0; wrong < 8; ++wrong) {
      for (const bool check : {false, true}) {
        FaultMap map;
        for (int bit = 0; bit < 3; ++bit) {
          if ((wrong >> bit & 1U) != 0) map.faults.push_back(flip(0, element, bit));
        }
        if (check) map.check_faults = {flip(0, element, 0)};
        const Injection got = injector.apply(map);
        const bool seen = (std::popcount(wrong) + (check ? 1 : 0)) % 2 == 1;
        const auto code = codes[static_cast<size_t>(element)];
        const auto word = encode(code, 3, Encoding::kTwosComplement);
        const int8_t want =
            seen ? int8_t{0}
                 : decode(static_cast<uint16_t>(word ^ wrong), 3, Encoding::kTwosComplement);
        int8_t now = code;
        for (const auto& change : got.weights) now = change.code;
        EXPECT_EQ(now, want) << element << " wrong " << wrong << " check " << check;
        EXPECT_EQ(got.counts.detected, seen);
        EXPECT_EQ(got.counts.missed, !seen && wrong != 0);
      }
    }
  }
}

}  // namespace
}  // namespace flatenn::fault
