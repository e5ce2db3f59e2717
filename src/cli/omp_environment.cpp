#include "cli/omp_environment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace flatenn::cli {
namespace {

/// Turns of the waiting loop, some 100 us: longer than most gaps between two loops of a step.
constexpr const char* kSpinCount = "10000";

constexpr std::array<std::string_view, 4> kCommands = {"train", "study", "landscape", "sharpness"};

bool names_a_command(std::string_view argument) {
  return std::find(kCommands.begin(), kCommands.end(), argument) != kCommands.end();
}

}  // namespace

void limit_openmp_spinning(int argc, char** argv) {
  if (std::none_of(argv, argv + argc, names_a_command)) return;
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", kSpinCount, 1);
  ::execv("/proc/self/exe", argv);
  // Where that fails the program goes on as it is: slower at worst.
}

}  // namespace flatenn::cli
