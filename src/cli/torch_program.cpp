#include "cli/torch_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "flatenn/base/error.h"

namespace flatenn::cli {
namespace {

/// Turns of the waiting loop, some 100 us: longer than most gaps between two loops of a step.
constexpr const char* kSpinCount = "10000";

void limit_openmp_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", kSpinCount, 0);
}

/// What use_large_pages() does for the first memory, for all of it; glibc reads it at the start.
void ask_for_large_pages() { ::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0); }

}  // namespace

std::string_view command_word(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--version") return "version";
    if (!argument.starts_with('-')) return argument;
  }
  return "";
}

void become_torch_program(char** argv) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::string program = folder / "flatenn-torch";
  limit_openmp_spinning();
  ask_for_large_pages();
  ::execv(program.c_str(), argv);
  throw Error(
      detail::concat(program, ": cannot be started (", std::strerror(errno),
                     "); training and all else that needs LibTorch is in this program, which "
                     "belongs beside flatenn"));
}

}  // namespace flatenn::cli
