#include "cli/text_table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace flatenn::cli {
namespace {

const std::vector<TextColumn> kColumns = {
    {"model"}, {"mean %", true}, {"sd", true, 2}, {"yield", true, 1}};
const std::vector<std::vector<std::string>> kRows = {{"größe", "91.20", "0.10", "1.00"},
                                                     {"b", "7.10", "0.10", "0.05"}};

TEST(TextTable, AlignsByCharacters) {
  EXPECT_EQ(text_table(kColumns, kRows, 0),
            "model  mean %    sd  yield\n"
            "größe   91.20  0.10   1.00\n"
            "b        7.10  0.10   0.05\n");
}

TEST(TextTable, FitsAnyTerminalByLeavingOutTheLeastImportant) {
  EXPECT_EQ(text_table(kColumns, kRows, 22),
            "model  mean %  yield\n"
            "größe   91.20   1.00\n"
            "b        7.10   0.05\n");
  for (int64_t width = 13; width < 40; ++width) {
    std::istringstream lines(text_table(kColumns, kRows, width));
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(std::ssize(line), width + 3) << line;  // bytes: three letters have two
  }
}

TEST(TextTable, StandsUprightInTheNarrowest) {
  EXPECT_EQ(text_table(kColumns, kRows, 10),
            "model: größe\n  mean %: 91.20\nmodel: b\n  mean %: 7.10\n");
}

}  // namespace
}  // namespace flatenn::cli
