#include "cli/ranks.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"
#include "flatenn/base/version.h"
#include "flatenn/campaign/serve.h"

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

/// "0,1,2,3", as NVIDIA's driver lists them; empty where there is none.
std::string all_gpus() {
  std::string all;
  std::error_code none;
  int64_t number = 0;
  for ([[maybe_unused]] const auto& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", none))
    all += std::string(all.empty() ? "" : ",") + std::to_string(number++);
  return all;
}

template <typename Function>
Function* find(void* library, const fs::path& path, const char* name) {
  void* const found = ::dlsym(library, name);
  FLATENN_CHECK(found != nullptr, path.string(), ": is not flatenn's: has no ", name);
  return reinterpret_cast<Function*>(found);
}

/// How many processes mpirun or srun says it started; 0 where neither did.
int64_t started_ranks() {
  const auto number = [](const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? 0L : std::strtol(value, nullptr, 10);
  };
  // Open MPI and MPICH tell the number of ranks; srun --mpi=pmix the rank alone.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (number(name) > 0) return number(name);
  return std::getenv("PMIX_RANK") == nullptr ? 0 : number("SLURM_STEP_NUM_TASKS");
}

/// This process's number among those; 0 where it is the first, or nobody says.
int64_t started_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) {
    if (const char* const value = std::getenv(name)) return std::strtol(value, nullptr, 10);
  }
  return 0;
}

/// Leaves this rank out of the run, in which the others go on.
void decline(void* library, const std::string& reason) {
  using Decline = void(const char*, int64_t, char);
  auto* const function = reinterpret_cast<Decline*>(::dlsym(library, "flatenn_mpi_decline"));
  FLATENN_CHECK(function != nullptr, reason);
  const std::string message = campaign::refusal(reason);
  function(message.data(), std::ssize(message), campaign::stop_byte());
}

}  // namespace

bool started_by_mpi() { return started_ranks() > 1; }

std::unique_ptr<campaign::Transport> join_ranks() {
  const fs::path path = library_path();
  // Parts of MPI that it loads itself look for its functions in all that is loaded.
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  FLATENN_CHECK(library != nullptr, "MPI: cannot be loaded: ", ::dlerror());
  const std::string built = find<const char*()>(library, path, "flatenn_mpi_version")();
  if (built != version()) {
    const std::string reason =
        detail::concat(path.string(), ": is of flatenn ", built, ", the program is ", version());
    FLATENN_CHECK(started_rank() > 0, reason);
    decline(library, reason);
    return nullptr;
  }
  std::unique_ptr<campaign::Transport> ranks(
      find<campaign::Transport*()>(library, path, "flatenn_mpi_open")());
  const int64_t started = started_ranks();
  FLATENN_CHECK(started > 0 || ranks->size() > 1,
                "MPI: this process is the only one; start several with mpirun or srun, or leave "
                "--mpi out");
  FLATENN_CHECK(started == 0 || ranks->size() == started, "MPI: ", started,
                " processes were started, but this one's MPI sees ", ranks->size(), ": ",
                path.string(), " was built with another MPI than the mpirun that started it");
  return ranks;
}

int64_t threads_of_rank(const campaign::Transport& ranks) {
  const int64_t usable = resolve_threads(0);
  const auto all = static_cast<int64_t>(std::thread::hardware_concurrency());
  if (usable < all) return usable;
  return std::max<int64_t>(1, all / ranks.local_size());
}

std::string gpu_of_rank(const std::string& visible, int64_t local_rank) {
  std::vector<std::string> gpus;
  std::istringstream text(visible);
  for (std::string gpu; std::getline(text, gpu, ',');) gpus.push_back(gpu);
  return gpus.size() < 2 ? visible : gpus[static_cast<size_t>(local_rank) % gpus.size()];
}

void choose_gpu(const campaign::Transport& ranks) {
  const char* const given = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string visible = given != nullptr ? given : all_gpus();
  if (ranks.local_size() == 1 || visible.empty()) return;
  ::setenv("CUDA_VISIBLE_DEVICES", gpu_of_rank(visible, ranks.local_rank()).c_str(), 1);
}

}  // namespace flatenn::cli
