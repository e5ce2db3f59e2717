#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace flatenn::cli {
namespace {

using testing::ExitedWithCode;

/// Runs in a process of its own (EXPECT_EXIT); 7 says that the work went on to its end.
constexpr int kWentOn = 7;

struct Case {
  int signal;
  int code;
};

class Interrupt : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_P(Interrupt, EndsAtOnceWithoutAGuard) {
  EXPECT_EXIT(
      {
        end_on_signals();
        say_what_is_kept("all of it is kept");
        std::raise(GetParam().signal);
        std::_Exit(kWentOn);
      },
      ExitedWithCode(GetParam().code), "all of it is kept");
}

TEST_P(Interrupt, IsLeftToACommandThatLooks) {
  EXPECT_EXIT(
      {
        end_on_signals();
        int code = 0;
        {
          const InterruptGuard guard;
          std::raise(GetParam().signal);
          if (guard.requested()) code = guard.exit_code();
        }
        std::_Exit(code);
      },
      ExitedWithCode(GetParam().code), "stopping when the work in flight is done");
}

/// Else a signal between the last look and the guard's end would be lost, and what follows go on.
TEST_P(Interrupt, IsNotLostWhereItComesAfterTheLastLook) {
  EXPECT_EXIT(
      {
        end_on_signals();
        {
          const InterruptGuard guard;
          if (guard.requested()) std::_Exit(1);
          std::raise(GetParam().signal);
        }
        std::_Exit(kWentOn);
      },
      ExitedWithCode(GetParam().code), "no half-written file is left");
}

TEST_P(Interrupt, EndsAtOnceTheSecondTime) {
  EXPECT_EXIT(
      {
        end_on_signals();
        const InterruptGuard guard;
        std::raise(GetParam().signal);
        std::this_thread::sleep_for(std::chrono::milliseconds(600));
        std::raise(GetParam().signal);
        std::_Exit(kWentOn);
      },
      ExitedWithCode(GetParam().code), "no half-written file is left");
}

/// `timeout` and batch schedulers signal a program and its process group.
TEST_P(Interrupt, ThatComesTwiceAtOnceIsOne) {
  EXPECT_EXIT(
      {
        end_on_signals();
        int code = 0;
        {
          const InterruptGuard guard;
          std::raise(GetParam().signal);
          std::raise(GetParam().signal);
          if (guard.requested()) code = guard.exit_code();
          std::raise(GetParam().signal);
        }
        std::_Exit(code == GetParam().code ? kWentOn : 1);
      },
      ExitedWithCode(kWentOn), "stopping when the work in flight is done");
}

TEST_P(Interrupt, OfAnEarlierGuardIsForgotten) {
  EXPECT_EXIT(
      {
        end_on_signals();
        {
          const InterruptGuard first;
          std::raise(GetParam().signal);
          if (!first.requested()) std::_Exit(1);
        }
        { const InterruptGuard second; }
        std::_Exit(kWentOn);
      },
      ExitedWithCode(kWentOn), "");
}

INSTANTIATE_TEST_SUITE_P(BothSignals, Interrupt,
                         testing::Values(Case{SIGINT, 130}, Case{SIGTERM, 143}));

}  // namespace
}  // namespace flatenn::cli
