#include "cli/ranks.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace flatenn::cli {
namespace {

TEST(Ranks, OfOneMachineTakeItsGpusInTurn) {
  EXPECT_EQ(gpu_of_rank("0,1,2,3", 0), "0");
  EXPECT_EQ(gpu_of_rank("0,1,2,3", 3), "3");
  EXPECT_EQ(gpu_of_rank("0,1,2,3", 5), "1");  // more ranks than GPUs
  EXPECT_EQ(gpu_of_rank("GPU-a,GPU-b", 1), "GPU-b");
}

TEST(Ranks, KeepTheGpuThatTheirLauncherChose) {
  EXPECT_EQ(gpu_of_rank("2", 1), "2");
  EXPECT_EQ(gpu_of_rank("", 1), "");
}

/// What launchers tell: several ranks, or one alone, which needs no MPI.
TEST(Ranks, AreThereWhereALauncherStartedSeveral) {
  for (const char* const name :
       {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"})
    ::unsetenv(name);
  EXPECT_FALSE(started_by_mpi());
  for (const char* const name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    ::setenv(name, "1", 1);
    EXPECT_FALSE(started_by_mpi()) << name;
    ::setenv(name, "4", 1);
    EXPECT_TRUE(started_by_mpi()) << name;
    ::unsetenv(name);
  }
  ::setenv("SLURM_STEP_NUM_TASKS", "4", 1);
  EXPECT_FALSE(started_by_mpi());  // srun without MPI
  ::setenv("PMIX_RANK", "0", 1);
  EXPECT_TRUE(started_by_mpi());
  ::unsetenv("PMIX_RANK");
  ::unsetenv("SLURM_STEP_NUM_TASKS");
}

}  // namespace
}  // namespace flatenn::cli
