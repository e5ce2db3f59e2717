#include "flatenn/fault/memory_array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "fault/test_network.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

using testing::HasSubstr;

std::shared_ptr<const net::Network> network() {
  return make_test_network(
      {{"conv1", {6, 2, 3, 3}, 8}, {"conv2", {16, 6, 3, 3}, 3}, {"fc", {10, 70, 1, 1}, 4}});
}

TEST(ArrayMap, EveryStoredBitHasACellThatHoldsIt) {
  for (const Encoding encoding : {Encoding::kTwosComplement, Encoding::kDifferentialPair}) {
    const MemoryLayout layout = memory_layout(*network(), encoding);
    for (const ArrayMapping mapping : {ArrayMapping::kCrossbar, ArrayMapping::kLinear}) {
      for (const int bits_per_cell : {1, 2, 3, 8}) {
        const ArrayGeometry geometry{
            .rows = 32, .columns = 40, .bits_per_cell = bits_per_cell, .mapping = mapping};
        const ArrayMap arrays(layout, encoding, geometry);
        std::set<std::tuple<int64_t, int64_t, int64_t, int32_t>> taken;
        for (int32_t t = 0; t < layout.weight_tensors; ++t) {
          const MemoryTensor& tensor = layout.tensors[static_cast<size_t>(t)];
          for (int64_t element = 0; element < tensor.elements; ++element) {
            for (int32_t bit = 0; bit < tensor.bits; ++bit) {
              const Cell cell = arrays.cell_of({.tensor = t, .bit = bit, .element = element});
              const auto content = arrays.content(cell);
              ASSERT_TRUE(content.has_value());
              ASSERT_EQ(content->tensor, t);
              ASSERT_EQ(content->element, element);
              ASSERT_LE(content->first_bit, bit);
              ASSERT_GT(content->first_bit + content->bits, bit);
              ASSERT_TRUE(
                  taken.insert({cell.array, cell.row, cell.column, bit - content->first_bit})
                      .second);
            }
          }
        }
      }
    }
  }
}

TEST(ArrayMap, CellsHoldNothingElse) {
  const MemoryLayout layout = memory_layout(*network());
  for (const ArrayMapping mapping : {ArrayMapping::kCrossbar, ArrayMapping::kLinear}) {
    const ArrayGeometry geometry{.rows = 16, .columns = 30, .bits_per_cell = 2, .mapping = mapping};
    const ArrayMap arrays(layout, Encoding::kTwosComplement, geometry);
    int64_t bits = 0;
    for (int64_t array = 0; array < arrays.arrays(); ++array) {
      for (int64_t row = 0; row < geometry.rows; ++row) {
        for (int64_t column = 0; column < geometry.columns; ++column) {
          if (const auto content = arrays.content({array, row, column})) bits += content->bits;
        }
      }
    }
    EXPECT_EQ(bits, layout.weight_bits());
  }
}

TEST(ArrayMap, CrossbarPutsTheFanInOnRowsAndChannelsOnColumns) {
  const MemoryLayout layout = memory_layout(*network());
  const ArrayMap arrays(layout, Encoding::kTwosComplement,
                        {.rows = 32, .columns = 40, .bits_per_cell = 2});
  // conv2: fan-in 54 (2 tiles of 32 rows), 16 channels of 2 cells (20 words fit in a row).
  const auto& region = arrays.regions()[1];
  EXPECT_EQ(region.rows, 54);
  EXPECT_EQ(region.row_tiles, 2);
  EXPECT_EQ(region.column_tiles, 1);
  const int64_t element = 5 * 54 + 40;  // channel 5, place 40
  EXPECT_EQ(arrays.cell_of({.tensor = 1, .bit = 2, .element = element}),
            (Cell{region.first_array + 1, 8, 11}));
}

TEST(ArrayMap, HalvesOfADifferentialPairHaveCellsOfTheirOwn) {
  const MemoryLayout layout = memory_layout(*network(), Encoding::kDifferentialPair);
  const ArrayMap arrays(layout, Encoding::kDifferentialPair,
                        {.rows = 128, .columns = 128, .bits_per_cell = 2});
  // fc: 4-bit codes, 3 bits a half, so 2 cells a half.
  EXPECT_EQ(arrays.regions()[2].cells_per_word, 4);
  EXPECT_EQ(arrays.cell_of({.tensor = 2, .bit = 2, .element = 0}).column, 1);
  EXPECT_EQ(arrays.cell_of({.tensor = 2, .bit = 3, .element = 0}).column, 2);
}

std::string error_of(const ArrayGeometry& geometry) {
  try {
    const ArrayMap arrays(memory_layout(*network()), Encoding::kTwosComplement, geometry);
    arrays.content({99, 0, 0});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ArrayMap, NamesWhatDoesNotFit) {
  EXPECT_THAT(error_of({.rows = 32, .columns = 40, .arrays = 2}), HasSubstr("there are 2"));
  EXPECT_THAT(error_of({.rows = 32, .columns = 7}), HasSubstr("too short for a word of conv1"));
  EXPECT_THAT(error_of({.rows = 0, .columns = 7}), HasSubstr("at least 1, got 0 x 7"));
  EXPECT_THAT(error_of({.bits_per_cell = 9}), HasSubstr("bits_per_cell must be in [1, 8]"));
  EXPECT_THAT(error_of({}), HasSubstr("cell (99, 0, 0) is outside the memory"));
}

TEST(ArrayMap, EndsWithItsLastArrayRowAndColumn) {
  const ArrayMap arrays(memory_layout(*network()), Encoding::kTwosComplement,
                        {.rows = 32, .columns = 40, .arrays = 50});
  const auto said = [&](const Cell& cell) -> std::string {
    try {
      arrays.content(cell);
    } catch (const Error& error) {
      return error.what();
    }
    return "inside";
  };
  EXPECT_EQ(said({0, 0, 0}), "inside");
  EXPECT_EQ(said({49, 31, 39}), "inside");
  for (const Cell& outside : {Cell{-1, 0, 0}, Cell{50, 0, 0}, Cell{0, -1, 0}, Cell{0, 32, 0},
                              Cell{0, 0, -1}, Cell{0, 0, 40}}) {
    EXPECT_THAT(said(outside), HasSubstr("is outside the memory of 50 arrays of 32 x 40 cells"));
  }
}

}  // namespace
}  // namespace flatenn::fault
