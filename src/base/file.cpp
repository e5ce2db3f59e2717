#include "flatenn/base/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/atomic_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"

namespace flatenn {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw Error(detail::concat(path.string(), ": ", what, ": ", std::strerror(errno)));
}

/// Devices have no end or never begin, and opening one may move a machine (a tape, a watchdog).
void refuse_what_is_no_file(const std::filesystem::path& path) {
  FLATENN_CHECK(!path.empty(), "the path of a file is empty");
  FLATENN_CHECK(path.native().find('\0') == std::string::npos, printable(path.string()),
                ": no path holds a NUL character");
  std::error_code none;
  const auto status = std::filesystem::status(path, none);
  FLATENN_CHECK(!std::filesystem::is_directory(status), path.string(), ": is a folder, not a file");
  FLATENN_CHECK(!std::filesystem::is_socket(status), path.string(), ": is a socket, not a file");
  FLATENN_CHECK(
      !std::filesystem::is_character_file(status) && !std::filesystem::is_block_file(status),
      path.string(), ": is a device, not a file");
}

/// A file or pipe that is read. A pipe that nobody writes to would be waited for without end.
class ReadDescriptor {
 public:
  explicit ReadDescriptor(const std::filesystem::path& path)
      : path_((refuse_what_is_no_file(path), path)),
        // Without O_NONBLOCK a pipe's open waits for its writer.
        descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) fail(path, "cannot be opened");
    ::fcntl(descriptor_, F_SETFL, 0);
    std::error_code none;
    if (!std::filesystem::is_fifo(path, none)) return;
    constexpr int kPatienceMs = 5000;
    pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, kPatienceMs) != 0) return;
    ::close(descriptor_);
    throw Error(path.string() + ": is a pipe, and nobody wrote to it within 5 s");
  }
  ~ReadDescriptor() { ::close(descriptor_); }
  ReadDescriptor(const ReadDescriptor&) = delete;
  ReadDescriptor& operator=(const ReadDescriptor&) = delete;

  /// As many bytes as are there, at most `size`; 0 at the end.
  size_t read(char* data, size_t size) const {
    for (;;) {
      const ssize_t got = ::read(descriptor_, data, size);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) fail(path_, "read failed");
    }
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const ReadDescriptor file(path);
  // At once where the size is known; pipes and /proc tell none.
  constexpr size_t kBlockBytes = 1 << 16;
  constexpr size_t kMostOfAStream = size_t{1} << 30;  // what writes to a pipe may never end
  std::error_code none;
  const bool regular = std::filesystem::is_regular_file(path, none);
  const auto said = regular ? std::filesystem::file_size(path, none) : 0;
  size_t block = none ? kBlockBytes : std::max<size_t>(said, kBlockBytes);
  std::string content;
  for (;;) {
    const size_t used = content.size();
    content.resize(used + block);
    const size_t got = file.read(content.data() + used, block);
    content.resize(used + got);
    if (got == 0) return content;
    block = kBlockBytes;
    FLATENN_CHECK(regular || content.size() <= kMostOfAStream, path.string(),
                  ": is not a regular file and does not end within 1 GiB");
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.publish();
}

void remove_folder(const std::filesystem::path& path) {
  constexpr int kOpenFolders = 16;
  const auto remove = [](const char* name, const struct stat*, int, FTW*) {
    ::remove(name);
    return 0;
  };
  ::nftw(path.c_str(), remove, kOpenFolders, FTW_DEPTH | FTW_PHYS);
}

FileLock::FileLock(const std::filesystem::path& path)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  FLATENN_CHECK(descriptor_ >= 0, path.string(), ": cannot be opened: ", std::strerror(errno));
}

FileLock::~FileLock() { ::close(descriptor_); }

bool FileLock::try_lock() { return ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0; }

}  // namespace flatenn
