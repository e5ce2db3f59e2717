#include "flatenn/fault/encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>

#include "fault/test_network.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

constexpr Encoding kAll[] = {Encoding::kTwosComplement, Encoding::kOffsetBinary, Encoding::kGray,
                             Encoding::kSignMagnitude, Encoding::kDifferentialPair};

TEST(Encoding, EveryCodeSurvivesEveryEncoding) {
  for (const Encoding encoding : kAll) {
    for (int bits = 2; bits <= 8; ++bits) {
      const int half = 1 << (bits - 1);
      std::set<int> words;
      for (int code = has_lowest(encoding) ? -half : 1 - half; code < half; ++code) {
        const uint16_t word = encode(static_cast<int8_t>(code), bits, encoding);
        EXPECT_LT(word, 1 << word_bits(bits, encoding));
        EXPECT_EQ(decode(word, bits, encoding), code) << to_string(encoding) << " " << bits;
        words.insert(word);
      }
      EXPECT_EQ(std::ssize(words), has_lowest(encoding) ? 2 * half : 2 * half - 1);
    }
  }
}

TEST(Encoding, EveryWordStandsForACodeInRange) {
  for (const Encoding encoding : kAll) {
    for (int bits = 2; bits <= 8; ++bits) {
      for (int word = 0; word < 1 << word_bits(bits, encoding); ++word) {
        const int code = decode(static_cast<uint16_t>(word), bits, encoding);
        EXPECT_GE(code, -(1 << (bits - 1)));
        EXPECT_LT(code, 1 << (bits - 1));
      }
    }
  }
}

TEST(Encoding, GivesTextbookWords) {
  EXPECT_EQ(encode(-3, 4, Encoding::kTwosComplement), 0b1101);
  EXPECT_EQ(encode(-3, 4, Encoding::kOffsetBinary), 0b0101);
  EXPECT_EQ(encode(-3, 4, Encoding::kGray), 0b0111);
  EXPECT_EQ(encode(-3, 4, Encoding::kSignMagnitude), 0b1011);
  EXPECT_EQ(encode(-3, 4, Encoding::kDifferentialPair), 0b011000);
  EXPECT_EQ(encode(3, 4, Encoding::kDifferentialPair), 0b000011);
}

TEST(Encoding, NeighboursInGrayDifferInOneBit) {
  for (int code = -128; code < 127; ++code) {
    const int a = encode(static_cast<int8_t>(code), 8, Encoding::kGray);
    const int b = encode(static_cast<int8_t>(code + 1), 8, Encoding::kGray);
    EXPECT_EQ(std::popcount(static_cast<unsigned>(a ^ b)), 1);
  }
}

TEST(Encoding, MinusZeroInSignMagnitudeIsZero) {
  EXPECT_EQ(decode(0b1000, 4, Encoding::kSignMagnitude), 0);
}

TEST(Encoding, LowestCodeHasNoWordWhereMagnitudesAreStored) {
  EXPECT_THROW(encode(-8, 4, Encoding::kSignMagnitude), Error);
  EXPECT_THROW(encode(-8, 4, Encoding::kDifferentialPair), Error);
  EXPECT_THROW(encode(8, 4, Encoding::kGray), Error);
}

TEST(Encoding, NamesAreReadBackAndOthersListed) {
  for (const Encoding encoding : kAll) EXPECT_EQ(parse_encoding(to_string(encoding)), encoding);
  EXPECT_THROW(parse_encoding("grey"), Error);
}

TEST(Saturate, ReplacesTheLowestCodeAndCountsIt) {
  net::Network network = *make_test_network({{"fc", {40, 10, 1, 1}, 3}});
  const auto before = network.layers[0].weights.codes;
  const auto lowest = std::count(before.begin(), before.end(), -4);
  ASSERT_GT(lowest, 0);
  EXPECT_EQ(saturate(network, Encoding::kGray), 0);
  EXPECT_EQ(network.layers[0].weights.codes, before);
  EXPECT_EQ(saturate(network, Encoding::kSignMagnitude), lowest);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(network.layers[0].weights.codes[i], std::max<int>(before[i], -3));
  }
}

}  // namespace
}  // namespace flatenn::fault
