#include "cli/torch_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/interrupt.h"
#include "flatenn/base/error.h"

namespace flatenn::cli {
namespace {

/// Turns of the waiting loop, some 100 us: longer than most gaps between two loops of a step.
constexpr const char* kSpinCount = "10000";

std::filesystem::path torch_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "flatenn-torch";
}

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

bool is_torch_command(std::string_view word) {
#define FLATENN_COMMAND(name)
#define FLATENN_TORCH_COMMAND(name) \
  if (word == #name) return true;
#include "cli/commands.inc"
#undef FLATENN_TORCH_COMMAND
#undef FLATENN_COMMAND
  return false;
}

bool torch_program_exists() { return std::filesystem::exists(torch_program()); }

void become_torch_program(char** argv) {
  const std::string program = torch_program();
  limit_openmp_spinning();
  ask_for_large_pages();
  hold_signals();  // while LibTorch is loaded
  ::execv(program.c_str(), argv);
  end_on_signals();
  throw Error(detail::concat(
      program, ": cannot be started (", std::strerror(errno),
      "); training and all else that needs LibTorch is in this program, which "
      "belongs beside flatenn; ./dev build makes both, python -m flatenn.torch.build "
      "does for an installed package"));
}

}  // namespace flatenn::cli
