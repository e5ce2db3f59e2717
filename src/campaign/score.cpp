#include "campaign/score.h"

#include <cstring>

#include "flatenn/base/error.h"
#include "flatenn/engine/evaluate.h"

namespace flatenn::campaign {
namespace {

/// Adds one image whose logits equal the golden ones.
void count_identical(const Golden& golden, int64_t image, store::TrialRow& row) {
  const bool right = golden.right(image);
  row.correct += right;
  row.golden_correct += right;
  row.identical += 1;
  row.loss += golden.losses[static_cast<size_t>(image)];
}

void count_changed(const Golden& golden, int64_t image, std::span<const float> logits,
                   store::TrialRow& row) {
  const auto i = static_cast<size_t>(image);
  const int64_t prediction = engine::top1(logits);
  const bool golden_right = golden.right(image);
  row.golden_correct += golden_right;
  row.correct += prediction == golden.labels[i];
  row.loss += engine::cross_entropy(logits, golden.labels[i]);
  if (prediction == golden.predictions[i]) {
    row.masked += 1;
  } else {
    (golden_right ? row.sdc1_right : row.sdc1_wrong) += 1;
  }
}

void clear_outcomes(store::TrialRow& row, int64_t images) {
  row.images = images;
  row.correct = row.golden_correct = row.identical = row.masked = 0;
  row.sdc1_right = row.sdc1_wrong = 0;
  row.loss = 0;
}

int64_t image_count(const Golden& golden, std::span<const int64_t> images) {
  return images.empty() ? golden.images() : static_cast<int64_t>(images.size());
}

int64_t image_at(std::span<const int64_t> images, int64_t row) {
  return images.empty() ? row : images[static_cast<size_t>(row)];
}

}  // namespace

Golden make_golden(std::vector<float> logits, int64_t classes, std::span<const uint16_t> labels) {
  FLATENN_ASSERT(logits.size() == labels.size() * static_cast<size_t>(classes), "make_golden");
  Golden golden;
  golden.classes = classes;
  golden.logits = std::move(logits);
  golden.labels.assign(labels.begin(), labels.end());
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::span<const float> row(golden.logits.data() + i * static_cast<size_t>(classes),
                                     static_cast<size_t>(classes));
    const int64_t prediction = engine::top1(row);
    golden.predictions.push_back(static_cast<uint16_t>(prediction));
    golden.losses.push_back(engine::cross_entropy(row, labels[i]));
    golden.correct += prediction == labels[i];
    golden.loss += golden.losses.back();
  }
  return golden;
}

void score(const Golden& golden, std::span<const int64_t> images, std::span<const float> logits,
           store::TrialRow& row) {
  const auto classes = static_cast<size_t>(golden.classes);
  const int64_t count = image_count(golden, images);
  FLATENN_ASSERT(logits.size() == static_cast<size_t>(count) * classes, "score");
  clear_outcomes(row, count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t image = image_at(images, i);
    const auto mine = logits.subspan(static_cast<size_t>(i) * classes, classes);
    const float* const original = golden.logits.data() + static_cast<size_t>(image) * classes;
    if (std::memcmp(mine.data(), original, classes * sizeof(float)) == 0) {
      count_identical(golden, image, row);
    } else {
      count_changed(golden, image, mine, row);
    }
  }
}

void score_unchanged(const Golden& golden, std::span<const int64_t> images, store::TrialRow& row) {
  const int64_t count = image_count(golden, images);
  clear_outcomes(row, count);
  for (int64_t i = 0; i < count; ++i) count_identical(golden, image_at(images, i), row);
}

}  // namespace flatenn::campaign
