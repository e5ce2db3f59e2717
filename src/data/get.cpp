#include "flatenn/data/get.h"

#include "data/fetch.h"
#include "data/location.h"
#include "flatenn/data/verify.h"

namespace flatenn::data {

GetResult get_data_set(const DataSet& set, const std::filesystem::path& root,
                       const GetOptions& options) {
  const auto target = root / set.folders.front().path;
  if (const auto location = locate(set, root); location && location->path != target) {
    const Verification elsewhere = verify_data_set(set, root);
    if (elsewhere.bad_files() == 0) return {.folder = elsewhere.folder};
  }
  Sources sources = sources_of(set);
  if (!options.mirror.empty()) {
    sources.addresses = {options.mirror};
    sources.npm.reset();
  }
  Collector collector(set, target);
  GetResult result{.folder = collector.folder()};
  if (!collector.missing().empty()) {
    result.source = fetch_from(sources, set, collector, {.quiet = options.quiet});
    collector.remove_partials();
  }
  return result;
}

}  // namespace flatenn::data
