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
        images_(testing::random_images(*network_, 1000, 1)) {}
  ~CpuChoice() override { ::unsetenv("FLATENN_CPU_ENGINE"); }

  std::string name(int64_t passes = 1) const {
    return make_cpu_engine(network_, images_, {.threads = 2, .passes = passes})->name();
  }
  std::string reason(int64_t passes = 1) const {
    return explain_cpu_choice(network_, *images_, {.threads = 2, .passes = passes});
  }

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
};

TEST_F(CpuChoice, ObeysTheEnvironment) {
  ::setenv("FLATENN_CPU_ENGINE", "lanes", 1);
  EXPECT_TRUE(name().starts_with("lanes/"));
  EXPECT_EQ(reason(), "by FLATENN_CPU_ENGINE");
  ::setenv("FLATENN_CPU_ENGINE", "onednn", 1);
  EXPECT_EQ(name().starts_with("onednn/"), !onednn_unfit(*network_));
}

TEST_F(CpuChoice, RefusesOtherNames) {
  ::setenv("FLATENN_CPU_ENGINE", "fast", 1);
  EXPECT_THROW(name(), Error);
}

TEST_F(CpuChoice, MeasuresWhereThereIsEnoughToDo) {
  EXPECT_TRUE(name().starts_with("lanes/"));
  if (const auto why = onednn_unfit(*network_)) GTEST_SKIP() << "oneDNN: " << *why;
  EXPECT_EQ(reason(), "too little to do for a measurement");
  const std::string measured = reason(1000);
  EXPECT_TRUE(measured.starts_with("measured on 128 images: lanes/")) << measured;
  EXPECT_EQ(reason(1000), measured) << "measured once a process";
}

}  // namespace
}  // namespace flatenn::engine
