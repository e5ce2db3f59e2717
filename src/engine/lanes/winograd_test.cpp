#include "engine/lanes/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/lanes/layout.h"
#include "engine/lanes/program.h"
#include "net/testing.h"

namespace flatenn::engine::lanes {
namespace {

int64_t fitting_layers(const net::Network& network) {
  return std::count_if(network.layers.begin(), network.layers.end(),
                       [&](const net::Layer& layer) { return winograd_fits(network, layer); });
}

TEST(Winograd, FitsNarrowCodesOnly) {
  using net::testing::residual;
  EXPECT_GT(fitting_layers(residual({.weight_bits = 4, .activation_bits = 4})), 0);
  EXPECT_GT(fitting_layers(residual({.weight_bits = 4, .activation_bits = 5})), 0);
  EXPECT_EQ(fitting_layers(residual({.weight_bits = 4, .activation_bits = 6})), 0);
  EXPECT_EQ(fitting_layers(residual({.weight_bits = 5, .activation_bits = 4})), 0);
  const net::ValueMap odd = net::ValueMap::kOdd;
  EXPECT_GT(fitting_layers(residual({.weight_bits = 3, .value_map = odd})), 0);
  EXPECT_EQ(fitting_layers(residual({.weight_bits = 4, .value_map = odd})), 0);
}

TEST(Winograd, RunsMostOfResNet18) {
  const net::Network network = net::testing::resnet18({});
  const Program program = make_program(network, make_layouts(network), 1, {.winograd = 32});
  const auto winograd =
      std::count_if(program.fused.begin(), program.fused.end(),
                    [](const Step& s) { return std::holds_alternative<WinogradPlan>(s); });
  EXPECT_EQ(winograd, 13);
}

/// Filters and codes at the ends of their ranges, where transformed ones are largest.
TEST(Winograd, TransformedFiltersAreSumsOfNineWeightsAtMost) {
  int largest = 0;
  for (const auto& row : kFilterTransform) {
    for (const auto& column : kFilterTransform) {
      int sum = 0;
      for (const int a : row) {
        for (const int b : column) sum += std::abs(a * b);
      }
      largest = std::max(largest, sum);
    }
  }
  EXPECT_EQ(largest, 9);
}

}  // namespace
}  // namespace flatenn::engine::lanes
