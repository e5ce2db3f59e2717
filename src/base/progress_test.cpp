#include "flatenn/base/progress.h"

#include <gtest/gtest.h>

namespace flatenn {
namespace {

TEST(CutToColumns, CountsCharactersAndKeepsThemWhole) {
  EXPECT_EQ(cut_to_columns("campaign [##..]", 8), "campaign");
  EXPECT_EQ(cut_to_columns("short", 80), "short");
  EXPECT_EQ(cut_to_columns("größe: ±", 4), "größ");
  EXPECT_EQ(cut_to_columns("größe: ±", 8), "größe: ±");
  EXPECT_EQ(cut_to_columns("any", 0), "");
}

TEST(FormatDuration, HasHoursWhereThereAreAny) {
  EXPECT_EQ(format_duration(67.4), "1:07");
  EXPECT_EQ(format_duration(7420), "2:03:40");
  EXPECT_EQ(format_duration(-3), "0:00");
}

}  // namespace
}  // namespace flatenn
