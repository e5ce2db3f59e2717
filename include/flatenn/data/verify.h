#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// What became of one official file.
struct FileCheck {
  enum class State { kGood, kMissing, kDiffers, kUnreadable };
  std::string name;            ///< As in DataSet::files.
  std::filesystem::path path;  ///< The file that was read; empty where it is missing.
  State state = State::kMissing;
  std::string sha256;  ///< Of the uncompressed content; empty where it could not be read.
  std::string detail;  ///< Why it is unreadable, or the sum that was expected.
};

struct Verification {
  std::filesystem::path folder;  ///< Where the set was looked for.
  std::vector<FileCheck> files;  ///< In the order of DataSet::files.
  int64_t bad_files() const;     ///< Those that are not kGood.
};

/// Reads every official file of the set in `folder` and compares the SHA-256 of its content with
/// the official one. Never throws for what it finds.
std::vector<FileCheck> check_files(const DataSet& set, const std::filesystem::path& folder);

/// check_files() where the set lies below `root`.
Verification verify_data_set(const DataSet& set, const std::filesystem::path& root);

/// Where the set lies with all its files, unread: the quick question behind `data list`.
struct Presence {
  std::filesystem::path folder;  ///< Where it is, or where `get` would put it.
  int64_t files = 0;             ///< Files of it that are there.
  int64_t bytes = 0;             ///< Their size on disk.
  bool complete = false;         ///< Both splits can be read.
};
Presence find_presence(const DataSet& set, const std::filesystem::path& root);

}  // namespace flatenn::data
