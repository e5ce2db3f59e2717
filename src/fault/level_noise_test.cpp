#include "fault/level_noise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fault/source_checks.h"
#include "fault/test_network.h"
#include "flatenn/base/error.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {
namespace {

using testing::HasSubstr;

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

/// By halving, from the C library's error function.
double naive_deviate(double u) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (normal_cdf(middle) < u ? low : high) = middle;
  }
  return low;
}

TEST(NormalDeviate, InvertsTheNormalDistribution) {
  RandomStream random(3, 0, RandomPurpose::kPilot);
  for (int i = 0; i < 2000; ++i) {
    const double u = random.open_uniform();
    EXPECT_NEAR(normal_deviate(u), naive_deviate(u), 1e-12 * (1 + std::abs(naive_deviate(u))));
  }
  for (const double tail : {1e-3, 1e-9, 0x1p-53}) {
    EXPECT_NEAR(normal_cdf(normal_deviate(tail)) / tail, 1, 1e-12) << tail;
    EXPECT_NEAR(normal_deviate(1 - tail), -normal_deviate(tail), 1e-6) << tail;
  }
}

TEST(Exponential, EqualsTheLibrarysToItsLastDigits) {
  for (double x = -700; x <= 700; x += 0.37) EXPECT_NEAR(exponential(x) / std::exp(x), 1, 2e-15);
  EXPECT_EQ(exponential(0), 1);
}

TEST(ReadLevel, DriftsThenAddsNoiseThenRoundsWithinItsRange) {
  const LevelRange range{.low = -8, .high = 7};
  const double hours = std::log(1e4);
  EXPECT_EQ(read_level(6, range, 0, {}), 6);
  EXPECT_EQ(read_level(6, range, 0, {.programmed = 0.6}), 7);
  EXPECT_EQ(read_level(6, range, 0, {.programmed = -0.5}), 6);  // 5.5, half to even
  EXPECT_EQ(read_level(7, range, 0, {.read = 3}), 7);           // 10, the top level
  EXPECT_EQ(read_level(-7, range, 0, {.read = -3}), -8);        // -10, the bottom one
  EXPECT_EQ(read_level(6, range, hours, {.nu = 0.06}), 3);      // 6 * 0.5754 = 3.45
  EXPECT_EQ(read_level(-6, range, hours, {.nu = 0.06}), -3);
  EXPECT_EQ(read_level(6, range, hours, {.nu = 0.06, .read = 0.1}), 4);        // 3.55
  EXPECT_EQ(read_level(6, range, hours, {.programmed = 0.1, .nu = 0.06}), 4);  // 3.51
}

std::shared_ptr<const net::Network> network() {
  return make_test_network({{"conv1", {6, 3, 5, 5}, 8}, {"fc1", {50, 100, 1, 1}, 4}});
}

Injector injector_of(const FaultSource& source, Encoding encoding = Encoding::kTwosComplement) {
  return {network(), {.encoding = encoding, .sources = {source}}};
}

/// Codes as read, by layer.
std::vector<std::vector<int8_t>> read_codes(const Injector& injector, double rate) {
  std::vector<std::vector<int8_t>> codes;
  for (const net::Layer& layer : injector.network()->layers) codes.push_back(layer.weights.codes);
  for (const WeightChange& change : injector.inject(rate, 5, 2).weights) {
    codes[static_cast<size_t>(change.layer)][static_cast<size_t>(change.element)] = change.code;
  }
  return codes;
}

TEST(LevelNoise, EqualsANaiveReading) {
  const FaultSource source{
      .unit = FaultUnit::kLevel,
      .rate = 0.03,
      .drift = {.time_ratio = 3600, .exponent = 0.05, .spread = 0.02, .read_noise = 0.01}};
  const Injector injector = injector_of(source);
  const auto read = read_codes(injector, 0);
  for (size_t i = 0; i < read.size(); ++i) {
    const net::Weights& weights = injector.network()->layers[i].weights;
    RandomStream noise(5, 2, RandomPurpose::kWeightFault, i, kLevelNoise);
    RandomStream drift(5, 2, RandomPurpose::kWeightFault, i, kLevelDrift);
    RandomStream reads(5, 2, RandomPurpose::kWeightFault, i, kReadNoise);
    const int half = 1 << (weights.bits - 1);
    for (size_t element = 0; element < weights.codes.size(); ++element) {
      const double nu = 0.05 + 0.02 * naive_deviate(drift.open_uniform());
      const double steps = 2 * half - 1;
      const double programmed =
          weights.codes[element] + 0.03 * steps * naive_deviate(noise.open_uniform());
      const double level =
          programmed * std::pow(3600, -nu) + 0.01 * steps * naive_deviate(reads.open_uniform());
      ASSERT_EQ(read[i][element], std::clamp<double>(std::nearbyint(level), -half, half - 1))
          << i << " " << element;
    }
  }
}

TEST(LevelNoise, ReadsBothCellsOfAPair) {
  const FaultSource source{.unit = FaultUnit::kLevel, .rate = 0.1};
  const Injector injector = injector_of(source, Encoding::kDifferentialPair);
  const FaultMap map = injector.draw(0, 5, 2);
  const MemoryTensor& tensor = injector.layout().tensors[1];
  const net::Weights& weights = injector.network()->layers[1].weights;
  RandomStream noise(5, 2, RandomPurpose::kWeightFault, 1, kLevelNoise);
  std::vector<Fault> expected;
  for (int64_t element = 0; element < tensor.elements; ++element) {
    const int8_t code = weights.codes[static_cast<size_t>(element)];
    for (const int half : {0, 1}) {
      const int level = half == 0 ? std::max<int>(code, 0) : std::max<int>(-code, 0);
      const double value = level + 0.1 * 7 * naive_deviate(noise.open_uniform());
      const int read = static_cast<int>(std::clamp(std::nearbyint(value), 0.0, 7.0));
      for (int bit = 0; bit < 3; ++bit) {
        if (((level ^ read) >> bit & 1) == 0) continue;
        expected.push_back({{1, bit + 3 * half, element}, FaultKind::kBitFlip});
      }
    }
  }
  std::vector<Fault> drawn;
  std::copy_if(map.faults.begin(), map.faults.end(), std::back_inserter(drawn),
               [](const Fault& fault) { return fault.site.tensor == 1; });
  EXPECT_EQ(drawn, expected);
}

TEST(LevelNoise, ChangesAsManyLevelsAsTheNormalDistributionSays) {
  const double sigma_share = 0.04;
  const Injector injector = injector_of({.unit = FaultUnit::kLevel});
  const net::Weights& weights = injector.network()->layers[1].weights;
  const double sigma = sigma_share * 15;
  const double up = 1 - normal_cdf(0.5 / sigma);
  double expected = 0;
  double variance = 0;
  for (const int8_t code : weights.codes) {  // the outermost levels move inwards alone
    const double p = code == -8 || code == 7 ? up : 2 * up;
    expected += p;
    variance += p * (1 - p);
  }
  double changed = 0;
  for (const WeightChange& change : injector.inject(sigma_share, 1, 0).weights) {
    changed += change.layer == 1 ? 1 : 0;
  }
  EXPECT_NEAR(changed, expected, 4 * std::sqrt(variance));
}

TEST(LevelNoise, GrowsWithItsDeviationCellByCell) {
  const Injector injector = injector_of({.unit = FaultUnit::kLevel, .layers = {"fc1"}});
  const auto golden = read_codes(injector, 0);
  auto last = golden;
  for (const double rate : {0.01, 0.05, 0.2, 1.0}) {
    const auto read = read_codes(injector, rate);
    EXPECT_EQ(read[0], golden[0]);
    for (size_t i = 0; i < read[1].size(); ++i) {
      EXPECT_GE(std::abs(read[1][i] - golden[1][i]), std::abs(last[1][i] - golden[1][i]));
    }
    last = read;
  }
  EXPECT_NE(last[1], golden[1]);
}

TEST(LevelNoise, NeitherNoiseNorDriftChangesNothing) {
  const FaultSource source{.unit = FaultUnit::kLevel, .rate = 0, .drift = {.exponent = 0.1}};
  for (const std::string& encoding : encoding_names()) {
    EXPECT_TRUE(injector_of(source, parse_encoding(encoding)).draw(0, 1, 0).faults.empty());
  }
}

TEST(LevelNoise, NamesWhatItDoesNotTake) {
  const auto error_of = [](const FaultSource& source) -> std::string {
    try {
      injector_of(source);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of({.target = FaultTarget::kBiases, .unit = FaultUnit::kLevel}),
              HasSubstr("weights alone"));
  EXPECT_THAT(error_of({.unit = FaultUnit::kLevel, .bits = {0}}), HasSubstr("takes no bits"));
  EXPECT_THAT(error_of({.unit = FaultUnit::kLevel, .drift = {.time_ratio = 0.5}}),
              HasSubstr("drift_time is t / t0 and at least 1, got 0.5"));
  EXPECT_THAT(error_of({.drift = {.time_ratio = 2}}), HasSubstr("drift is for unit level"));
}

/// A model built in code meets no reader: its values may lie at the ends of their ranges, not
/// beyond.
TEST(LevelNoise, TakesTheEndsOfItsRangesAndNothingBeyond) {
  const auto check = [](const LevelDrift& drift) {
    const FaultModel model{.sources = {{.unit = FaultUnit::kLevel, .rate = 0.05, .drift = drift}}};
    check_source(model.sources.front(), model, "noise");
  };
  struct Range {
    double LevelDrift::*field;
    double low, high;
  };
  for (const Range& range :
       {Range{&LevelDrift::read_noise, 0, 1}, Range{&LevelDrift::spread, 0, 1},
        Range{&LevelDrift::exponent, -1, 1}, Range{&LevelDrift::time_ratio, 1, 1e12}}) {
    LevelDrift drift{.time_ratio = 10};
    for (const double end : {range.low, range.high}) {
      drift.*range.field = end;
      EXPECT_NO_THROW(check(drift)) << end;
    }
    for (const double beyond :
         {std::nextafter(range.low, -2.0), std::nan(""), std::numeric_limits<double>::infinity()}) {
      drift.*range.field = beyond;
      EXPECT_THROW(check(drift), Error) << beyond;
    }
    if (range.high > 1) continue;  // times have no upper end
    drift.*range.field = std::nextafter(range.high, 2.0);
    EXPECT_THROW(check(drift), Error);
  }
}

/// Read noise and drift are told where there are any.
TEST(LevelNoise, IsDescribedByWhatItHolds) {
  const auto words = [](const LevelDrift& drift) {
    FaultSource source{.unit = FaultUnit::kLevel, .rate = 0.05};
    source.drift = drift;
    return describe(FaultModel{.sources = {source}});
  };
  using testing::Not;
  EXPECT_THAT(words({}), AllOf(HasSubstr("noise of levels of 0.05"), Not(HasSubstr("read")),
                               Not(HasSubstr("drift"))));
  EXPECT_THAT(words({.read_noise = 0.01}),
              AllOf(HasSubstr("noise of each read 0.01"), Not(HasSubstr("drift"))));
  EXPECT_THAT(
      words({.time_ratio = 1000, .exponent = 0.06, .spread = 0.02}),
      AllOf(Not(HasSubstr("read")), HasSubstr("drift over 1000 t0 with exponent 0.06 +- 0.02")));
}

}  // namespace
}  // namespace flatenn::fault
