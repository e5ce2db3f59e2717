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
  for (const int64_t width : {20, 128}) {
    const net::Network network = net::testing::residual({}, width);
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
        std::vector<int32_t> acc(static_cast<size_t>(tiles * positions * kTileRows * kLanes), -1);
        tile_dot({.src = in.codes.data(),
                  .offsets = in.offsets.data(),
                  .positions = positions,
                  .steps = in.steps.data(),
                  .step_count = steps,
                  .weights = in.weights.data(),
                  .channel_tiles = tiles,
                  .acc = acc.data()});
        for (int64_t at = 0; at < static_cast<int64_t>(acc.size()); ++at) {
          const int64_t row = at / kLanes;
          const int64_t tile = row / kTileRows / positions;
          ASSERT_EQ(acc[static_cast<size_t>(at)],
                    in.sum(tile * kTileRows + row % kTileRows, row / kTileRows % positions,
                           at % kLanes, steps))
              << steps << " steps, " << positions << " positions, " << tiles << " tiles, at " << at;
        }
      }
    }
  }
}

/// Sums of up to two tiles of channels and what their codes are made with.
struct Sums {
  static constexpr int64_t kOutputs = 3;
  std::vector<int32_t> acc;
  std::vector<float> bias, multiplier;
  std::vector<uint8_t> skip;
  std::vector<int64_t> elements;
  std::vector<int32_t> slots;
  TileCodesArgs args;

  /// Multipliers of both signs, some so large that y leaves 32 bits.
  Sums(int64_t channels, bool with_skip, bool is_signed) : skip(kOutputs * 64 * kVectorBytes) {
    uint32_t state = 7;
    const auto next = [&] { return (state = state * 1664525U + 1013904223U) >> 8; };
    for (int64_t i = 0; i < 2 * kOutputs * kTileRows * kLanes; ++i) {
      acc.push_back(static_cast<int32_t>(next() % 4001) - 2000);
    }
    for (int64_t c = 0; c < channels; ++c) {
      bias.push_back(static_cast<float>(next() % 101) - 50);
      const float size = c % 7 == 0 ? 1e9F : 0.01F;
      multiplier.push_back(c % 3 == 0 ? -size : size);
    }
    for (uint8_t& code : skip) code = static_cast<uint8_t>(next());
    for (int64_t o = 0; o < kOutputs; ++o) {
      elements.push_back((kOutputs - 1 - o) * 64);
      slots.push_back(static_cast<int32_t>(o * kTileRows));
    }
    args = {.acc = acc.data(),
            .outputs = kOutputs,
            .channels = channels,
            .bias = bias.data(),
            .multiplier = multiplier.data(),
            .low = is_signed ? -7.0F : 0.0F,
            .high = is_signed ? 7.0F : 255.0F,
            .dst_elements = elements.data(),
            .dst_zero = is_signed ? 128 : 0,
            .skip = with_skip ? skip.data() : nullptr,
            .skip_elements = elements.data(),
            .skip_multiplier = 0.3F,
            .skip_zero = is_signed ? 128 : 0};
  }

  /// By the kernel that everything else is requantized with.
  void requantize(uint8_t* dst) const {
    for (int64_t first = 0; first < args.channels; first += kTileRows) {
      requantize_s32u8_baseline({.acc = acc.data() + first * kOutputs * kLanes,
                                 .acc_stride = kLanes,
                                 .block = std::min<int64_t>(kTileRows, args.channels - first),
                                 .bias = args.bias + first,
                                 .multiplier = args.multiplier + first,
                                 .low = args.low,
                                 .high = args.high,
                                 .outputs = kOutputs,
                                 .windows = slots.data(),
                                 .dst = dst,
                                 .dst_elements = args.dst_elements,
                                 .dst_first = first,
                                 .dst_zero = args.dst_zero,
                                 .skip = args.skip,
                                 .skip_elements = args.skip_elements,
                                 .skip_first = first,
                                 .skip_multiplier = args.skip_multiplier,
                                 .skip_zero = args.skip_zero});
    }
  }
};

/// Behind `positions` positions' products, none among them.
void expect_codes(TileDot tile_dot) {
  const Operands in;
  for (const int64_t channels : {4, 16, 20, 32}) {
    for (const bool with_skip : {false, true}) {
      for (const bool is_signed : {false, true}) {
        Sums sums(channels, with_skip, is_signed);
        std::vector<uint8_t> expected(sums.skip.size(), 99);
        sums.requantize(expected.data());
        for (const int64_t positions : {0, 1, 4}) {
          std::vector<uint8_t> codes(expected.size(), 99);
          std::vector<int32_t> acc(static_cast<size_t>(2 * positions * kTileRows * kLanes));
          sums.args.dst = codes.data();
          tile_dot({.src = in.codes.data(),
                    .offsets = in.offsets.data(),
                    .positions = positions,
                    .steps = in.steps.data(),
                    .step_count = 3,
                    .weights = in.weights.data(),
                    .channel_tiles = 2,
                    .acc = acc.data(),
                    .behind = &sums.args});
          ASSERT_EQ(codes, expected) << channels << " channels, skip " << with_skip << ", signed "
                                     << is_signed << ", " << positions << " positions";
        }
      }
    }
  }
}

TEST(Tiled, EmulatedProductsAreTheDefinitions) { expect_products(tile_dot_portable); }
TEST(Tiled, EmulatedTilesMakeTheSameCodes) { expect_codes(tile_dot_portable); }

TEST(Tiled, Avx512MakesTheSameCodes) {
#if defined(__x86_64__)
  if (!isa_supported(Isa::kAvx512Vnni)) GTEST_SKIP() << "no AVX-512 VNNI";
  expect_codes(tile_dot_avx512vnni);
#else
  GTEST_SKIP() << "no x86-64";
#endif
}

TEST(Tiled, AmxsProductsAndCodesAreTheDefinitions) {
#if defined(__x86_64__)
  if (!isa_supported(Isa::kAmx)) GTEST_SKIP() << "no AMX";
  use_tiles_amx(true);
  expect_products(tile_dot_amx);
  expect_codes(tile_dot_amx);
  use_tiles_amx(false);
#else
  GTEST_SKIP() << "no x86-64";
#endif
}

}  // namespace
}  // namespace flatenn::engine::lanes
