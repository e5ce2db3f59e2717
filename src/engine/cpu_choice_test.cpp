#include "engine/cpu_choice.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/onednn/onednn_engine.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

class CpuChoice : public ::testing::Test {
 protected:
  CpuChoice()
      : network_(std::make_shared<net::Network>(net::testing::lenet({}))),
        few_(testing::random_images(*network_, 4, 1)),
        many_(testing::random_images(*network_, 12000, 1)) {}
  ~CpuChoice() override { ::unsetenv("FLATENN_CPU_ENGINE"); }

  std::string name(const std::shared_ptr<const ImageCodes>& images) const {
    return make_cpu_engine(network_, images, 2)->name();
  }

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> few_;
  std::shared_ptr<const ImageCodes> many_;
};

TEST_F(CpuChoice, ObeysTheEnvironment) {
  ::setenv("FLATENN_CPU_ENGINE", "lanes", 1);
  EXPECT_TRUE(name(few_).starts_with("lanes/"));
  EXPECT_EQ(explain_cpu_choice(network_, *few_, 2), "by FLATENN_CPU_ENGINE");
  ::setenv("FLATENN_CPU_ENGINE", "onednn", 1);
  EXPECT_EQ(name(few_).starts_with("onednn/"), !onednn_unfit(*network_));
}

TEST_F(CpuChoice, RefusesOtherNames) {
  ::setenv("FLATENN_CPU_ENGINE", "fast", 1);
  EXPECT_THROW(name(few_), Error);
}

TEST_F(CpuChoice, MeasuresWhereThereIsEnoughToDo) {
  EXPECT_TRUE(name(few_).starts_with("lanes/"));
  if (const auto why = onednn_unfit(*network_)) GTEST_SKIP() << "oneDNN: " << *why;
  EXPECT_EQ(explain_cpu_choice(network_, *few_, 2), "too few images to measure");
  const std::string reason = explain_cpu_choice(network_, *many_, 2);
  EXPECT_TRUE(reason.starts_with("measured on 128 images: lanes/")) << reason;
  EXPECT_EQ(explain_cpu_choice(network_, *many_, 2), reason) << "measured once a process";
}

}  // namespace
}  // namespace flatenn::engine
