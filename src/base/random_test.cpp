#include "flatenn/base/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

// The known answers that come with the authors' Random123 library (kat_vectors, philox 4x32 10).
TEST(Philox4x32, GivesTheAuthorsKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, IsAFunctionOfItsIdentity) {
  RandomStream first(7, 731, RandomPurpose::kWeightFault, 3, 1);
  RandomStream second(7, 731, RandomPurpose::kWeightFault, 3, 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first.next_u64(), second.next_u64());
}

TEST(RandomStream, EveryPartOfTheIdentityMatters) {
  std::set<uint64_t> seen;
  seen.insert(RandomStream(1, 0, RandomPurpose::kWeightFault).next_u64());
  seen.insert(RandomStream(uint64_t{1} << 32, 0, RandomPurpose::kWeightFault).next_u64());
  seen.insert(RandomStream(1, 1, RandomPurpose::kWeightFault).next_u64());
  seen.insert(RandomStream(1, 0, RandomPurpose::kFaultKind).next_u64());
  seen.insert(RandomStream(1, 0, RandomPurpose::kWeightFault, 1).next_u64());
  seen.insert(RandomStream(1, 0, RandomPurpose::kWeightFault, 0, 1).next_u64());
  EXPECT_EQ(seen.size(), 6u);
}

TEST(RandomStream, FillGivesTheWordsOfNextU64) {
  for (const int taken : {0, 1, 2, 3, 4, 6}) {  // words of 32 bits before, so any alignment
    RandomStream filled(7, 731, RandomPurpose::kWeightFault, 3, 1);
    RandomStream plain = filled;
    for (int i = 0; i < taken; ++i) EXPECT_EQ(filled.next_u32(), plain.next_u32());
    for (const int count : {0, 1, 2, 31, 32, 33, 100, 480}) {
      std::vector<uint64_t> words(static_cast<size_t>(count));
      filled.fill(words);
      for (const uint64_t word : words) ASSERT_EQ(word, plain.next_u64()) << taken << " " << count;
    }
  }
}

TEST(RandomStream, UniformStaysInsideItsRangeAndHasItsMean) {
  RandomStream stream(3, 0, RandomPurpose::kBootstrap);
  constexpr int kDraws = 100000;
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * 0.2887 / 316.2);  // five standard errors
}

TEST(RandomStream, BelowReachesEveryValueAndNoOther) {
  RandomStream stream(3, 0, RandomPurpose::kBootstrap);
  std::vector<int> hits(7);
  for (int i = 0; i < 7000; ++i) ++hits.at(stream.below(7));
  for (const int count : hits) EXPECT_NEAR(count, 1000, 5 * 29.3);
}

TEST(RandomStream, NormalHasUnitVariance) {
  RandomStream stream(5, 0, RandomPurpose::kDirection);
  constexpr int kDraws = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double z = stream.normal();
    sum += z;
    squares += z * z;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 5 / 316.2);
  EXPECT_NEAR(squares / kDraws, 1.0, 5 * 1.4142 / 316.2);
}

TEST(RandomStream, RefusesAnIdentityThatDoesNotFit) {
  EXPECT_THROW(RandomStream(0, uint64_t{1} << 32, RandomPurpose::kPilot), Error);
  EXPECT_THROW(RandomStream(0, 0, RandomPurpose::kPilot, 0, 1 << 16), Error);
}

}  // namespace
}  // namespace flatenn
