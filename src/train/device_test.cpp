#include "train/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/run_testing.h"

namespace flatenn::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MoreParts, AreTheNextDivisorOfAtLeastTwiceAsMany) {
  EXPECT_EQ(more_parts(512, 1), 2);
  EXPECT_EQ(more_parts(512, 2), 4);
  EXPECT_EQ(more_parts(120, 2), 4);
  EXPECT_EQ(more_parts(90, 1), 2);
  EXPECT_EQ(more_parts(75, 1), 3);
}

TEST(MoreParts, EndWhereBatchNormWouldSeeTooFewImages) {
  EXPECT_EQ(more_parts(16, 1), 2);
  EXPECT_EQ(more_parts(16, 2), 0);
  EXPECT_EQ(more_parts(97, 1), 0);  // a prime
  EXPECT_EQ(more_parts(1, 1), 0);
}

TEST(MoreParts, AlwaysDivideTheBatchAndGrow) {
  for (int64_t batch = 1; batch <= 600; ++batch) {
    for (int64_t parts = 1; (parts = more_parts(batch, parts)) != 0;) {
      EXPECT_EQ(batch % parts, 0);
      EXPECT_GE(batch / parts, 8);
    }
  }
}

TEST(ExplainDeviceFailure, SaysWhatAUserCanDo) {
  EXPECT_THAT(explain_device_failure("CUDA out of memory. Tried to allocate 2.00 GiB"),
              HasSubstr("memory does not suffice"));
  EXPECT_THAT(explain_device_failure(
                  "CUDA error: CUDA driver version is insufficient for CUDA runtime version\nmore"),
              HasSubstr("update the driver"));
  EXPECT_THAT(explain_device_failure("CUDA error: no kernel image is available for execution"),
              HasSubstr("CMAKE_CUDA_ARCHITECTURES"));
  EXPECT_THAT(explain_device_failure("No CUDA GPUs are available"), HasSubstr("no CUDA device"));
}

TEST(ExplainDeviceFailure, IsOneLine) {
  const std::string text = explain_device_failure(
      "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be "
      "asynchronously reported\n");
  EXPECT_THAT(text, HasSubstr("an illegal memory access was encountered"));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
}

TEST(OpenDevice, TellsWhyThereIsNone) {
  EXPECT_EQ(open_devices("cpu"), std::vector{c10::Device(c10::kCPU)});
  EXPECT_EQ(testing::error_of([] { open_devices("tpu"); }),
            "--device: expected cpu, cuda or GPUs as in cuda:1, cuda:0-3 or cuda:0,2, got 'tpu'");
  EXPECT_EQ(testing::error_of([] { open_devices("cuda:1-0"); }),
            "--device: cuda:1-0: GPUs 1-0 run backwards");
#ifndef FLATENN_CUDA
  EXPECT_THAT(testing::error_of([] { open_devices("cuda"); }),
              HasSubstr("--device cuda: this build has no CUDA"));
  EXPECT_THAT(testing::error_of([] { open_devices("cuda:0-1"); }),
              HasSubstr("--device cuda:0-1: this build has no CUDA"));
#endif
}

}  // namespace
}  // namespace flatenn::train
