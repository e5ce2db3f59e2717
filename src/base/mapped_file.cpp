#include "flatenn/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, int error) {
  throw Error(detail::concat(path.string(), ": ", what, ": ", std::strerror(error)));
}

/// Closes on leaving; a mapping outlives its descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::byte* map(const std::filesystem::path& path, const Descriptor& file, size_t bytes,
               int protection) {
  void* const data = ::mmap(nullptr, bytes, protection, MAP_SHARED, file.number(), 0);
  if (data == MAP_FAILED) fail(path, "cannot be mapped", errno);
  return static_cast<std::byte*>(data);
}

int open_nameless(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  // On file systems without O_TMPFILE; mkstemp fills in the last six letters.
  std::string name = (folder / ("scratch-" + std::string(6, 'X'))).string();
  const int named = ::mkstemp(name.data());
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // Without O_NONBLOCK a pipe's open waits for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) fail(path, "cannot be opened", errno);
  struct stat info {};
  if (::fstat(file.number(), &info) != 0) fail(path, "cannot be read", errno);
  FLATENN_CHECK(S_ISREG(info.st_mode), path.string(), ": is not a file");
  FLATENN_CHECK(info.st_size > 0, path.string(), ": is empty");
  const auto bytes = static_cast<size_t>(info.st_size);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(map(path, file, bytes, PROT_READ), bytes));
}

std::shared_ptr<MappedFile> MappedFile::scratch(const std::filesystem::path& folder, size_t bytes) {
  FLATENN_CHECK(bytes > 0, "MappedFile::scratch: no bytes wanted");
  const Descriptor file(open_nameless(folder));
  if (file.number() < 0) fail(folder, "no file can be made here", errno);
  const int error = ::posix_fallocate(file.number(), 0, static_cast<off_t>(bytes));
  if (error != 0) {
    fail(folder, detail::concat("no room for a file of ", bytes, " bytes"), error);
  }
  return std::shared_ptr<MappedFile>(
      new MappedFile(map(folder, file, bytes, PROT_READ | PROT_WRITE), bytes));
}

MappedFile::~MappedFile() { ::munmap(data_, size_); }

}  // namespace flatenn
