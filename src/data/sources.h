#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/npm.h"
#include "flatenn/data/catalogue.h"

namespace flatenn::data {

/// Where a data set can be had.
struct Sources {
  /// Folders on the web with the official files, best first: <file>.gz, or `archive`.
  std::vector<std::string> addresses;
  std::string archive;  ///< Name of the one archive that holds all files; "" where there is none.
  std::string archive_md5;  ///< As published beside it.
  std::optional<NpmPackage> npm;
};

Sources sources_of(const DataSet& set);

}  // namespace flatenn::data
