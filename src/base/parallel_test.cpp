#include "flatenn/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

TEST(ParallelFor, VisitsEveryIndexOnce) {
  for (const int64_t threads : {1, 2, 7}) {
    std::vector<std::atomic<int>> visits(100);
    parallel_for(100, threads, [&](int64_t i) { ++visits[static_cast<size_t>(i)]; });
    for (const auto& count : visits) EXPECT_EQ(count, 1);
  }
  parallel_for(0, 4, [](int64_t) { FAIL(); });
}

TEST(ParallelFor, RethrowsAFailure) {
  EXPECT_THROW(parallel_for(50, 3, [](int64_t i) { FLATENN_CHECK(i != 20, "twenty"); }), Error);
}

TEST(ResolveThreads, KeepsAWishAndRefusesWhatNoMachineHas) {
  EXPECT_EQ(resolve_threads(3), 3);
  EXPECT_GE(resolve_threads(0), 1);
  EXPECT_THROW(resolve_threads(-1), Error);
  EXPECT_THROW(resolve_threads(100'000), Error);
}

}  // namespace
}  // namespace flatenn
