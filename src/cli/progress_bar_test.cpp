#include "cli/progress_bar.h"

#include <gtest/gtest.h>

namespace flatenn::cli {
namespace {

TEST(ProgressBar, EndsItsLineWithTheLastStep) {
  ::testing::internal::CaptureStderr();
  ProgressBar bar("work", "steps", false);
  bar(1, 2);
  bar(2, 2);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("work "), std::string::npos) << said;
  EXPECT_NE(said.find("2/2 steps"), std::string::npos) << said;
  EXPECT_EQ(said.back(), '\n');
  ::testing::internal::CaptureStderr();
  bar = ProgressBar("", "", true);  // ends the first one
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace flatenn::cli
