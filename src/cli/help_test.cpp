#include "cli/help.h"

#include <gtest/gtest.h>

#include <sstream>

namespace flatenn::cli {
namespace {

const std::string kHelp =
    "Usage: flatenn campaign [OPTIONS] [plan] [SUBCOMMAND]\n"
    "\n"
    "\n"
    "Options:\n"
    "  -h,--help                   Print this help message and exit\n"
    "  --counts,--count NUMBER,... ...\n"
    "                              Exact numbers of faults instead\n"
    "\n"
    "Examples:\n"
    "  flatenn campaign --db results.db --model m.onnx --rates 0.001,0.01\n";

TEST(Help, HasOneEmptyLineBetweenGroupsAndIsElseAsItWas) {
  std::string expected = kHelp;
  expected.erase(expected.find("\n\n\n"), 1);
  EXPECT_EQ(fit_help(kHelp, 0), expected);
  EXPECT_EQ(fit_help(kHelp, 200), expected);
}

TEST(Help, FitsAnyTerminalButForCommandsToCopy) {
  for (int64_t columns = 20; columns < 120; ++columns) {
    std::istringstream lines(fit_help(kHelp, columns));
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("  flatenn ", 0) != 0) {
        EXPECT_LE(std::ssize(line), columns) << line;
      }
    }
  }
  EXPECT_NE(fit_help(kHelp, 20).find("  flatenn campaign --db results.db --model m.onnx --rates"),
            std::string::npos);
}

TEST(Help, KeepsDescriptionsBesideNamesWhereThereIsRoom) {
  EXPECT_EQ(fit_help("  --name TEXT                 one two three four five six seven\n", 61),
            "  --name TEXT                 one two three four five six\n"
            "                              seven\n");
  EXPECT_EQ(fit_help("  --name TEXT                 one two three four five six seven\n", 40),
            "  --name TEXT\n"
            "      one two three four five six seven\n");
}

/// Commands as flatenn has them: many options, few, bounds, a map of names, and a footer of its
/// own.
TEST(Help, TellsTypesInWordsAndGroupsOptionsOfLargeCommands) {
  CLI::App app{"flatenn", "flatenn"};
  CLI::App* large = app.add_subcommand("sensitivity", "Large");
  int number = 0;
  std::string text;
  for (const char* name : {"--threads", "--seed", "--rate", "--out", "--harden", "--attack"})
    large->add_option(name, number, "What")->check(CLI::Range(1, 1000000000));
  large->add_option("--images", number, "What")->check(CLI::Range(2, 8));
  large->add_option("--data", text, "What");
  CLI::App* small = app.add_subcommand("version", "Small");
  small->add_option("--threads", number, "What");
  small->footer("What it says itself.");
  set_up_help(app);
  const std::string help = large->help();
  EXPECT_NE(help.find("\nMachine:\n  --threads INT "), std::string::npos) << help;
  EXPECT_NE(help.find("\nImages:\n  --images INT in [2 - 8]"), std::string::npos) << help;
  EXPECT_NE(help.find("\nExamples:\n  flatenn sensitivity "), std::string::npos) << help;
  EXPECT_EQ(help.find("1000000000"), std::string::npos) << help;
  EXPECT_EQ(small->help().find("Machine:"), std::string::npos);
  EXPECT_NE(small->help().find("What it says itself.\n\nExamples:\n"), std::string::npos);
}

}  // namespace
}  // namespace flatenn::cli
