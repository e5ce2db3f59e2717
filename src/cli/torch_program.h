#pragma once

#include <string_view>

namespace flatenn::cli {

/// The first argument that is no flag: the command, since flags before it take no values. "version"
/// for --version, "" if there is none.
std::string_view command_word(int argc, char** argv);

/// Whether a command needs LibTorch, so that only flatenn-torch holds it.
bool is_torch_command(std::string_view word);

/// Whether flatenn-torch is beside this program.
bool torch_program_exists();

/// Turns this process into `flatenn-torch`, the program beside this one that is linked with
/// LibTorch and holds every command. Loading LibTorch costs some 0.4 s of processor time, which the
/// commands of this program save their users.
///
/// OpenMP's threads will sleep there soon after a parallel loop where the user has not said
/// otherwise (GOMP_SPINCOUNT, OMP_WAIT_POLICY). By default GNU's OpenMP lets them spin for
/// milliseconds. A training has thousands of short loops a second, and on a machine that also does
/// other work a spinning thread keeps the one it waits for from running: LeNet-5 took 2 to 6 times
/// the processor time.
///
/// Its memory will come in large pages (GLIBC_TUNABLES, where the user has not set it): LibTorch
/// gives tensors back and takes new ones at every step, and each page new to the kernel costs a
/// fault.
///
/// Throws Error where that program cannot be started.
[[noreturn]] void become_torch_program(char** argv);

}  // namespace flatenn::cli
