#include "flatenn/analysis/sensitivity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/answers_testing.h"
#include "flatenn/analysis/fault_rise.h"
#include "flatenn/analysis/hardening.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

class Sensitivity : public OwnAnswers {
 protected:
  SensitivityReport measure(const SensitivityOptions& options) {
    return measure_sensitivity(network_, *engine_, *codes_, labels_, options);
  }
};

TEST_F(Sensitivity, CoversTheWholeMemoryThreeTimes) {
  const SensitivityReport report = measure({.rate = 0.1, .trials = 2});
  const auto sum = [](const std::vector<SensitivityCell>& cells) {
    int64_t bits = 0;
    for (const SensitivityCell& cell : cells) bits += cell.stored_bits;
    return bits;
  };
  EXPECT_EQ(sum(report.layers), net::weight_bits(*network_));
  EXPECT_EQ(sum(report.bits), net::weight_bits(*network_));
  EXPECT_EQ(sum(report.cells), net::weight_bits(*network_));
  EXPECT_EQ(report.golden_accuracy, 1);
}

TEST_F(Sensitivity, SignBitsHurtMoreThanLeastSignificantOnes) {
  const SensitivityReport report = measure({.rate = 0.2, .trials = 6});
  EXPECT_GT(report.bits.back().loss_rise.mean, report.bits.front().loss_rise.mean);
}

TEST_F(Sensitivity, IsAFunctionOfTheSeed) {
  const SensitivityOptions options{.rate = 0.1, .trials = 3, .seed = 5};
  EXPECT_EQ(to_json(measure(options).cells[0]), to_json(measure(options).cells[0]));
}

TEST_F(Sensitivity, RefusesRatesAndTrialsThatMeanNothing) {
  EXPECT_THROW(measure({.rate = 0}), Error);
  EXPECT_THROW(measure({.rate = 1.5}), Error);
  EXPECT_THROW(measure({.trials = 1}), Error);
  EXPECT_THROW(check_fault_rise(1.5, 10), Error);
  EXPECT_THROW(check_fault_rise(0.1, 1), Error);
  EXPECT_THROW(check(HardeningOptions{.rate = 2}), Error);
  EXPECT_THROW(check(HardeningOptions{.tolerated_drop = 1}), Error);
  EXPECT_THROW(measure_fault_rise(network_, *engine_, *codes_, labels_, 0, 0, 10), Error);
}

TEST_F(Sensitivity, HardeningEveryBitBringsTheModelBack) {
  const SensitivityReport report = measure({.rate = 0.2, .trials = 4});
  const HardeningCurve curve = harden_greedily(network_, *engine_, *codes_, labels_, report,
                                               {.rate = 0.3, .tolerated_drop = 0, .trials = 4});
  EXPECT_TRUE(curve.reached);
  EXPECT_LT(curve.steps.front().accuracy.mean, 1);
  for (size_t i = 1; i < curve.steps.size(); ++i) {
    EXPECT_GT(curve.steps[i].hardened_bits, curve.steps[i - 1].hardened_bits);
  }
  // Whatever was hardened is free of faults in the model that is left.
  const auto steps = static_cast<int64_t>(curve.steps.size());
  const fault::FaultModel left = hardened_model(*network_, curve, steps, {});
  for (const HardeningStep& step : curve.steps) {
    for (const fault::FaultSource& source : left.sources) {
      if (source.layers.front() != step.layer) continue;
      EXPECT_EQ(std::count(source.bits.begin(), source.bits.end(), step.bit), 0);
    }
  }
}

TEST(MapMean, GivesMeanAndStandardError) {
  const MapMean mean = map_mean(std::vector<double>{1, 2, 3, 4});
  EXPECT_DOUBLE_EQ(mean.mean, 2.5);
  EXPECT_NEAR(mean.standard_error, 0.6454972243679028, 1e-12);
}

}  // namespace
}  // namespace flatenn::analysis
