#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::cli {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<CLI::App> small_app() {
  auto app = std::make_unique<CLI::App>("a program", "flatenn");
  app->add_flag_callback(
      "-q,--quiet", [] {}, "Nothing");
  CLI::App* const run = app->add_subcommand("run", "Runs it's work");
  run->add_option("file", "A file")->required();
  run->add_option("--rate,-r", "A rate - in [0, 1]");
  run->footer("Examples:\n  flatenn run a.b\n.dot");
  run->add_subcommand("plan", "Only plans");
  app->add_subcommand("results", "Prints");
  return app;
}

/// What a command of bash prints.
std::string bash(const std::string& script) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "s", script);
  FILE* pipe = ::popen(("bash " + (folder.path() / "s").string() + " 2>&1").c_str(), "r");
  std::string out;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  EXPECT_EQ(::pclose(pipe), 0) << out;
  return out;
}

std::string completed(const std::string& words, int at) {
  return bash(completion_script(*small_app(), "bash") + "COMP_WORDS=(" + words +
              "); COMP_CWORD=" + std::to_string(at) + "; _flatenn; echo \"${COMPREPLY[@]}\"\n");
}

TEST(Completion, OfBashKnowsCommandsAndTheirOptions) {
  EXPECT_EQ(completed("flatenn r", 1), "run results\n");
  EXPECT_EQ(completed("flatenn run --r", 2), "--rate\n");
  EXPECT_EQ(completed("flatenn -q run pl", 3), "plan\n");
  EXPECT_EQ(completed("flatenn run --q", 2), "--quiet\n");
}

TEST(Completion, OfZshAndFishNamesEverything) {
  for (const char* shell : {"zsh", "fish"}) {
    const std::string script = completion_script(*small_app(), shell);
    for (const char* word : {"run", "results", "rate", "quiet", "plan"})
      EXPECT_THAT(script, HasSubstr(word)) << shell;
    EXPECT_THAT(script, HasSubstr("it'\\''s")) << "quotes are safe";
  }
  EXPECT_THROW(completion_script(*small_app(), "tcsh"), Error);
}

TEST(ManPage, HoldsWhatHelpSays) {
  const auto app = small_app();
  const std::string page = man_page(*app->get_subcommand("run"), "flatenn run");
  EXPECT_THAT(page, HasSubstr(".TH FLATENN\\-RUN 1"));
  EXPECT_THAT(page, HasSubstr("flatenn\\-run \\- Runs it's work"));
  EXPECT_THAT(page, HasSubstr("\\-r, \\-\\-rate"));
  EXPECT_THAT(page, HasSubstr("A rate \\- in [0, 1]"));
  EXPECT_THAT(page, HasSubstr("\n\\&.dot")) << "no line becomes a command";
}

TEST(ManPage, IsWrittenForEveryCommand) {
  const TemporaryFolder folder;
  EXPECT_EQ(write_man_pages(*small_app(), folder.path() / "man1"), 3);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "man1" / "flatenn-results.1"));
}

}  // namespace
}  // namespace flatenn::cli
