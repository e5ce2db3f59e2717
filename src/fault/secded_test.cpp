#include "fault/secded.h"

#include <gtest/gtest.h>

#include <bit>

#include "flatenn/base/random.h"

namespace flatenn::fault {
namespace {

constexpr int kCodeBits = 72;

struct Codeword {
  uint64_t data = 0;
  uint8_t check = 0;

  static Codeword of(uint64_t data) { return {data, secded_encode(data)}; }
  void flip(int bit) {
    if (bit < 64) {
      data ^= uint64_t{1} << bit;
    } else {
      check = static_cast<uint8_t>(check ^ 1 << (bit - 64));
    }
  }
  SecdedResult decode() const { return secded_decode(data, check); }
};

constexpr uint64_t kData = 0x0123456789abcdef;

TEST(Secded, ReadsCleanWordsAsTheyAre) {
  RandomStream random(1, 0, RandomPurpose::kBootstrap);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t data = random.next_u64();
    const SecdedResult read = Codeword::of(data).decode();
    EXPECT_EQ(read.status, SecdedStatus::kClean);
    EXPECT_EQ(read.data, data);
  }
}

TEST(Secded, CorrectsEverySingleError) {
  for (int bit = 0; bit < kCodeBits; ++bit) {
    Codeword word = Codeword::of(kData);
    word.flip(bit);
    EXPECT_EQ(word.decode().status, SecdedStatus::kCorrected) << bit;
    EXPECT_EQ(word.decode().data, kData) << bit;
  }
}

TEST(Secded, DetectsEveryDoubleErrorAndLeavesTheDataAsRead) {
  for (int a = 0; a < kCodeBits; ++a) {
    for (int b = 0; b < a; ++b) {
      Codeword word = Codeword::of(kData);
      word.flip(a);
      word.flip(b);
      EXPECT_EQ(word.decode().status, SecdedStatus::kDetected) << a << " " << b;
      EXPECT_EQ(word.decode().data, word.data);
    }
  }
}

// Three errors have an odd syndrome: never clean, taken for a single error or (where no column
// matches) detected. Which of both happens for each of the 59,640 triples is a property of the
// code.
TEST(Secded, TakesMostTripleErrorsForSingleOnes) {
  int miscorrected = 0;
  int detected = 0;
  for (int a = 0; a < kCodeBits; ++a) {
    for (int b = 0; b < a; ++b) {
      for (int c = 0; c < b; ++c) {
        Codeword word = Codeword::of(kData);
        word.flip(a);
        word.flip(b);
        word.flip(c);
        const SecdedResult read = word.decode();
        ASSERT_NE(read.status, SecdedStatus::kClean);
        if (read.status == SecdedStatus::kDetected) {
          ++detected;
        } else {
          ++miscorrected;
          ASSERT_FALSE(read.data == kData && a < 64);  // a wrong bit was turned
        }
      }
    }
  }
  EXPECT_EQ(miscorrected + detected, 59640);
  EXPECT_GT(miscorrected, detected);
}

TEST(Secded, EachCheckCovers26DataBits) {
  std::array<int, 8> covered{};
  for (int bit = 0; bit < 64; ++bit) {
    const uint8_t column = secded_encode(uint64_t{1} << bit);
    EXPECT_EQ(std::popcount(column) % 2, 1);
    EXPECT_GE(std::popcount(column), 3);
    for (size_t check = 0; check < 8; ++check) covered[check] += column >> check & 1;
  }
  for (const int count : covered) EXPECT_EQ(count, 26);
}

TEST(Secded, IsLinear) {
  RandomStream random(2, 0, RandomPurpose::kBootstrap);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t a = random.next_u64();
    const uint64_t b = random.next_u64();
    EXPECT_EQ(secded_encode(a ^ b), secded_encode(a) ^ secded_encode(b));
  }
}

}  // namespace
}  // namespace flatenn::fault
