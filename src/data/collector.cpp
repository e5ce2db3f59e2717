#include "data/collector.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "data/compressed_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/data/verify.h"

namespace flatenn::data {
namespace {

int lock_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  FLATENN_CHECK(!failed, folder.string(), ": cannot be made: ", failed.message());
  const int lock = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  FLATENN_CHECK(lock >= 0, folder.string(), ": cannot be opened: ", std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  ::close(lock);
  throw Error(folder.string() + ": another process is getting this data set");
}

}  // namespace

Collector::Collector(const DataSet& set, std::filesystem::path folder)
    : set_(set), folder_(std::move(folder)), lock_(lock_folder(folder_)) {
  for (const FileCheck& file : check_files(set_, folder_)) {
    if (file.state != FileCheck::State::kGood) missing_.insert(file.name);
  }
}

Collector::~Collector() {
  ::rmdir(folder_.c_str());  // fails, as it should, where anything is in it
  ::close(lock_);
}

std::optional<std::string> Collector::check(const std::string& name,
                                            std::span<const uint8_t> content) const {
  const auto file =
      std::find_if(set_.files.begin(), set_.files.end(),
                   [&](const OfficialFile& official) { return official.name == name; });
  FLATENN_ASSERT(file != set_.files.end(), name, " is no file of ", set_.name);
  const std::string sum = content_sha256(content);
  if (sum == file->sha256) return std::nullopt;
  return name + " has the wrong content: expected SHA-256 " + file->sha256 + ", got " + sum;
}

std::optional<std::string> Collector::offer(const std::string& name,
                                            std::span<const uint8_t> content) {
  if (auto wrong = check(name, content)) return wrong;
  write_file_atomically(folder_ / name,
                        {reinterpret_cast<const char*>(content.data()), content.size()});
  remove_other_forms(name, name);
  missing_.erase(name);
  return std::nullopt;
}

std::optional<std::string> Collector::offer_packed(const std::string& name,
                                                   const std::filesystem::path& packed,
                                                   const std::string& suffix) {
  try {
    if (auto wrong = check(name, read_unpacked(packed))) return wrong;
  } catch (const Error& error) {
    return error.what();
  }
  std::error_code failed;
  std::filesystem::rename(packed, folder_ / (name + suffix), failed);
  FLATENN_CHECK(!failed, packed.string(), ": cannot be renamed: ", failed.message());
  remove_other_forms(name, name + suffix);
  missing_.erase(name);
  return std::nullopt;
}

void Collector::remove_partials() const {
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    std::error_code ignored;
    if (entry.path().filename().string().starts_with("partial-")) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

void Collector::remove_other_forms(const std::string& name, const std::string& kept) const {
  for (const char* suffix : {"", ".gz", ".xz"}) {
    const std::string form = name + suffix;
    std::error_code ignored;
    if (form != kept) std::filesystem::remove(folder_ / form, ignored);
  }
}

}  // namespace flatenn::data
