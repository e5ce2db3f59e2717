#include "data/cifar.h"

#include <algorithm>

#include "data/compressed_file.h"
#include "data/labels.h"
#include "flatenn/base/error.h"
#include "flatenn/base/parallel.h"

namespace flatenn::data {
namespace {

struct Batch {
  std::vector<uint8_t> records;
  int64_t count = 0;
};

Batch read_batch(const std::filesystem::path& path, int64_t record_bytes) {
  Batch batch{.records = read_unpacked(path)};
  const auto bytes = static_cast<int64_t>(batch.records.size());
  FLATENN_CHECK(bytes % record_bytes == 0, path.string(),
                ": truncated or not a CIFAR-10 batch: ", bytes, " bytes are not whole records of ",
                record_bytes);
  batch.count = bytes / record_bytes;
  return batch;
}

void copy_records(const Batch& batch, int64_t image_bytes, uint8_t* labels, uint8_t* pixels) {
  const uint8_t* record = batch.records.data();
  for (int64_t i = 0; i < batch.count; ++i, record += 1 + image_bytes) {
    labels[i] = record[0];
    std::copy_n(record + 1, image_bytes, pixels + i * image_bytes);
  }
}

}  // namespace

void read_cifar(const DataSet& set, const std::vector<std::filesystem::path>& paths,
                ImageSet& images) {
  const int64_t image_bytes = set.channels * set.height * set.width;
  std::vector<Batch> batches(paths.size());
  parallel_for(static_cast<int64_t>(paths.size()), resolve_threads(0), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    batches[at] = read_batch(paths[at], 1 + image_bytes);
  });
  images.count = 0;
  for (const Batch& batch : batches) images.count += batch.count;
  images.labels.resize(static_cast<size_t>(images.count));
  images.pixels.resize(static_cast<size_t>(images.count * image_bytes));
  int64_t first = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    uint8_t* labels = images.labels.data() + first;
    copy_records(batches[i], image_bytes, labels, images.pixels.data() + first * image_bytes);
    check_labels(paths[i], {labels, static_cast<size_t>(batches[i].count)}, set);
    first += batches[i].count;
    batches[i] = {};
  }
}

}  // namespace flatenn::data
