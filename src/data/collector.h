#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// Gathers a data set's official files in a folder, each once its content is the official one.
/// Holds a lock on the folder, so that two processes do not write the same partial file.
class Collector {
 public:
  /// Looks at what is there. Throws Error where the folder cannot be made or another process
  /// collects in it.
  Collector(const DataSet& set, std::filesystem::path folder);
  ~Collector();  ///< Leaves no empty folder behind.
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  bool wants(const std::string& name) const { return missing_.contains(name); }
  const std::set<std::string>& missing() const { return missing_; }

  /// Writes a file's content under its name. Returns the reason where it is not the official one.
  std::optional<std::string> offer(const std::string& name, std::span<const uint8_t> content);

  /// Moves a compressed file, which lies in the folder, to its name with `suffix` (".gz"). Returns
  /// the reason where its content is not the official one, or cannot be read.
  std::optional<std::string> offer_packed(const std::string& name,
                                          const std::filesystem::path& packed,
                                          const std::string& suffix);

  /// Removes what broken-off downloads left, once nothing is missing.
  void remove_partials() const;

 private:
  std::optional<std::string> check(const std::string& name, std::span<const uint8_t> content) const;
  /// A wrong or older form of the file must not hide the good one.
  void remove_other_forms(const std::string& name, const std::string& kept) const;

  const DataSet& set_;
  std::filesystem::path folder_;
  std::set<std::string> missing_;
  int lock_ = -1;
};

}  // namespace flatenn::data
