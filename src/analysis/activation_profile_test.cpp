#include "flatenn/analysis/activation_profile.h"

#include <gtest/gtest.h>

#include <utility>

#include "analysis/testing.h"
#include "flatenn/base/error.h"
#include "net/testing.h"

namespace flatenn::analysis {
namespace {

// 3 x 3 image, 3 x 3 kernel, padding 1: coordinates are read by 2, 3 and 2 windows, so the nine
// codes by 7 * 7 = 49; two output channels make 98 of the 9 * 9 * 2 = 162 dense multiplications
// real.
TEST(LayerProfiler, CountsAHandWorkedConvolution) {
  const net::Network network = testing_conv_network();
  Hardware hardware;
  hardware.lanes = 2;
  LayerProfiler profiler(network, network.layers[0], hardware);
  profiler.add_image(std::vector<int16_t>{0, 0, 0, 0, 5, 0, 0, 0, 0});
  const LayerCounts& counts = profiler.counts();
  EXPECT_EQ(counts.dense_macs, 162);
  EXPECT_EQ(counts.padding_macs, 64);
  EXPECT_EQ(counts.zero_macs, 80);
  EXPECT_EQ(counts.effective_macs(), 18);  // the centre: 9 windows, 2 output channels
  EXPECT_EQ(counts.zeros, 8);
  EXPECT_EQ(counts.row_activations, 18);  // 5 = 101b has two set bits, read by 9 windows
  EXPECT_EQ(counts.slowest_lane_macs, 18);
}

TEST(LayerProfiler, SharesWorkBetweenLanesByAssignment) {
  const net::Network network = testing_conv_network();
  // Corner (2 * 2 windows) and the element right of it (2 * 3), two output channels.
  const std::vector<int16_t> codes{1, 1, 0, 0, 0, 0, 0, 0, 0};
  const auto busiest = [&](LaneAssignment assignment, int64_t lanes) {
    Hardware hardware;
    hardware.lanes = lanes;
    hardware.assignment = assignment;
    LayerProfiler profiler(network, network.layers[0], hardware);
    profiler.add_image(codes);
    return profiler.counts().slowest_lane_macs;
  };
  EXPECT_EQ(busiest(LaneAssignment::kInterleaved, 2), 12);  // apart: the larger, 6 * 2
  EXPECT_EQ(busiest(LaneAssignment::kSpatial, 3), 20);      // same row, same tile
  EXPECT_EQ(busiest(LaneAssignment::kChannel, 2), 20);      // same channel
  EXPECT_EQ(busiest(LaneAssignment::kInterleaved, 1), 20);
}

/// Every product written out: the input element that each output reads through each weight.
LayerCounts naive_counts(const net::Network& network, const net::Layer& layer,
                         const std::vector<int16_t>& codes) {
  const net::Shape& in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape& out = network.activations[static_cast<size_t>(layer.dst)].shape;
  const net::Weights& w = layer.weights;
  const bool linear = layer.kind == net::LayerKind::kLinear;
  LayerCounts counts;
  for (int64_t o = 0; o < w.out_channels; ++o) {
    for (int64_t p = 0; p < (linear ? 1 : out.height * out.width); ++p) {
      for (int64_t k = 0; k < w.fan_in(); ++k) {
        ++counts.dense_macs;
        int64_t element = k;
        if (!linear) {
          const int64_t kernel = w.kernel_height * w.kernel_width;
          const int64_t channel = o / (w.out_channels / layer.groups) * w.in_channels + k / kernel;
          const int64_t y = p / out.width * layer.window.stride_height - layer.window.top +
                            k % kernel / w.kernel_width * layer.window.dilation_height;
          const int64_t x = p % out.width * layer.window.stride_width - layer.window.left +
                            k % w.kernel_width * layer.window.dilation_width;
          if (y < 0 || y >= in.height || x < 0 || x >= in.width) {
            ++counts.padding_macs;
            continue;
          }
          element = (channel * in.height + y) * in.width + x;
        }
        if (codes[static_cast<size_t>(element)] == 0) {
          ++counts.zero_macs;
        } else if (w.value(w.codes[static_cast<size_t>(o * w.fan_in() + k)], o) == 0) {
          ++counts.zero_weight_macs;
        }
      }
    }
  }
  return counts;
}

TEST(LayerProfiler, SkipsZeroWeightsWhereAskedTo_EveryNetworkOfTheZoo) {
  Hardware hardware{.kind = HardwareKind::kZeroSkipping, .skip_zero_weights = true};
  hardware.lanes = 1;
  for (const net::Network& network :
       {net::testing::odd_shapes({.weight_bits = 2}), net::testing::lenet({.weight_bits = 3}, 12),
        net::testing::residual({.value_map = net::ValueMap::kOdd}, 2, 4)}) {
    for (const net::Layer& layer : network.layers) {
      if (!layer.multiplies()) continue;
      const net::Activation& src = network.activations[static_cast<size_t>(layer.src)];
      std::vector<int16_t> codes;
      for (int64_t i = 0; i < src.shape.elements(); ++i) {
        codes.push_back(static_cast<int16_t>(i * 7 % 5 < 2 ? 0 : 1));
      }
      LayerProfiler profiler(network, layer, hardware);
      profiler.add_image(codes);
      const LayerCounts expected = naive_counts(network, layer, codes);
      EXPECT_EQ(profiler.counts().padding_macs, expected.padding_macs) << layer.name;
      EXPECT_EQ(profiler.counts().zero_macs, expected.zero_macs) << layer.name;
      EXPECT_EQ(profiler.counts().zero_weight_macs, expected.zero_weight_macs) << layer.name;
      EXPECT_EQ(profiler.counts().slowest_lane_macs, expected.effective_macs()) << layer.name;
    }
  }
}

TEST(LayerProfiler, SpatialTilesSpanRowsAndColumns) {
  const net::Network network = testing_conv_network();
  Hardware hardware;
  hardware.lanes = 4;
  hardware.assignment = LaneAssignment::kSpatial;
  LayerProfiler profiler(network, network.layers[0], hardware);
  profiler.add_image(std::vector<int16_t>{1, 0, 0, 1, 0, 0, 0, 0, 0});  // one above the other
  EXPECT_EQ(profiler.counts().slowest_lane_macs, 20) << "one tile of 2 x 2";
}

TEST(PlanarTiles, CoverEveryMapWithOneTileALane) {
  for (const int64_t lanes : {1, 2, 7, 12, 64, 100}) {
    for (const auto& [height, width] : {std::pair{28, 28}, {3, 3}, {1, 9}, {9, 1}, {20, 50}}) {
      const PlanarTiles tiles = planar_tiles(height, width, lanes);
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          const int64_t lane = tiles.lane_of(y, x);
          EXPECT_GE(lane, 0);
          EXPECT_LT(lane, lanes) << height << " x " << width;
          const bool inside = x % tiles.tile_width != 0 && y % tiles.tile_height != 0;
          if (inside) {
            EXPECT_EQ(lane, tiles.lane_of(y - 1, x - 1)) << "a rectangle";
          }
        }
      }
    }
  }
  const PlanarTiles square = planar_tiles(28, 28, 64);  // SCNN: 8 x 8 elements
  EXPECT_EQ(square.columns, 8);
  EXPECT_EQ(square.tile_height, 4);
  EXPECT_EQ(square.tile_width, 4);
}

TEST(LayerProfiler, RefusesCodesOfAnotherSize) {
  const net::Network network = testing_conv_network();
  LayerProfiler profiler(network, network.layers[0], Hardware{});
  EXPECT_THROW(profiler.add_image(std::vector<int16_t>(8)), Error);
}

TEST(CodedBits, MatchesHandWorkedExamples) {
  const std::vector<int16_t> codes{0, 0, 0, 0, 5, 0, 0, 0, 0};
  EXPECT_EQ(coded_bits(codes, 4, ActivationCoding::kNone, 2), 36);
  EXPECT_EQ(coded_bits(codes, 4, ActivationCoding::kBitmap, 2), 9 + 4);
  // A 2-bit run field holds 3: (3, 0) (0, 5) (3, 0), six bits each.
  EXPECT_EQ(coded_bits(codes, 4, ActivationCoding::kRunLength, 2), 18);
  // A 3-bit field holds all of it: (4, 5) and (3, 0).
  EXPECT_EQ(coded_bits(codes, 4, ActivationCoding::kRunLength, 3), 14);
  EXPECT_EQ(coded_bits(std::vector<int16_t>{1, 2}, 4, ActivationCoding::kRunLength, 3), 14);
  EXPECT_EQ(coded_bits({}, 4, ActivationCoding::kRunLength, 3), 0);
}

TEST(WindowUses, CountsStrides) {
  net::Network network = testing_conv_network();
  network.layers[0].window.set_stride(2);
  network.activations[1].shape = {2, 2, 2};
  const WindowUses uses = window_uses(network, network.layers[0]);
  EXPECT_EQ(uses.y, (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(uses.output_positions, 4);
}

}  // namespace
}  // namespace flatenn::analysis
