#include "study/lease.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "store/process.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

const std::string kEnded = "ended";

fs::path numbered(const fs::path& base, int64_t generation, const std::string& ending = "") {
  return base.string() + "-" + std::to_string(generation) + ending;
}
fs::path beat_file(const fs::path& base, int64_t generation) {
  return numbered(base, generation, ".beat");
}

/// Empty where it cannot be read.
std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// Number of `file` among the leases of `base`; 0: is none.
int64_t generation_of(const fs::path& file, const fs::path& base) {
  const std::string name = file.filename().string();
  const std::string start = base.filename().string() + "-";
  if (!name.starts_with(start)) return 0;
  int64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + start.size(), end, number);
  return error == std::errc() && stop == end ? number : 0;
}

int64_t newest(const fs::path& base) {
  int64_t newest = 0;
  for (const auto& entry : fs::directory_iterator(base.parent_path()))
    newest = std::max(newest, generation_of(entry.path(), base));
  return newest;
}

/// Whether the holder ran on this machine, in this space of process ids, and is gone.
bool is_gone(const std::string& holder) {
  std::istringstream text(holder);
  std::string space;
  int64_t pid = 0;
  if (!(text >> space >> pid)) return false;
  return space == store::process_space() && !store::process_lives(pid);
}

/// Whether the lease of that number is new and now this process's.
bool make(const fs::path& base, int64_t generation) {
  static std::atomic<int64_t> count = 0;
  const std::string mine = store::process_space() + " " + std::to_string(store::process_id());
  const size_t mark = std::hash<std::string>()(mine + " " + std::to_string(++count));
  const fs::path own = base.string() + "." + std::to_string(mark);
  write_file_atomically(own, mine + "\n");
  const int failed = ::link(own.c_str(), numbered(base, generation).c_str()) == 0 ? 0 : errno;
  struct stat info {};
  // The answer of a file server can get lost: the count of links cannot.
  const bool linked = ::stat(own.c_str(), &info) == 0 && info.st_nlink == 2;
  ::unlink(own.c_str());
  FLATENN_CHECK(linked || failed == EEXIST, base.parent_path().string(),
                ": a hard link cannot be made there (", std::strerror(failed),
                "), which processes on one study need");
  return linked;
}

}  // namespace

Lease::Lease(fs::path base, int64_t generation, LeaseTimes times)
    : base_(std::move(base)), generation_(generation), times_(times) {
  beat();
  thread_ = std::thread([this] { keep_beating(); });
}

Lease::~Lease() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    wake_.notify_one();
  }
  thread_.join();
  try {
    if (!lost_) write_file_atomically(beat_file(base_, generation_), kEnded);
  } catch (const Error& error) {
    log::debug("lease: ", error.what());  // others wait until it is silent for long enough
  }
}

void Lease::check() const {
  if (lost_) {
    throw LeaseLost(base_.string() + ": another process took over, since this one was silent for " +
                    "too long");
  }
}

void Lease::beat() {
  if (fs::exists(numbered(base_, generation_ + 1))) {
    lost_ = true;
    return;
  }
  write_file_atomically(beat_file(base_, generation_), std::to_string(++beats_));
}

void Lease::keep_beating() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, times_.beat, [this] { return ending_; }) && !lost_) {
    try {
      beat();
    } catch (const std::exception& error) {
      log::debug("lease: ", error.what());  // a full disk: the next one may go
    }
  }
}

bool Leases::is_silent(const fs::path& base, const std::string& sign) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  Seen& seen = seen_[base];
  if (seen.sign != sign) seen = {.sign = sign, .since = now};
  return now - seen.since >= times_.patience;
}

std::unique_ptr<Lease> Leases::try_take(const fs::path& folder, const std::string& task) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  FLATENN_CHECK(!failure, folder.string(), ": cannot be made: ", failure.message());
  const fs::path base = folder / ("." + task + ".lease");
  const int64_t last = newest(base);
  if (last > 0) {
    const std::string beat = text_of(beat_file(base, last));
    const std::string holder = text_of(numbered(base, last));
    const bool is_free =
        beat == kEnded || is_gone(holder) || is_silent(base, std::to_string(last) + " " + beat);
    if (!is_free) return nullptr;
    if (beat != kEnded) log::info(task, ": the process that held it is gone; taking over");
  }
  if (!make(base, last + 1)) return nullptr;
  auto lease = std::make_unique<Lease>(base, last + 1, times_);
  // Who looked late, before older numbers were removed, took one that was over long ago.
  if (newest(base) != last + 1) return nullptr;
  for (int64_t old = last - 1; old > 0 && fs::exists(numbered(base, old)); --old) {
    fs::remove(beat_file(base, old), failure);
    fs::remove(numbered(base, old), failure);
  }
  return lease;
}

}  // namespace flatenn::study
