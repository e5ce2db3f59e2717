#include "flatenn/data/verify.h"

#include <algorithm>

#include "data/compressed_file.h"
#include "data/location.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/parallel.h"

namespace flatenn::data {
namespace {

std::filesystem::path folder_of(const DataSet& set, const std::filesystem::path& root) {
  const auto location = locate(set, root);
  return location ? location->path : root / set.folders.front().path;
}

FileCheck check_file(const OfficialFile& file, const std::filesystem::path& folder) {
  FileCheck check{.name = file.name};
  const auto path = find_packed(folder, file.name);
  if (!path) return check;
  check.path = *path;
  try {
    check.sha256 = content_sha256(read_unpacked(*path));
  } catch (const Error& error) {
    check.state = FileCheck::State::kUnreadable;
    check.detail = error.what();
    return check;
  }
  const bool good = check.sha256 == file.sha256;
  check.state = good ? FileCheck::State::kGood : FileCheck::State::kDiffers;
  if (!good) check.detail = "expected " + file.sha256;
  return check;
}

}  // namespace

int64_t Verification::bad_files() const {
  return std::count_if(files.begin(), files.end(),
                       [](const FileCheck& file) { return file.state != FileCheck::State::kGood; });
}

std::vector<FileCheck> check_files(const DataSet& set, const std::filesystem::path& folder) {
  std::vector<FileCheck> checks(set.files.size());
  parallel_for(static_cast<int64_t>(checks.size()), resolve_threads(0), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    checks[at] = check_file(set.files[at], folder);
  });
  return checks;
}

Verification verify_data_set(const DataSet& set, const std::filesystem::path& root) {
  Verification result{.folder = folder_of(set, root)};
  result.files = check_files(set, result.folder);
  return result;
}

Presence find_presence(const DataSet& set, const std::filesystem::path& root) {
  const auto location = locate(set, root);
  Presence presence{.folder = folder_of(set, root)};
  if (!location) return presence;
  presence.complete = true;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (const std::string& name : split_files(set, split, location->folder)) {
      const auto path = find_packed(location->path, name);
      presence.complete = presence.complete && path;
      if (!path) continue;
      ++presence.files;
      presence.bytes += static_cast<int64_t>(std::filesystem::file_size(*path));
    }
  }
  return presence;
}

}  // namespace flatenn::data
