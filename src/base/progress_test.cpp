#include "flatenn/base/progress.h"

#include <gtest/gtest.h>

#include <string>

namespace flatenn {
namespace {

TEST(CutToColumns, CountsCharactersAndKeepsThemWhole) {
  EXPECT_EQ(cut_to_columns("campaign [##..]", 8), "campaign");
  EXPECT_EQ(cut_to_columns("short", 80), "short");
  EXPECT_EQ(cut_to_columns("größe: ±", 4), "größ");
  EXPECT_EQ(cut_to_columns("größe: ±", 8), "größe: ±");
  EXPECT_EQ(cut_to_columns("any", 0), "");
}

TEST(ProgressLine, KeepsPercentageAndTimeLeftInAnyWidth) {
  const ProgressState state{.title = "lenet5-campaign",
                            .unit = "trials",
                            .text = "saq-sparse bit_flip 0.01: 77.81 % +- 0.42 (n = 45)",
                            .done = 450,
                            .total = 1000,
                            .seconds = 9};
  for (int64_t columns = 20; columns <= 160; ++columns) {
    const std::string line = progress_line(state, columns);
    EXPECT_LE(std::ssize(line), columns) << line;
    EXPECT_NE(line.find("45%"), std::string::npos) << columns << ": " << line;
    EXPECT_NE(line.find("0:11 left"), std::string::npos) << columns << ": " << line;
    if (columns >= 99) {
      EXPECT_NE(line.find("77.81 % +- 0.42"), std::string::npos) << line;
    }
  }
  EXPECT_EQ(progress_line(state, 0),
            "lenet5-campaign [##########..............] 45% 450/1000 trials, 50/s, 0:11 left  "
            "saq-sparse bit_flip 0.01: 77.81 % +- 0.42 (n = 45)");
}

TEST(ProgressLine, StandsWithoutTotalAndBeforeTheFirstUnit) {
  EXPECT_EQ(progress_line({.title = "get", .unit = "bytes", .done = 0}, 80), "get 0 bytes");
  EXPECT_EQ(progress_line({.title = "get", .done = 0, .total = 4}, 0),
            "get [........................] 0% 0/4");
}

TEST(FormatDuration, HasHoursWhereThereAreAny) {
  EXPECT_EQ(format_duration(67.4), "1:07");
  EXPECT_EQ(format_duration(7420), "2:03:40");
  EXPECT_EQ(format_duration(-3), "0:00");
}

}  // namespace
}  // namespace flatenn
