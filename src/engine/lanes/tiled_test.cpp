#include "engine/lanes/tiled.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/isa.h"
#include "engine/lanes/program.h"
#include "net/testing.h"

namespace flatenn::engine::lanes {
namespace {

int64_t tiled_steps(const net::Network& network, int64_t fewest) {
  const Program program = make_program(network, make_layouts(network), 1, {.tiles = fewest});
  return std::count_if(program.fused.begin(), program.fused.end(),
                       [](const Step& step) { return std::holds_alternative<TiledPlan>(step); });
}

TEST(Tiled, RunsAllOfResNet18sConvolutionsButTheFirst) {
  EXPECT_EQ(tiled_steps(net::testing::resnet18({}), 16), 19);
}

TEST(Tiled, LeavesNarrowLayersAndSignedCodes) {
  EXPECT_EQ(tiled_steps(net::testing::residual({}, /*width=*/8), 32), 0);
  EXPECT_EQ(tiled_steps(net::testing::lenet({}), 1), 0);
}

TEST(Tiled, EveryWeightHasAByteOfItsOwn) {
  const net::Network network = net::testing::residual({}, /*width=*/20);
  const std::vector<Layout> layouts = make_layouts(network);
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const net::Layer& layer = network.layers[i];
    if (!layer.multiplies() || !tiles_fit(network, layer)) continue;
    const TiledPlan plan = make_tiled_plan(network, layouts, static_cast<int64_t>(i));
    std::set<int64_t> bytes;
    for (int64_t e = 0; e < layer.weights.elements(); ++e) bytes.insert(tiled_byte(plan, e));
    EXPECT_EQ(static_cast<int64_t>(bytes.size()), layer.weights.elements());
    EXPECT_GE(*bytes.begin(), 0);
    EXPECT_LT(*bytes.rbegin(), plan.packed_bytes());
  }
}

/// Random operands of every count of steps, positions and tiles, past what stays in L1 together.
struct Operands {
  static constexpr int64_t kSteps = 27;
  static constexpr int64_t kPositions = 5;
  std::vector<uint8_t> codes;
  std::vector<int8_t> weights;
  std::vector<int64_t> steps, offsets;

  Operands() : codes(64 * 1024), weights(2 * kSteps * kTileBytes) {
    uint32_t state = 1;
    const auto next = [&] { return (state = state * 1664525U + 1013904223U) >> 24; };
    for (uint8_t& code : codes) code = static_cast<uint8_t>(next());
    for (int8_t& weight : weights) weight = static_cast<int8_t>(next());
    for (int64_t s = 0; s < kSteps; ++s) steps.push_back(s * 23 % 29 * 1024);
    for (int64_t p = 0; p < kPositions; ++p) offsets.push_back(p * 7 % 5 * 64);
  }

  int32_t sum(int64_t channel, int64_t position, int64_t lane, int64_t step_count) const {
    int64_t sum = 0;
    for (int64_t s = 0; s < step_count; ++s) {
      const int64_t first = offsets[static_cast<size_t>(position)] + steps[static_cast<size_t>(s)];
      const int64_t row = (channel / 16 * step_count + s) * kTileBytes + channel % 16 * 64;
      for (int64_t k = 0; k < 64; ++k) {
        sum += codes[static_cast<size_t>(first + k / 4 * 64 + lane * 4 + k % 4)] *
               weights[static_cast<size_t>(row + k)];
      }
    }
    return static_cast<int32_t>(sum);
  }
};

void expect_products(TileDot tile_dot) {
  const Operands in;
  for (const int64_t steps : {1, 12, 13, 27}) {
    for (int64_t positions = 1; positions <= Operands::kPositions; ++positions) {
      for (const int64_t tiles : {1, 2}) {
        const int64_t stride = positions * kLanes;
        std::vector<int32_t> acc(static_cast<size_t>(tiles * 16 * stride), -1);
        tile_dot({.src = in.codes.data(),
                  .offsets = in.offsets.data(),
                  .positions = positions,
                  .steps = in.steps.data(),
                  .step_count = steps,
                  .weights = in.weights.data(),
                  .channel_tiles = tiles,
                  .acc = acc.data(),
                  .acc_stride = stride});
        for (int64_t at = 0; at < static_cast<int64_t>(acc.size()); ++at) {
          ASSERT_EQ(acc[static_cast<size_t>(at)],
                    in.sum(at / stride, at % stride / kLanes, at % kLanes, steps))
              << steps << " steps, " << positions << " positions, " << tiles << " tiles, at " << at;
        }
      }
    }
  }
}

TEST(Tiled, EmulatedProductsAreTheDefinitions) { expect_products(tile_dot_portable); }

TEST(Tiled, AmxsProductsAreTheDefinitions) {
#if defined(__x86_64__)
  if (!isa_supported(Isa::kAmx)) GTEST_SKIP() << "no AMX";
  use_tiles_amx(true);
  expect_products(tile_dot_amx);
  use_tiles_amx(false);
#else
  GTEST_SKIP() << "no x86-64";
#endif
}

}  // namespace
}  // namespace flatenn::engine::lanes
