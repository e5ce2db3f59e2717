#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace flatenn::store {

/// The kind of network file system that a file lies on ("NFS"), whose locks and shared memory
/// SQLite's log cannot rely on; none on a local one. The environment variable
/// FLATENN_NETWORK_FOLDERS names further folders, separated by ':', for mounts whose type does not
/// tell (FUSE).
std::optional<std::string> network_file_system(const std::filesystem::path& file);

/// Marks a result file on a network file system as in use by this process, by a file
/// "RESULTS.owner" beside it; making it anew either works or not, there too.
///
/// A thread renews it. The mark of a process that was killed is taken over: at once on the same
/// machine, after Worker::kLeaseSeconds from another one, told by the file server's clock alone.
class OwnerMark {
 public:
  /// Throws Error where another process has the file.
  OwnerMark(const std::filesystem::path& file, const std::string& file_system);
  ~OwnerMark();
  OwnerMark(const OwnerMark&) = delete;
  OwnerMark& operator=(const OwnerMark&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flatenn::store
