#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "flatenn/campaign/transport.h"

namespace flatenn::cli {

/// Whether mpirun or srun started this process as one of several.
bool started_by_mpi();

/// The other processes of this start, through the library that knows MPI. Throws Error where it is
/// not there, and on rank 0 where it is another build's. Another rank of which that is so tells
/// rank 0, waits for the end, and gets null: the others go on without it.
std::unique_ptr<campaign::Transport> join_ranks();

/// Threads of this rank where the user gives none (0): the cores that its launcher gave it, or its
/// part of the machine's.
int64_t threads_of_rank(const campaign::Transport& ranks);

/// Of the GPUs that a machine's ranks all see ("0,1,2,3"), the one for the rank of that number
/// there; the same text where there is no choice.
std::string gpu_of_rank(const std::string& visible, int64_t local_rank);

/// Lets this rank see its GPU alone, before CUDA is asked for any.
void choose_gpu(const campaign::Transport& ranks);

}  // namespace flatenn::cli
