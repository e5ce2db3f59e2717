#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace flatenn::data {

/// A picture below a class folder, and what tells whether it was changed.
struct ListedImage {
  std::string path;  ///< Relative to the folder of classes.
  uint16_t label = 0;
  int64_t bytes = 0;
  int64_t modified_ns = 0;  ///< Of the content.
  int64_t changed_ns = 0;   ///< Of content, name or rights; no program sets it back.

  bool operator==(const ListedImage&) const = default;
};

struct ClassFolders {
  std::vector<std::string> names;  ///< Sorted; the label is the place.
  std::vector<ListedImage> images;
};

/// The class folders of `folder` and the pictures below them, in the order of torchvision's
/// ImageFolder: classes by name, then folders by path, then pictures by name. Symbolic links are
/// followed; names that begin with a dot are passed over, as are files that are no pictures.
///
/// Throws Error naming the place where there are no class folders, one without pictures, a picture
/// of a kind that is not read, a link that leads back, or what cannot be read.
ClassFolders list_class_folders(const std::filesystem::path& folder);

/// Names of the folders directly in `folder`, sorted; those that begin with a dot are passed over.
std::vector<std::string> folder_names(const std::filesystem::path& folder);

}  // namespace flatenn::data
