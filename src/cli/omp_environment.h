#pragma once

namespace flatenn::cli {

/// Makes OpenMP's threads sleep soon after a parallel loop where the user has not said otherwise.
///
/// By default GNU's OpenMP lets them spin for milliseconds. A training has thousands of short loops
/// a second, and on a machine that also does other work a spinning thread keeps the one it waits
/// for from running: LeNet-5 took 2 to 6 times the processor time.
/// The library reads its environment while it is loaded, so the program starts itself again, once,
/// for commands that train or differentiate.
void limit_openmp_spinning(int argc, char** argv);

}  // namespace flatenn::cli
