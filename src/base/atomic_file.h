#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "flatenn/base/unfinished_files.h"

namespace flatenn {

/// A file that is written part after part and takes its place in one step, as
/// write_file_atomically() does it. Without publish() the old content stays.
class AtomicFile {
 public:
  /// Throws Error naming the path and the system's reason, as all members.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view part);
  /// What was written is on the disk and in its place, whole.
  void publish();

 private:
  void close();

  std::filesystem::path target_;
  /// Beside the target; empty where that is a device or pipe, which is written to as it is.
  std::filesystem::path temporary_;
  std::optional<UnfinishedFile> unfinished_;
  int descriptor_ = -1;
};

}  // namespace flatenn
