#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

[[noreturn]] void fail_to_write(const std::filesystem::path& path, const char* what) {
  throw Error(detail::concat(path.string(), ": ", what, ": ", std::strerror(errno)));
}

/// What a symbolic link leads to, which need not exist; other paths as they are.
std::filesystem::path behind_links(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::error_code none;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(path, none); ++i) {
    path = path.parent_path() / std::filesystem::read_symlink(path);
  }
  return path;
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : target_(path) {
  std::error_code none;
  FLATENN_CHECK(!std::filesystem::is_directory(path, none), path.string(),
                ": is a folder, not a file");
  if (std::filesystem::exists(path, none) && !std::filesystem::is_regular_file(path, none)) {
    // A device or pipe: there is nothing to replace, and a file in its place would be wrong.
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail_to_write(path, "cannot be opened");
    return;
  }
  target_ = behind_links(path);
  temporary_ = target_.string() + ".tmp" + std::to_string(::getpid());
  unfinished_.emplace(temporary_);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_to_write(target_, "cannot be created");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view part) {
  while (!part.empty()) {
    const ssize_t written = ::write(descriptor_, part.data(), part.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to_write(target_, "write failed");
    part.remove_prefix(static_cast<size_t>(written));
  }
}

void AtomicFile::publish() {
  if (temporary_.empty()) return close();
  if (::fsync(descriptor_) != 0) fail_to_write(target_, "fsync failed");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_to_write(target_, "rename failed");
  temporary_.clear();
  close();
}

void AtomicFile::close() {
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0) fail_to_write(target_, "write failed");
}

}  // namespace flatenn
