// A disk that fails, put before a program's own by LD_PRELOAD.
//
// DISK_FAILS_AFTER=N counts the bytes written to files (not to terminals and pipes). From byte N
// on, with DISK_FAILS_BY=full, every write says ENOSPC, after the bytes that still fit. By default
// the power fails: the write is cut at that byte, each write that no fsync followed is kept or lost
// by chance (DISK_SEED), and the process dies by SIGKILL. Writes through a memory map (SQLite's
// "-shm" file, which it makes anew) are not seen.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <string>
#include <vector>

namespace {

/// A write that may be lost: what stood there before, and how long the file was.
struct Pending {
  dev_t device;
  ino_t inode;
  int descriptor;  ///< Of this library alone, so that it outlives the program's.
  off_t offset;
  off_t size;
  std::vector<char> old;
};

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

ssize_t real_write(int descriptor, const void* data, size_t length) {
  static auto* const function = real<ssize_t(int, const void*, size_t)>("write");
  return function(descriptor, data, length);
}

ssize_t real_pwrite(int descriptor, const void* data, size_t length, off_t offset) {
  static auto* const function = real<ssize_t(int, const void*, size_t, off_t)>("pwrite64");
  return function(descriptor, data, length, offset);
}

/// Never destroyed: programs write until their very end.
struct Disk {
  std::mutex mutex;
  std::list<Pending> pending;  ///< Oldest first.
  int64_t written = 0;
  int64_t fails_after = -1;  ///< Below 0: never.
  bool by_power = true;
  uint64_t chance = 1;

  Disk() {
    if (const char* text = std::getenv("DISK_FAILS_AFTER")) fails_after = std::atoll(text);
    if (const char* text = std::getenv("DISK_FAILS_BY")) by_power = std::strcmp(text, "full") != 0;
    if (const char* text = std::getenv("DISK_SEED")) chance += std::strtoull(text, nullptr, 10);
  }
  bool toss() {
    chance = chance * 6364136223846793005U + 1442695040888963407U;
    return (chance >> 63) != 0;
  }
  void remember(int descriptor, const struct stat& status, off_t offset, size_t length);
  void forget(const struct stat& status);
  [[noreturn]] void lose_power();
  ssize_t write(int descriptor, const void* data, size_t length, const off_t* offset);
};

Disk& disk() {
  static auto* const only = new Disk;
  return *only;
}

bool is_file(int descriptor, struct stat& status) {
  return ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

void Disk::remember(int descriptor, const struct stat& status, off_t offset, size_t length) {
  const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
  Pending one{.device = status.st_dev,
              .inode = status.st_ino,
              .descriptor = ::open(name.c_str(), O_RDWR | O_CLOEXEC),
              .offset = offset,
              .size = status.st_size,
              .old = std::vector<char>(length)};
  const ssize_t got = ::pread(one.descriptor, one.old.data(), length, offset);
  one.old.resize(got > 0 ? static_cast<size_t>(got) : 0);
  pending.push_back(std::move(one));
}

void Disk::forget(const struct stat& status) {
  pending.remove_if([&](const Pending& one) {
    const bool same = one.device == status.st_dev && one.inode == status.st_ino;
    if (same) ::close(one.descriptor);
    return same;
  });
}

void Disk::lose_power() {
  bool is_last = true;  // a file that grew is cut back where nothing kept lies behind
  for (auto one = pending.rbegin(); one != pending.rend(); ++one) {
    const bool lost = toss();
    if (lost) {
      real_pwrite(one->descriptor, one->old.data(), one->old.size(), one->offset);
      if (is_last && ::ftruncate(one->descriptor, one->size) != 0) break;
    }
    is_last = is_last && lost;
  }
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

ssize_t Disk::write(int descriptor, const void* data, size_t length, const off_t* offset) {
  const auto really = [&](size_t bytes) {
    return offset != nullptr ? real_pwrite(descriptor, data, bytes, *offset)
                             : real_write(descriptor, data, bytes);
  };
  struct stat status {};
  if (fails_after < 0 || !is_file(descriptor, status)) return really(length);
  const std::lock_guard<std::mutex> lock(mutex);
  const auto room = static_cast<size_t>(std::max<int64_t>(0, fails_after - written));
  const size_t fits = std::min(length, room);
  if (by_power && fits > 0) {
    remember(descriptor, status, offset != nullptr ? *offset : ::lseek(descriptor, 0, SEEK_CUR),
             fits);
  }
  ssize_t done = 0;
  if (fits > 0 || length == 0) done = really(fits);
  if (done > 0) written += done;
  if (fits == length) return done;
  if (by_power) lose_power();
  if (fits > 0) return done;
  errno = ENOSPC;
  return -1;
}

int synced(int descriptor, const char* name) {
  const int result = real<int(int)>(name)(descriptor);
  struct stat status {};
  const std::lock_guard<std::mutex> lock(disk().mutex);
  if (result == 0 && is_file(descriptor, status)) disk().forget(status);
  return result;
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* data, size_t length) {
  return disk().write(descriptor, data, length, nullptr);
}
ssize_t pwrite(int descriptor, const void* data, size_t length, off_t offset) {
  return disk().write(descriptor, data, length, &offset);
}
ssize_t pwrite64(int descriptor, const void* data, size_t length, off_t offset) {
  return disk().write(descriptor, data, length, &offset);
}
int fsync(int descriptor) { return synced(descriptor, "fsync"); }
int fdatasync(int descriptor) { return synced(descriptor, "fdatasync"); }
}
