#include "train/code_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/testing.h"

namespace flatenn::train {
namespace {

using net::ValueMap;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(CodeRange, AFlipOfTheTopBitIsMeasuredAgainstTheLayersOwnSpread) {
  EXPECT_EQ(judge_code_rms("a", 4, ValueMap::kCode, 4.0), "");
  EXPECT_EQ(judge_code_rms("a", 8, ValueMap::kCode, 45), "");
  EXPECT_EQ(judge_code_rms("a", 2, ValueMap::kCode, 1.2), "");
  EXPECT_EQ(judge_code_rms("a", 7, ValueMap::kOdd, 35), "");
  EXPECT_THAT(judge_code_rms("a", 4, ValueMap::kCode, 0.9), HasSubstr("under 1"));
  EXPECT_THAT(judge_code_rms("a", 8, ValueMap::kCode, 6.4), HasSubstr("by 20 times that"));
  EXPECT_THAT(judge_code_rms("a", 4, ValueMap::kCode, 7.6), HasSubstr("over half"));
}

/// The same setting leaves all widths inside, and one far outside is said before training.
TEST(CodeRange, TiedLayersOfAllBitsAreJudgedAlike) {
  for (const double factor : {0.0, 0.2, 0.3}) {
    for (int64_t bits = 2; bits <= 8; ++bits) {
      nn::ModelOptions options = testing::options_for("mlp");
      options.quant = {.quantizer = nn::WeightQuantizerKind::kTied,
                       .weight_bits = bits,
                       .first_last_bits = 8,
                       .tied_factor = factor};
      EXPECT_THAT(code_range_warnings(*nn::Model(options)), IsEmpty()) << factor << " " << bits;
    }
  }
  nn::ModelOptions options = testing::options_for("mlp");
  options.quant = {.quantizer = nn::WeightQuantizerKind::kTied, .tied_factor = 5};
  EXPECT_THAT(code_range_warnings(*nn::Model(options)), SizeIs(3));
}

}  // namespace
}  // namespace flatenn::train
