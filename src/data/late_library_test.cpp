#include "data/late_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/test_files.h"

namespace flatenn::data {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

TEST(LateLibrary, FindsFunctionsByTheNameOrWhereItWasBuilt) {
  EXPECT_EQ(LateLibrary("libm.so.6", "", "counting").find<double(double)>("floor")(2.5), 2);
  const LateLibrary other("libnone.so.1", "libm.so.6", "counting");
  EXPECT_EQ(other.find<double(double)>("ceil")(2.5), 3);
}

TEST(LateLibrary, SaysWhatAMissingOneIsFor) {
  EXPECT_THAT(error_of([] { LateLibrary("libnone.so.1", "/nowhere/libnone.so", "counting"); }),
              AllOf(HasSubstr("counting needs libnone.so.1"), HasSubstr("cannot open")));
  const LateLibrary library("libm.so.6", "", "counting");
  EXPECT_THAT(error_of([&] { library.find<void()>("no_such_function"); }),
              HasSubstr("libm.so.6 has no function no_such_function"));
}

}  // namespace
}  // namespace flatenn::data
