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
            "model:\n    größe\n  mean %:\n    91.20\nmodel: b\n  mean %:\n    7.10\n");
}

TEST(Wrapped, BreaksBetweenWordsAndLosesNone) {
  EXPECT_EQ(wrapped("one two three", 7, 0), "one two\nthree");
  EXPECT_EQ(wrapped("  one two three", 9, 4), "  one two\n    three");
  EXPECT_EQ(wrapped("größe größe", 11, 0), "größe größe");
  EXPECT_EQ(wrapped("unbreakable x", 4, 0), "unbreakable\nx");
  EXPECT_EQ(wrapped("one\ntwo three\n", 5, 0), "one\ntwo\nthree\n");
  const std::string text = "a bb ccc dddd eeeee ffffff ggggggg";
  EXPECT_EQ(wrapped(text, 0, 4), text);
  for (int64_t columns = 1; columns < 40; ++columns) {
    for (const size_t indent : {0UL, 2UL, 8UL}) {
      std::istringstream words(wrapped(text, columns, indent)),
          lines(wrapped(text, columns, indent));
      std::string joined;
      for (std::string word; words >> word;) joined += (joined.empty() ? "" : " ") + word;
      EXPECT_EQ(joined, text);
      for (std::string line; std::getline(lines, line);)
        EXPECT_TRUE(std::ssize(line) <= columns ||
                    line.find(' ', line.find_first_not_of(' ')) == std::string::npos)
            << columns << ": " << line;
    }
  }
}

}  // namespace
}  // namespace flatenn::cli
