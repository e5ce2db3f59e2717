#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace flatenn {

/// The whole file, or all that is written to a pipe, at most 1 GiB. Throws Error naming the path
/// and the reason: the system's, a folder, socket or device, a pipe that nobody writes to for 5 s.
std::string read_file(const std::filesystem::path& path);

/// Replaces the file in one step (temporary file beside it, fsync, rename), so that a crash or a
/// full disk leaves the old content or the new, never a part. A symbolic link stays one: its target
/// is replaced. Devices and pipes ("/dev/stdout") are written to as they are. Throws Error naming
/// the path and reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Deletes a folder and all in it, links not followed. What cannot be deleted, or is not there, is
/// passed over. (Not by std::filesystem::remove_all: LibTorch builds may export a copy of it of
/// their own, compiled against another standard library.)
void remove_folder(const std::filesystem::path& path);

/// A lock that threads and processes can hold on a file, one at a time. The file is made where
/// there is none, and stays; the lock ends with this object or its process. Throws Error naming the
/// file.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// False where another holds it.
  bool try_lock();

 private:
  int descriptor_ = -1;
};

}  // namespace flatenn
