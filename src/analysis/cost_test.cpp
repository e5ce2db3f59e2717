#include "flatenn/analysis/cost.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "analysis/testing.h"

namespace flatenn::analysis {
namespace {

/// One image: 162 dense multiplications, 64 on padding, 80 on zeros; 18 remain, all in one lane.
LayerCounts hand_counts() {
  return {.images = 1,
          .elements = 9,
          .zeros = 8,
          .dense_macs = 162,
          .padding_macs = 64,
          .zero_macs = 80,
          .slowest_lane_macs = 18,
          .row_activations = 18};
}

Hardware hand_hardware(HardwareKind kind) {
  Hardware hardware;
  hardware.kind = kind;
  hardware.lanes = 2;
  hardware.operand_reuse = 2;
  hardware.energy = {.multiply_8bit_pj = 4,
                     .add_32bit_pj = 1,
                     .buffer_pj_per_bit = 0.5,
                     .dram_pj_per_bit = 10,
                     .adc_pj = 3,
                     .row_pj = 2,
                     .cell_pj = 0.25};
  return hardware;
}

LayerCost hand_price(const Hardware& hardware) {
  const net::Network network = testing_conv_network();
  return price_layer(network, network.layers[0], hardware, hand_counts(),
                     {.input_bits = 36, .output_bits = 100});
}

TEST(PriceLayer, DenseArrayPaysForEveryMultiplication) {
  const LayerCost cost = hand_price(hand_hardware(HardwareKind::kDense));
  EXPECT_DOUBLE_EQ(cost.cycles, 81);
  EXPECT_DOUBLE_EQ(cost.load_imbalance(), 1);
  EXPECT_DOUBLE_EQ(cost.compute_pj, 162 * (4 * 16 / 64.0 + 1));
  // Operands: 162 * (4 + 4) / 2 bits from the buffer; the output's 100 bits go there too.
  EXPECT_DOUBLE_EQ(cost.buffer_pj, (648 + 100) * 0.5);
  // Weights: 18 * 4 bits once an image; the image's 36 bits come from DRAM.
  EXPECT_DOUBLE_EQ(cost.dram_pj, (72 + 36) * 10);
}

TEST(PriceLayer, ZeroSkippingArrayWaitsForItsBusiestLane) {
  const LayerCost cost = hand_price(hand_hardware(HardwareKind::kZeroSkipping));
  EXPECT_DOUBLE_EQ(cost.cycles, 18);
  EXPECT_DOUBLE_EQ(cost.load_imbalance(), 2);  // the other lane has nothing to do
  EXPECT_DOUBLE_EQ(cost.compute_pj, 18 * 2);
}

TEST(PriceLayer, InMemoryArrayPaysForConversionsAndDrivenRows) {
  Hardware hardware = hand_hardware(HardwareKind::kInMemory);
  hardware.rows = 4;     // a fan-in of 9 takes 3 row tiles
  hardware.columns = 4;  // 2 outputs * 2 slices * 2 cells = 8 columns: 2 tiles wide
  hardware.bits_per_cell = 2;
  hardware.arrays = 4;  // 6 tiles on 4 arrays: two turns
  const LayerCost cost = hand_price(hardware);
  EXPECT_DOUBLE_EQ(cost.cycles, 9 * 4 * 2);  // positions * input bits * turns
  EXPECT_DOUBLE_EQ(cost.compute_pj, 9 * 4 * 8 * 3 * 3.0 + 18 * (2 + 8 * 0.25));
  EXPECT_DOUBLE_EQ(cost.buffer_pj, 100 * 0.5);
}

TEST(PriceLayer, WeightFetchIsSharedByABatchAndActivationsMayLeaveTheChip) {
  Hardware hardware = hand_hardware(HardwareKind::kDense);
  hardware.weight_batch = 4;
  hardware.activations_off_chip = true;
  EXPECT_DOUBLE_EQ(hand_price(hardware).dram_pj, (18 + 36 + 100) * 10);
}

TEST(CostReport, TotalsAddUp) {
  CostReport report;
  report.hardware.clock_mhz = 100;
  report.layers = {
      {.layer = "image", .reads_image = true, .sparsity = 0.1, .dense_macs = 900, .cycles = 20},
      {.layer = "a", .sparsity = 0.5, .dense_macs = 100, .cycles = 10, .compute_pj = 1},
      {.layer = "b", .sparsity = 1.0, .dense_macs = 300, .cycles = 30, .dram_pj = 2}};
  EXPECT_DOUBLE_EQ(report.total().sparsity, 0.875) << "the image's zeros do not count";
  EXPECT_DOUBLE_EQ(report.total().energy_pj(), 3);
  EXPECT_DOUBLE_EQ(report.latency_us(), 0.6);
  EXPECT_EQ(to_json(report)["total"]["dense_macs"], 1300);
}

TEST(CostReport, LoadImbalanceOfAllIsWhatTheTotalsImply) {
  CostReport report;
  // A small layer far out of balance, a large one in balance.
  report.layers = {{.layer = "a", .cycles = 50, .busiest_lane_macs = 40, .mean_lane_macs = 10},
                   {.layer = "b", .cycles = 95, .busiest_lane_macs = 90, .mean_lane_macs = 90}};
  EXPECT_DOUBLE_EQ(report.layers[0].load_imbalance(), 4);
  EXPECT_DOUBLE_EQ(report.total().load_imbalance(), 1.3);
  EXPECT_EQ(to_json(report)["total"]["load_imbalance"], 1.3);
}

}  // namespace
}  // namespace flatenn::analysis
