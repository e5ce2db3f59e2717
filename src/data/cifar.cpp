#include "data/cifar.h"

#include <algorithm>

#include "data/compressed_file.h"
#include "data/labels.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"

namespace flatenn::data {
namespace {

constexpr int64_t kChannels = 3;
constexpr int64_t kExtent = 32;
constexpr int64_t kImageBytes = kChannels * kExtent * kExtent;

struct Batch {
  std::vector<uint8_t> records;
  int64_t count = 0;
};

Batch read_batch(const std::filesystem::path& path, const CifarLayout& layout) {
  const int64_t record_bytes = layout.labels + kImageBytes;
  Batch batch{.records = read_unpacked(path)};
  const auto bytes = static_cast<int64_t>(batch.records.size());
  FLATENN_CHECK(bytes % record_bytes == 0, path.string(), ": truncated or not a ", layout.title,
                " batch: ", bytes, " bytes are not whole records of ", record_bytes);
  batch.count = bytes / record_bytes;
  return batch;
}

void copy_records(const Batch& batch, int64_t label_bytes, uint16_t* labels, uint8_t* pixels) {
  const uint8_t* record = batch.records.data();
  for (int64_t i = 0; i < batch.count; ++i, record += label_bytes + kImageBytes) {
    labels[i] = record[label_bytes - 1];
    std::copy_n(record + label_bytes, kImageBytes, pixels + i * kImageBytes);
  }
}

}  // namespace

void read_cifar(const CifarLayout& layout, const std::vector<std::filesystem::path>& paths,
                ImageSet& images) {
  std::vector<Batch> batches(paths.size());
  parallel_for(static_cast<int64_t>(paths.size()), resolve_threads(0), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    batches[at] = read_batch(paths[at], layout);
  });
  images.channels = kChannels;
  images.height = images.width = kExtent;
  images.count = 0;
  for (const Batch& batch : batches) images.count += batch.count;
  images.labels.resize(static_cast<size_t>(images.count));
  std::vector<uint8_t> pixels(static_cast<size_t>(images.count * kImageBytes));
  int64_t first = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    uint16_t* labels = images.labels.data() + first;
    copy_records(batches[i], layout.labels, labels, pixels.data() + first * kImageBytes);
    check_labels(paths[i], {labels, static_cast<size_t>(batches[i].count)}, layout.classes);
    first += batches[i].count;
    batches[i] = {};
  }
  images.pixels = std::move(pixels);
}

}  // namespace flatenn::data
