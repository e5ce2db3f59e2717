#include "fault/dense_bits.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fault/test_network.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {
namespace {

constexpr KindShares kMix{.bit_flip = 0.5, .stuck_at_0 = 0.3, .stuck_at_1 = 0.2};

/// Tensors with and without a rest behind the last whole block of masks.
std::shared_ptr<const net::Network> network() {
  return make_test_network({{"conv1", {6, 1, 5, 5}, 8},
                            {"conv2", {16, 4, 4, 4}, 4},
                            {"fc1", {40, 99, 1, 1}, 3},
                            {"fc2", {10, 40, 1, 1}, 8}});
}

/// inject() must give what the map gives, which takes the other way.
void expect_same(const FaultModel& model, const std::vector<double>& rates,
                 const std::string& name) {
  const Injector injector(network(), model);
  Injection reused;
  for (const double rate : rates) {
    for (uint64_t trial = 0; trial < 2; ++trial) {
      const Injection expected = injector.apply(injector.draw(rate, 5, trial));
      injector.inject(rate, 5, trial, reused);
      EXPECT_EQ(reused.weights, expected.weights) << name << " " << rate;
      EXPECT_EQ(reused.counts, expected.counts) << name << " " << rate;
      EXPECT_TRUE(reused.biases.empty());
    }
  }
}

std::vector<std::vector<FaultSource>> source_lists() {
  const auto stuck_at_0 = KindShares::only(FaultKind::kStuckAt0);
  const auto stuck_at_1 = KindShares::only(FaultKind::kStuckAt1);
  return {{{}},
          {{.kinds = stuck_at_0}},
          {{.kinds = stuck_at_1}},
          {{.kinds = kMix}},
          {{.kinds = {.bit_flip = 0, .flip_0_to_1 = 0.8, .flip_1_to_0 = 0.2}}},
          {{.kinds = KindShares::only(FaultKind::kFlip1To0)}, {.kinds = stuck_at_1}},
          {{.layers = {"conv2", "fc2"}, .bits = {0, -1}}},
          {{.bit_factors = {0, 0.25, 1, 1, 0.5, 0.125, 1, 0}}},
          {{}, {}},
          {{}, {.kinds = stuck_at_0, .rate = 0.2}, {.kinds = stuck_at_1, .rate_factor = 0.5}},
          {{.kinds = kMix, .spare = {"conv1"}}, {.kinds = kMix}, {.kinds = stuck_at_1}}};
}

TEST(DenseBits, InjectEqualsApplyingTheMap_EverySourceAndEncoding) {
  for (const std::string& encoding : encoding_names()) {
    for (const auto& sources : source_lists()) {
      // Factors must cover the words of a differential pair too, which have up to 14 bits.
      if (!sources.front().bit_factors.empty() && encoding == "differential_pair") continue;
      expect_same({.encoding = parse_encoding(encoding), .sources = sources},
                  {1e-3, 0.004, 0.02, 0.05, 0.125, 0.3, 0.5, 0.51, 1.0},
                  encoding + " " + std::to_string(sources.size()));
    }
  }
}

TEST(DenseBits, InjectEqualsApplyingTheMap_EveryProtection) {
  for (const Protection& protection :
       {Protection{.hardened_bits = 1}, Protection{.code = CheckCode::kParity},
        Protection{.code = CheckCode::kSecded},
        Protection{.code = CheckCode::kSecded, .zero_detected = true},
        Protection{.clip_to_golden = true}, Protection{.clip_share = 0.5}}) {
    for (const auto& sources : source_lists()) {
      for (const Encoding encoding : {Encoding::kTwosComplement, Encoding::kDifferentialPair}) {
        if (!sources.front().bit_factors.empty() && encoding == Encoding::kDifferentialPair) {
          continue;
        }
        expect_same({.encoding = encoding, .sources = sources, .protection = protection},
                    {0.004, 0.15}, to_string(protection.code));
      }
    }
  }
}

TEST(DenseBits, AnInjectionUsedAgainForgetsWhatItHeld) {
  const Injector both(network(), {.sources = {{}, {.target = FaultTarget::kBiases, .rate = 0.1}}});
  Injection injection = both.inject(0.2, 1, 0);
  ASSERT_FALSE(injection.biases.empty());
  Injector(network(), {.sources = {{}}}).inject(0, 1, 0, injection);
  EXPECT_TRUE(injection.weights.empty());
  EXPECT_TRUE(injection.biases.empty());
  EXPECT_EQ(injection.counts, FaultCounts{});
}

TEST(WordMasks, GiveEveryFaultyWordOnceAndAreClearAfterwards) {
  WordMasks masks;
  for (const int64_t words : {1, 63, 64, 65, 1000}) {
    for (int64_t step = 1; step <= words; step = 3 * step + 1) {
      masks.start(words);
      for (int64_t i = step - 1; i < words; i += step) {
        masks.plane(FaultKind::kStuckAt1)[i] = static_cast<uint16_t>(1 << i % 16);
      }
      int64_t next = step - 1;
      masks.take([&](int64_t word, const WordMask& mask) {
        EXPECT_EQ(word, next);
        EXPECT_EQ(mask.set, uint32_t{1} << word % 16);
        EXPECT_EQ(mask.flip | mask.clear, 0U);
        next += step;
      });
      EXPECT_GE(next, words);
      masks.start(words);
      masks.plane(FaultKind::kStuckAt1);
      masks.take([&](int64_t word, const WordMask&) { ADD_FAILURE() << word; });
    }
  }
}

}  // namespace
}  // namespace flatenn::fault
