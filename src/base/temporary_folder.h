#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn {

/// A new, empty folder, removed with all in it at the end. For tests.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const std::string replaced(6, 'X');  // by letters that make the name new
    std::string name = std::filesystem::temp_directory_path() / ("flatenn_" + replaced);
    FLATENN_CHECK(::mkdtemp(name.data()) != nullptr, name, ": cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() { remove_folder(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace flatenn
