#include "flatenn/analysis/activation_profile.h"

#include <gtest/gtest.h>

#include "analysis/testing.h"
#include "flatenn/base/error.h"

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
  network.layers[0].stride = 2;
  network.activations[1].shape = {2, 2, 2};
  const WindowUses uses = window_uses(network, network.layers[0]);
  EXPECT_EQ(uses.y, (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(uses.output_positions, 4);
}

}  // namespace
}  // namespace flatenn::analysis
