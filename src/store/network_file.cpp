#include "store/network_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "flatenn/base/error.h"
#include "flatenn/store/worker.h"
#include "store/process.h"

namespace flatenn::store {
namespace {

using Path = std::filesystem::path;

struct NetworkType {
  uint32_t magic;
  const char* name;
};

/// statfs(2), linux/magic.h, and Lustre's, GPFS's and BeeGFS's own sources.
constexpr std::array kNetworkTypes = {
    NetworkType{0x6969, "NFS"},      NetworkType{0x0BD00BD0, "Lustre"},
    NetworkType{0x47504653, "GPFS"}, NetworkType{0x19830326, "BeeGFS"},
    NetworkType{0xFF534D42, "CIFS"}, NetworkType{0xFE534D42, "SMB"},
    NetworkType{0x517B, "SMB"},      NetworkType{0x00C36400, "Ceph"},
    NetworkType{0x5346414F, "AFS"},  NetworkType{0x01021997, "9P"},
};

bool is_named_by_user(const Path& folder) {
  const char* const list = std::getenv("FLATENN_NETWORK_FOLDERS");
  std::istringstream names(list == nullptr ? "" : list);
  std::error_code none;
  const Path here = std::filesystem::weakly_canonical(folder, none);
  for (std::string name; std::getline(names, name, ':');) {
    if (name.empty()) continue;
    const Path root = std::filesystem::weakly_canonical(name, none);
    const auto part = std::mismatch(root.begin(), root.end(), here.begin(), here.end());
    if (part.first == root.end()) return true;
  }
  return false;
}

std::string text_of(const Path& file) {
  std::ifstream stream(file);
  std::string text;
  std::getline(stream, text);
  return text;
}

std::string own_text() { return std::to_string(process_id()) + " " + process_space(); }

/// Whether the mark is new and now this process's.
bool make(const Path& mark) {
  const int handle = ::open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (handle < 0) {
    FLATENN_CHECK(errno == EEXIST, mark.string(), ": cannot be made: ", std::strerror(errno));
    return false;
  }
  const std::string text = own_text() + "\n";
  const bool written = ::write(handle, text.data(), text.size()) == std::ssize(text);
  const int error = errno;
  ::close(handle);
  if (!written) ::unlink(mark.c_str());
  FLATENN_CHECK(written, mark.string(), ": cannot be written: ", std::strerror(error));
  return true;
}

double changed(const Path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return 0;
  return static_cast<double>(status.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(status.st_mtim.tv_nsec);
}

/// Seconds since the mark was renewed, by the clock of the machine that holds the files.
double age_of(const Path& mark) {
  const Path probe = mark.string() + "." + std::to_string(process_id());
  ::unlink(probe.c_str());
  if (!make(probe)) return 0;
  const double age = changed(probe) - changed(mark);
  ::unlink(probe.c_str());
  return age;
}

bool is_left_behind(const Path& mark, const std::string& owner) {
  std::istringstream words(owner);
  int64_t pid = 0;
  std::string space;
  words >> pid >> space;
  if (space == process_space()) return !process_lives(pid);
  return age_of(mark) > Worker::kLeaseSeconds;
}

/// Takes away a mark that was left behind; puts back one that somebody made meanwhile.
void take_away(const Path& mark, const std::string& owner) {
  const Path aside = mark.string() + ".left-" + std::to_string(process_id());
  if (::rename(mark.c_str(), aside.c_str()) != 0) return;
  const bool same = text_of(aside) == owner;
  if (same || ::link(aside.c_str(), mark.c_str()) == 0) ::unlink(aside.c_str());
}

void take(const Path& file, const Path& mark, const std::string& file_system) {
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (make(mark)) return;
    const std::string owner = text_of(mark);
    if (!is_left_behind(mark, owner)) break;
    take_away(mark, owner);
  }
  const std::string owner = text_of(mark);
  const size_t space = owner.find(' ');
  FLATENN_CHECK(
      space != std::string::npos, file.string(), ": ", mark.string(),
      " says that the file is in use, but not by which process; it counts no more once it "
      "is ",
      Worker::kLeaseSeconds, " s old, or delete it where nobody uses the file");
  const std::string host = owner.substr(space + 1, owner.find('/') - space - 1);
  throw Error(detail::concat(file.string(), ": is in use by process ", owner.substr(0, space),
                             " on ", host, ", and lies on ", file_system,
                             ", where several processes cannot share a file: give each a share "
                             "and a file of its own (--share)"));
}

}  // namespace

std::optional<std::string> network_file_system(const Path& file) {
  const Path folder = std::filesystem::absolute(file).parent_path();
  if (is_named_by_user(folder)) return "a network file system";
  struct statfs status {};
  if (::statfs(folder.c_str(), &status) != 0) return std::nullopt;
  for (const NetworkType& type : kNetworkTypes) {
    if (static_cast<uint32_t>(status.f_type) == type.magic) return type.name;
  }
  return std::nullopt;
}

struct OwnerMark::State {
  explicit State(Path path)
      : mark(std::move(path)), heart([this](const std::stop_token& stop) { renew(stop); }) {}

  void renew(const std::stop_token& stop) {
    constexpr auto kPause = std::chrono::seconds(5);
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, kPause, [&] { return stop.stop_requested(); })) {
      ::utimensat(AT_FDCWD, mark.c_str(), nullptr, 0);  // no times: the server's own clock
    }
  }

  Path mark;
  std::mutex mutex;
  std::condition_variable_any wake;
  std::jthread heart;  // last: its thread uses the members above
};

OwnerMark::OwnerMark(const Path& file, const std::string& file_system) {
  const Path mark = std::filesystem::absolute(file).string() + ".owner";
  take(file, mark, file_system);
  state_ = std::make_unique<State>(mark);
}

OwnerMark::~OwnerMark() {
  if (text_of(state_->mark) == own_text()) ::unlink(state_->mark.c_str());
}

}  // namespace flatenn::store
