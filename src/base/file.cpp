#include "flatenn/base/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  throw Error(detail::concat(path.string(), ": ", what, ": ", std::strerror(errno)));
}

void write_all(int descriptor, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "write failed");
    content.remove_prefix(static_cast<size_t>(written));
  }
}

/// A file under construction: removed unless it was published.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path target)
      : target_(std::move(target)), path_(target_.string() + ".tmp" + std::to_string(::getpid())) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(target_, "cannot be created");
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!published_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::string_view content) { write_all(descriptor_, content, target_); }

  void publish() {
    if (::fsync(descriptor_) != 0) fail(target_, "fsync failed");
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail(target_, "rename failed");
    published_ = true;
  }

 private:
  std::filesystem::path target_;
  std::string path_;
  int descriptor_ = -1;
  bool published_ = false;
};

/// What a symbolic link leads to, which need not exist; other paths as they are.
std::filesystem::path behind_links(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::error_code none;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(path, none); ++i) {
    path = path.parent_path() / std::filesystem::read_symlink(path);
  }
  return path;
}

/// A device or pipe: there is nothing to replace, and a file in its place would be wrong.
void write_through(const std::filesystem::path& path, std::string_view content) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "cannot be opened");
  try {
    write_all(descriptor, content, path);
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  if (::close(descriptor) != 0) fail(path, "write failed");
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  FLATENN_CHECK(!std::filesystem::is_directory(path), path.string(), ": is a folder, not a file");
  std::ifstream in(path, std::ios::binary);
  FLATENN_CHECK(in, path.string(), ": cannot be opened: ", std::strerror(errno));
  // At once where the size is known; pipes and /proc tell none.
  constexpr size_t kBlockBytes = 1 << 16;
  std::error_code none;
  const auto said = std::filesystem::file_size(path, none);
  size_t block = none ? kBlockBytes : std::max<size_t>(said, kBlockBytes);
  std::string content;
  while (in) {
    const size_t used = content.size();
    content.resize(used + block);
    in.read(content.data() + used, static_cast<std::streamsize>(block));
    content.resize(used + static_cast<size_t>(in.gcount()));
    block = kBlockBytes;
  }
  FLATENN_CHECK(in.eof() && !in.bad(), path.string(), ": read failed: ", std::strerror(errno));
  return content;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  std::error_code none;
  FLATENN_CHECK(!std::filesystem::is_directory(path, none), path.string(),
                ": is a folder, not a file");
  if (std::filesystem::exists(path, none) && !std::filesystem::is_regular_file(path, none)) {
    return write_through(path, content);
  }
  TemporaryFile file(behind_links(path));
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
