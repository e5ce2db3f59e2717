#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace flatenn {

/// A file as memory: pages are read when they are used, and the system may drop them again.
class MappedFile {
 public:
  /// Read only. Throws Error naming the path where it cannot be read or is empty.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  /// `bytes` of zeros to write into, in a file of `folder` that has no name and is gone with this
  /// object. The room is taken at once: throws Error naming the folder where there is too little.
  static std::shared_ptr<MappedFile> scratch(const std::filesystem::path& folder, size_t bytes);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  std::byte* data() { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(std::byte* data, size_t size) : data_(data), size_(size) {}

  std::byte* data_;
  size_t size_;
};

}  // namespace flatenn
