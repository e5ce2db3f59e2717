#include "calibration/ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "calibration/cases.h"
#include "calibration/observe.h"
#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

Histogram histogram_of(const std::vector<float>& values) {
  Range range;
  for (const float value : values) range.widen(value);
  Histogram histogram(range);
  histogram.add(values);
  return histogram;
}

/// Some with long tails: what the methods differ on.
std::vector<float> sample(bool positive, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (int i = 0; i < 20000; ++i) {
    const float x = normal(random);
    values.push_back(positive ? std::max(x, 0.0F) * x : x * x * x);
  }
  return values;
}

double exact_error(const std::vector<float>& values, const Codes& codes) {
  double sum = 0;
  for (const float value : values) {
    const double error = static_cast<double>(value - codes.quantized(value));
    sum += error * error;
  }
  return sum / static_cast<double>(values.size());
}

TEST(Codes, CoverTheRangeWithZeroAmongThem) {
  for (int bits = 2; bits <= 8; ++bits) {
    const Codes codes = cover({-1, 3}, bits);
    EXPECT_EQ(codes.quantized(0), 0);
    EXPECT_NEAR(codes.real(codes.max_code()) - codes.real(0), 4, 1e-5);
    EXPECT_EQ(cover({0, 3}, bits).zero_point, 0);
    EXPECT_FLOAT_EQ(cover({0, 3}, bits).quantized(3), 3);
    EXPECT_FLOAT_EQ(cover_symmetric({-1, 3}, bits).quantized(-3), -3);
  }
}

TEST(Codes, DoWithoutAZeroPointWhereTheirStepIsHardlyWider) {
  EXPECT_TRUE(cover({-3, 3.1F}, 8).is_signed);
  EXPECT_EQ(cover({-3, 3.1F}, 8).zero_point, 0);
  EXPECT_FLOAT_EQ(cover({-3, 3.1F}, 8).real(127), 3.1F);
  EXPECT_FALSE(cover({-1, 3}, 8).is_signed);
  EXPECT_FALSE(cover({-3, 3.1F}, 2).is_signed);  // three codes of four
  EXPECT_EQ(cover({-3, 0}, 4).zero_point, 15);
}

TEST(Codes, OfDeadTensorsAreSane) {
  for (const Range range : {Range{}, Range{0, 1e-38F}, Range{-1e-39F, 0}}) {
    for (const Codes& codes : {cover(range, 8), cover_symmetric(range, 8)}) {
      EXPECT_EQ(codes.scale, 1);
      EXPECT_EQ(codes.zero_point, 0);
      EXPECT_EQ(codes.quantized(0), 0);
    }
  }
  EXPECT_TRUE(std::isnormal(cover({-3e38F, 3e38F}, 2).scale));
}

TEST(Histogram, QuantilesAreThoseOfTheValuesWithinABin) {
  for (const bool positive : {false, true}) {
    std::vector<float> values = sample(positive, 1);
    const Histogram histogram = histogram_of(values);
    std::sort(values.begin(), values.end());
    for (const double share : {0.0001, 0.001, 0.05, 0.3, 0.5, 0.7, 0.99, 0.9999}) {
      const double got = histogram.quantile(share);
      const auto below = [&](double bound) {
        const auto end = std::upper_bound(values.begin(), values.end(), static_cast<float>(bound));
        return static_cast<double>(end - values.begin()) / static_cast<double>(values.size());
      };
      EXPECT_LE(below(got - histogram.width()), share + 1e-9);
      EXPECT_GE(below(got + histogram.width()), share - 1e-9);
    }
  }
}

TEST(Histogram, OfEqualOrNoValuesIsSane) {
  const Histogram zeros = histogram_of(std::vector<float>(10, 0.0F));
  EXPECT_EQ(zeros.quantile(0.5), 0);
  EXPECT_EQ(zeros.total(), 10);
  const Histogram ones = histogram_of(std::vector<float>(10, 1.0F));
  EXPECT_NEAR(ones.quantile(0.5), 1, ones.width());
}

TEST(LeastError, IsThatOfASearchOverAllRanges) {
  for (const bool positive : {false, true}) {
    const std::vector<float> values = sample(positive, 2);
    const Histogram histogram = histogram_of(values);
    const Range& whole = histogram.range();
    for (const int bits : {2, 3, 4, 8}) {
      double least = INFINITY;
      for (int low = positive ? 40 : 1; low <= 40; ++low) {
        for (int high = 1; high <= 40; ++high) {
          const Range range{whole.low * static_cast<float>(low) / 40,
                            whole.high * static_cast<float>(high) / 40};
          least = std::min(least, exact_error(values, cover(range, bits)));
        }
      }
      const CalibrationOptions options{.method = RangeMethod::kMse};
      const Range chosen = choose_range(histogram, options, cover, bits);
      EXPECT_LE(exact_error(values, cover(chosen, bits)), 1.05 * least) << bits;
    }
  }
}

TEST(Percentile, LeavesAsManyOutOnEachSide) {
  const std::vector<float> values = sample(false, 3);
  const Histogram histogram = histogram_of(values);
  const CalibrationOptions options{.method = RangeMethod::kPercentile, .percentile = 99};
  const Range range = choose_range(histogram, options, cover, 8);
  const auto share = [&](auto outside) {
    return static_cast<double>(std::count_if(values.begin(), values.end(), outside)) /
           static_cast<double>(values.size());
  };
  EXPECT_NEAR(share([&](float v) { return v < range.low; }), 0.005, 0.001);
  EXPECT_NEAR(share([&](float v) { return v > range.high; }), 0.005, 0.001);
}

/// Extremes exactly; percentiles of tensors with thousands of values within a part of the range,
/// since neighbours in order may lie some bins apart.
TEST(Observe, GivesNumPysExtremesAndPercentiles) {
  for (const std::string& name : case_names()) {
    const Case one = load_case(name);
    std::vector<int64_t> alone(one.graph.tensors.size());
    for (size_t i = 0; i < alone.size(); ++i) alone[i] = static_cast<int64_t>(i);
    const std::vector<Histogram> all = observe(one.graph, alone, one.images, true, 2);
    int compared = 0;
    for (size_t t = 0; t < all.size(); ++t) {
      if (!one.tensors.contains(one.graph.tensors[t]) || all[t].total() == 0) continue;
      const nlohmann::json& fact = one.tensors[one.graph.tensors[t]];
      const std::vector<double> expected = fact["percentiles"];
      const Range& range = all[t].range();
      const double span = static_cast<double>(range.high) - static_cast<double>(range.low);
      EXPECT_NEAR(range.low, std::min(expected.front(), 0.0), 1e-4 * span);
      EXPECT_NEAR(range.high, std::max(expected.back(), 0.0), 1e-4 * span);
      ++compared;
      if (all[t].total() < 2000) continue;
      const std::vector<double> percents = fact["percents"];
      for (size_t i = 2; i + 2 < percents.size(); ++i) {
        EXPECT_NEAR(all[t].quantile(percents[i] / 100), expected[i], 5e-3 * span)
            << one.graph.tensors[t] << " " << percents[i];
      }
    }
    EXPECT_GT(compared, 5) << name;
  }
}

TEST(RangeMethod, IsReadByItsName) {
  EXPECT_EQ(parse_range_method("mse"), RangeMethod::kMse);
  EXPECT_THROW(parse_range_method("entropy"), Error);
}

}  // namespace
}  // namespace flatenn::calibration
