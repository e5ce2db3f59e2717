#include "flatenn/fault/voltage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

using testing::HasSubstr;

constexpr const char* kTable =
    "# measured\nvoltage,rate\n0.70,1e-2\n0.80,1e-4\n0.90,1e-6\n1.00,0\n";

TEST(VoltageTable, GivesItsPointsAndTheGeometricMeanBetweenThem) {
  const VoltageTable table = VoltageTable::parse(kTable, "t.csv");
  EXPECT_EQ(table.rate(0.7), 1e-2);
  EXPECT_EQ(table.rate(0.9), 1e-6);
  EXPECT_EQ(table.rate(1.0), 0);
  EXPECT_NEAR(table.rate(0.75), 1e-3, 1e-15);
  EXPECT_NEAR(table.rate(0.95), 0.5e-6, 1e-18);
}

TEST(VoltageTable, OrderOfLinesAndColumnsDoesNotMatter) {
  const VoltageTable table =
      VoltageTable::parse("bit_error_rate,chip,voltage\n1e-4,a,0.8\n1e-2,a,0.7\n", "t.csv");
  EXPECT_EQ(table.points(), (std::vector<VoltageTable::Point>{{0.7, 1e-2}, {0.8, 1e-4}}));
}

std::string error_of(const std::string& csv, double voltage = 0.75) {
  try {
    VoltageTable::parse(csv, "t.csv").rate(voltage);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(VoltageTable, NamesWhatIsWrong) {
  EXPECT_THAT(error_of(kTable, 0.6), HasSubstr("outside the table, which covers 0.7 to 1"));
  EXPECT_THAT(error_of("voltage,rate\n0.7,0.1\n"), HasSubstr("at least two points"));
  EXPECT_THAT(error_of("volts,rate\n0.7,0.1\n0.8,0\n"), HasSubstr("t.csv:1: the first line"));
  EXPECT_THAT(error_of("voltage,rate\n0.7,0.1\n0.8,2\n"),
              HasSubstr("t.csv:3: rate must be in [0, 1]"));
  EXPECT_THAT(error_of("voltage,rate\n0.7,0.1\n0.7,0\n"),
              HasSubstr("t.csv:3: voltage 0.7 stands twice"));
  EXPECT_THAT(error_of("voltage,rate\n0.7,0.1\n0.8\n"), HasSubstr("expected 2 fields, got 1"));
  EXPECT_THAT(error_of("voltage,rate\n0.7,0.1\nx,0\n"),
              HasSubstr("voltage must be a number, got 'x'"));
}

}  // namespace
}  // namespace flatenn::fault
