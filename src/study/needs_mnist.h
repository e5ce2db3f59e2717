#pragma once

#include <gtest/gtest.h>

#include "flatenn/base/error.h"
#include "flatenn/data/image_set.h"

namespace flatenn::study {

/// Tests that train on MNIST; skipped with a reason where it is not.
class NeedsMnist : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      data::load_image_set("mnist", data::Split::kTest, data::resolve_data_root(""));
    } catch (const Error& error) {
      GTEST_SKIP() << "needs MNIST (flatenn data get mnist): " << error.what();
    }
  }
};

}  // namespace flatenn::study
