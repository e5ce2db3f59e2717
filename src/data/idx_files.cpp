#include "data/idx_files.h"

#include <algorithm>
#include <array>

#include "data/compressed_file.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

struct Ending {
  const char* images;
  const char* labels;
};
constexpr std::array kEndings{Ending{"images-idx3-ubyte", "labels-idx1-ubyte"},
                              Ending{"images.idx3-ubyte", "labels.idx1-ubyte"}};

std::string without_packing(const std::string& name) {
  return name.ends_with(".gz") || name.ends_with(".xz") ? name.substr(0, name.size() - 3) : name;
}

}  // namespace

bool is_idx_images(const std::string& name) {
  const std::string bare = without_packing(name);
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const Ending& ending) { return bare.ends_with(ending.images); });
}

std::vector<std::filesystem::path> find_idx_images(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (is_idx_images(at->path().filename().string())) paths.push_back(at->path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::filesystem::path idx_labels_of(const std::filesystem::path& images) {
  std::string name = without_packing(images.filename().string());
  for (const Ending& ending : kEndings) {
    const std::string tail = ending.images;
    if (!name.ends_with(tail)) continue;
    name.replace(name.size() - tail.size(), tail.size(), ending.labels);
    break;
  }
  const auto found = find_packed(images.parent_path(), name);
  FLATENN_CHECK(found, (images.parent_path() / name).string(), ": missing: the labels of ",
                images.filename().string());
  return *found;
}

}  // namespace flatenn::data
