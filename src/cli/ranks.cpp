#include "cli/ranks.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
#include "flatenn/base/version.h"

namespace flatenn::cli {
namespace {

namespace fs = std::filesystem;

/// Beside the program, as it is built; else as it is installed.
fs::path library_path() {
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path installed = folder.parent_path() / FLATENN_LIBRARY_FOLDER / "flatenn";
  for (const fs::path& place : {folder, installed}) {
    if (fs::exists(place / "libflatenn_mpi.so")) return place / "libflatenn_mpi.so";
  }
  throw Error("MPI: this flatenn was built without it (" +
              (installed / "libflatenn_mpi.so").string() +
              " is missing); build it where MPI is (Debian: libopenmpi-dev), or run shares "
              "(--share K/N) and merge them");
}

template <typename Function>
Function* find(void* library, const fs::path& path, const char* name) {
  void* const found = ::dlsym(library, name);
  FLATENN_CHECK(found != nullptr, path.string(), ": is not flatenn's: has no ", name);
  return reinterpret_cast<Function*>(found);
}

}  // namespace

bool started_by_mpi() {
  const auto is_several = [](const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr && std::strtol(value, nullptr, 10) > 1;
  };
  // Open MPI and MPICH tell the number of ranks; srun --mpi=pmix the rank alone.
  return is_several("OMPI_COMM_WORLD_SIZE") || is_several("PMI_SIZE") ||
         (std::getenv("PMIX_RANK") != nullptr && is_several("SLURM_STEP_NUM_TASKS"));
}

std::unique_ptr<campaign::Transport> join_ranks() {
  const fs::path path = library_path();
  // Parts of MPI that it loads itself look for its functions in all that is loaded.
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  FLATENN_CHECK(library != nullptr, "MPI: cannot be loaded: ", ::dlerror());
  const std::string built = find<const char*()>(library, path, "flatenn_mpi_version")();
  FLATENN_CHECK(built == version(), path.string(), ": is of flatenn ", built, ", the program is ",
                version());
  return std::unique_ptr<campaign::Transport>(
      find<campaign::Transport*()>(library, path, "flatenn_mpi_open")());
}

int64_t threads_of_rank(const campaign::Transport& ranks) {
  const int64_t usable = resolve_threads(0);
  const auto all = static_cast<int64_t>(std::thread::hardware_concurrency());
  if (usable < all) return usable;
  return std::max<int64_t>(1, all / ranks.local_size());
}

}  // namespace flatenn::cli
