#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <regex>

#include "cli/command.h"
#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/base/shell.h"
#include "flatenn/campaign/plan.h"

namespace flatenn::cli {
namespace {

using Path = std::filesystem::path;

struct SlurmOptions {
  std::string plan;
  std::string folder;
  int64_t nodes = 1;
  int64_t gpus = 0;
  int64_t cpus = 0;
  std::string time;
  std::string partition;
  std::string account;
  bool mpi = false;
  bool submit = false;
  int64_t shares() const { return nodes * std::max<int64_t>(gpus, 1); }
};

std::string directive(const std::string& text) { return "#SBATCH " + text + "\n"; }

/// A value in a directive: Slurm reads to the end of the line, in double quotes where it has
/// spaces.
std::string quoted(const std::string& option, const std::string& value) {
  const auto fits = [](char c) {
    return c != '"' && c != '\\' && c != '%' && static_cast<unsigned char>(c) >= ' ';
  };
  FLATENN_CHECK(std::all_of(value.begin(), value.end(), fits), "slurm: ", option,
                ": no quotes, backslashes, percent signs or line ends in '", value, "'");
  return "\"" + value + "\"";
}

/// Slurm's forms: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
void check_time(const std::string& time) {
  static const std::regex forms(R"(\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}|infinite|unlimited)",
                                std::regex::icase);
  FLATENN_CHECK(time.empty() || std::regex_match(time, forms),
                "slurm: --time: must be minutes, "
                "hours:minutes:seconds or days-hours:minutes:seconds, got '",
                time, "'");
}

std::string directives(const SlurmOptions& options, const std::string& name, const Path& folder) {
  std::string text = directive("--job-name=" + quoted("name", "flatenn-" + name));
  if (options.mpi) {
    text += directive("--nodes=" + std::to_string(options.nodes));
    text += directive("--ntasks-per-node=" + std::to_string(std::max<int64_t>(options.gpus, 1)));
  } else {
    text += directive("--array=1-" + std::to_string(options.shares()));
    text += directive("--nodes=1");
    text += directive("--ntasks=1");
  }
  if (options.cpus > 0) text += directive("--cpus-per-task=" + std::to_string(options.cpus));
  if (options.cpus == 0 && options.gpus == 0) text += directive("--exclusive");
  if (options.gpus > 0) {
    const int64_t of_a_node = options.mpi ? options.gpus : 1;
    text += directive("--gres=gpu:" + std::to_string(of_a_node));
  }
  if (!options.time.empty()) text += directive("--time=" + quoted("--time", options.time));
  if (!options.partition.empty())
    text += directive("--partition=" + quoted("--partition", options.partition));
  if (!options.account.empty())
    text += directive("--account=" + quoted("--account", options.account));
  std::string log = quoted("--folder", (folder / (options.mpi ? "ranks" : "share-")).string());
  log.insert(log.size() - 1, options.mpi ? ".log" : "%a.log");  // %a: the share, by Slurm
  text += directive("--output=" + log);
  text += directive("--open-mode=append");
  text += directive("--requeue             # a preempted share starts again and goes on");
  text += directive("--signal=B:USR1@60    # a minute before the time is up");
  return text;
}

std::string program_word() {
  return shell_word(std::filesystem::read_symlink("/proc/self/exe").string());
}

/// What of a campaign's options both kinds of script give it.
std::string machine_options(const SlurmOptions& options) {
  std::string text;
  if (options.gpus > 0) text += " --engine cuda";
  if (options.cpus > 0) text += " --threads " + std::to_string(options.cpus);
  return text;
}

/// Starts `command`, passes signals on to it, and goes into the queue again as `job` where the
/// time was nearly up.
std::string supervised(const std::string& command, const std::string& job) {
  return R"(again=0

# SIGTERM (scancel, preemption) ends the campaign in good order: finished trials are in its file.
trap 'kill -TERM "$campaign"' TERM
# The time is nearly up: the same, and then back into the queue.
trap 'again=1; kill -TERM "$campaign"' USR1

)" + command +
         R"( &
campaign=$!
wait "$campaign"
code=$?
while kill -0 "$campaign" 2>/dev/null; do  # a signal ended the wait, not the campaign
  wait "$campaign"
  code=$?
done
if ((again && code != 0)); then
  echo "the time is nearly up: going into the queue again"
  scontrol requeue )" +
         job + R"(
fi
exit "$code"
)";
}

std::string share_script(const SlurmOptions& options, const Path& plan, const Path& folder) {
  const std::string parts = shell_word((folder / "part-").string()) + "*.db";
  const std::string count = std::to_string(options.shares());
  return "#\n# Runs a campaign in " + count +
         " shares, each into a file of its own. How far they are, and their results:\n#   " +
         program_word() + " status " + parts + "\n#   " + program_word() + " merge " + parts +
         " -o " + shell_word((folder / "results.db").string()) +
         "\nset -u\nshare=$SLURM_ARRAY_TASK_ID\n" +
         supervised(program_word() + " campaign " + shell_word(plan.string()) + " --db " +
                        shell_word((folder / "part-").string()) +
                        "\"$share\".db --share \"$share/" + count + "\"" + machine_options(options),
                    "\"${SLURM_ARRAY_JOB_ID}_$share\"");
}

/// One campaign over all ranks; Slurm tells mpirun where they are.
std::string mpi_script(const SlurmOptions& options, const Path& plan, const Path& folder) {
  const std::string results = shell_word((folder / "results.db").string());
  const std::string cores = options.cpus > 0 ? ":PE=" + std::to_string(options.cpus) : "";
  const std::string place =
      options.gpus > 0 ? "ppr:" + std::to_string(options.gpus) + ":node" : "ppr:1:node";
  return "#\n# Runs a campaign on " + std::to_string(options.shares()) +
         " ranks of MPI, into one file of the first. How far it is, and its results:\n#   " +
         program_word() + " status " + results + "\n#   " + program_word() + " results " + results +
         "\nset -u\nexport OMPI_MCA_odls_base_sigkill_timeout=10  # seconds for ending in good "
         "order\n" +
         supervised("mpirun --map-by " + place + cores +
                        (cores.empty() ? " --bind-to none " : " ") + program_word() + " campaign " +
                        shell_word(plan.string()) + " --db " + results + machine_options(options),
                    "\"$SLURM_JOB_ID\"");
}

std::string script(const SlurmOptions& options, const std::string& name) {
  const Path plan = std::filesystem::absolute(options.plan);
  const Path folder = std::filesystem::absolute(options.folder);
  return "#!/bin/bash\n" + directives(options, name, folder) +
         (options.mpi ? mpi_script(options, plan, folder) : share_script(options, plan, folder));
}

/// Gives the script to Slurm, whose answer (the job's number) goes to stdout.
void submit(const Path& file) {
  std::string path = file.string();
  char program[] = "sbatch";
  char* const arguments[] = {program, path.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, program, nullptr, nullptr, arguments, environ);
  FLATENN_CHECK(error == 0, "sbatch: cannot be run: ", std::strerror(error), "; the script is ",
                path, ", to be submitted where Slurm is");
  int status = -1;
  ::waitpid(child, &status, 0);
  FLATENN_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "sbatch: refused ", path,
                "; its words are above");
}

/// Slurm's own limit (MaxArraySize) is 1001 unless its configuration says otherwise.
void warn_of_a_large_array(const SlurmOptions& options) {
  constexpr int64_t kLargestIndex = 1000;
  if (options.mpi || options.shares() <= kLargestIndex) return;
  log::warn("slurm: ", options.shares(), " shares: Slurm takes ", kLargestIndex,
            " unless its MaxArraySize is larger (scontrol show config says)");
}

void run(SlurmOptions options) {
  check_time(options.time);
  Config config = Config::from_file(options.plan);
  const Path beside = Path(options.plan).parent_path();
  const campaign::Plan plan = campaign::read_plan(config, beside.empty() ? "." : beside);
  FLATENN_CHECK(options.mpi || !plan.search_within, options.plan,
                ": is a search, which chooses its rates by what all trials say and has no shares");
  if (options.folder.empty()) options.folder = plan.name + "-shares";
  const std::string text = script(options, plan.name);
  warn_of_a_large_array(options);
  if (!options.submit) {
    std::fputs(text.c_str(), stdout);
    return;
  }
  std::filesystem::create_directories(options.folder);
  const Path file = Path(options.folder) / "campaign.sbatch";
  write_file_atomically(file, text);
  submit(file);
}

}  // namespace

void add_slurm_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<SlurmOptions>();
  CLI::App* command = app.add_subcommand(
      "slurm", "Write a Slurm job that runs a campaign in shares or by MPI, and submit it");
  command->add_option("plan", options->plan, "Plan file (TOML)")->required();
  command->add_option("--nodes", options->nodes, "Machines: a share each, or one for each GPU")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000}))
      ->capture_default_str();
  command->add_option("--gpus", options->gpus, "GPUs of a machine; 0: the campaign runs on CPUs")
      ->check(CLI::Range(int64_t{0}, int64_t{64}))
      ->capture_default_str();
  command
      ->add_option("--cpus", options->cpus,
                   "Cores of a share (default: a whole machine, or Slurm's choice beside a GPU)")
      ->check(at_least(1));
  command->add_option("--time", options->time, "Time limit in Slurm's form, as 4:00:00");
  command->add_option("--partition", options->partition, "Slurm's partition");
  command->add_option("--account", options->account, "Slurm's account");
  command->add_option("--folder", options->folder,
                      "Folder of the shares' files and logs, seen by all machines (default: the "
                      "plan's name and -shares)");
  command->add_flag("--mpi", options->mpi,
                    "One campaign over all machines by MPI, into one file, instead of shares");
  command->add_flag("--submit", options->submit,
                    "Write the script into the folder and submit it (default: print it)");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
