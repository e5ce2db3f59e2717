#include "study/run_analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/config.h"
#include "flatenn/study/definition.h"
#include "study/plan_arms.h"

namespace flatenn::study {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<std::string> commands_on(const std::string& device) {
  Config config = Config::from_string(definition_toml("resnet18"), "study-resnet18.toml");
  const Definition definition = read_definition(config, "resnet18");
  const StudyOptions options = {.out = "R", .analysis = "full", .device = device};
  const Training training = plan_trainings(definition, options, {}).front();
  return analysis_commands(definition, options, training, "R/runs/" + training.name);
}

TEST(AnalysisCommands, RunWhereTheStudyDid) {
  const std::vector<std::string> commands = commands_on("cuda");
  ASSERT_THAT(commands, SizeIs(5));
  EXPECT_THAT(commands[0], StartsWith("flatenn cost "));
  EXPECT_THAT(commands[0], Not(HasSubstr("cuda")));  // estimated on the CPU
  EXPECT_THAT(commands[1], StartsWith("flatenn sharpness "));
  EXPECT_THAT(commands[2], StartsWith("flatenn sensitivity "));
  for (const std::string& command : {commands[1], commands[2]})
    EXPECT_THAT(command, HasSubstr(" --engine cuda --device cuda "));
  for (const std::string& command : {commands[3], commands[4]}) {
    EXPECT_THAT(command, StartsWith("flatenn landscape "));
    EXPECT_THAT(command, HasSubstr(" --device cuda "));
    EXPECT_THAT(command, Not(HasSubstr("--engine")));  // has none
  }
}

TEST(AnalysisCommands, NameNoDeviceOnACpu) {
  for (const std::string& command : commands_on("cpu"))
    EXPECT_THAT(command, Not(HasSubstr("--device")));
}

}  // namespace
}  // namespace flatenn::study
