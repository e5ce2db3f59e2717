#include "data/class_folders.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "data/image_file.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

constexpr size_t kMostClasses = 65536;

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(path.string() + ": cannot be read: " + std::strerror(errno));
}

struct stat status_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail(path);
  return status;
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::vector<std::string> sorted_names(const std::filesystem::path& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  if (!open) fail(folder);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(open.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    errno = 0;
  }
  if (errno != 0) fail(folder);
  std::sort(names.begin(), names.end());
  return names;
}

/// The pictures below one class folder.
class ClassWalk {
 public:
  explicit ClassWalk(const std::filesystem::path& root) : root_(root) {}

  /// `folder` is relative to the root.
  void enter(const std::string& folder) {
    const struct stat status = status_of(root_ / folder);
    const Identity here{status.st_dev, status.st_ino};
    FLATENN_CHECK(std::find(above_.begin(), above_.end(), here) == above_.end(),
                  (root_ / folder).string(), ": a symbolic link leads back to a folder above it");
    above_.push_back(here);
    for (const std::string& name : sorted_names(root_ / folder)) take(folder, name);
    above_.pop_back();
  }

  /// In the order in which Python sorts (folder, name).
  std::vector<ListedImage> images(uint16_t label) && {
    std::sort(found_.begin(), found_.end(),
              [](const Found& a, const Found& b) { return a.first < b.first; });
    std::vector<ListedImage> images;
    for (auto& [place, image] : found_) {
      image.label = label;
      images.push_back(std::move(image));
    }
    return images;
  }

 private:
  using Identity = std::pair<dev_t, ino_t>;
  using Found = std::pair<std::pair<std::string, std::string>, ListedImage>;

  void take(const std::string& folder, const std::string& name) {
    const std::string path = folder + "/" + name;
    const struct stat status = status_of(root_ / path);
    if (S_ISDIR(status.st_mode)) return enter(path);
    FLATENN_CHECK(!is_foreign_picture_name(name), (root_ / path).string(),
                  ": pictures of this kind are not read; PNG and JPEG are");
    if (!is_picture_name(name)) return;
    FLATENN_CHECK(S_ISREG(status.st_mode), (root_ / path).string(), ": is not a file");
    found_.push_back({{folder, name},
                      {.path = path,
                       .bytes = status.st_size,
                       .modified_ns = nanoseconds(status.st_mtim),
                       .changed_ns = nanoseconds(status.st_ctim)}});
  }

  const std::filesystem::path& root_;
  std::vector<Identity> above_;
  std::vector<Found> found_;
};

}  // namespace

std::vector<std::string> folder_names(const std::filesystem::path& folder) {
  std::vector<std::string> names = sorted_names(folder);
  std::erase_if(names, [&](const std::string& name) {
    struct stat status {};
    return ::stat((folder / name).c_str(), &status) != 0 || !S_ISDIR(status.st_mode);
  });
  return names;
}

ClassFolders list_class_folders(const std::filesystem::path& folder) {
  ClassFolders result{.names = folder_names(folder)};
  FLATENN_CHECK(!result.names.empty(), folder.string(),
                ": no class folders; expected one folder of PNG or JPEG pictures for each class");
  FLATENN_CHECK(result.names.size() <= kMostClasses, folder.string(), ": ", result.names.size(),
                " class folders; at most ", kMostClasses, " are read");
  for (size_t label = 0; label < result.names.size(); ++label) {
    ClassWalk walk(folder);
    walk.enter(result.names[label]);
    std::vector<ListedImage> images = std::move(walk).images(static_cast<uint16_t>(label));
    FLATENN_CHECK(!images.empty(), (folder / result.names[label]).string(),
                  ": this class folder holds no PNG or JPEG pictures");
    std::move(images.begin(), images.end(), std::back_inserter(result.images));
  }
  return result;
}

}  // namespace flatenn::data
