#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flatenn/store/store.h"

namespace flatenn::campaign {

/// The fault-free pass of one network over the data set, kept to compare trials with.
struct Golden {
  int64_t classes = 0;
  std::vector<float> logits;          ///< [images, classes]
  std::vector<uint16_t> labels;       ///< [images]
  std::vector<uint16_t> predictions;  ///< [images]
  std::vector<double> losses;         ///< Cross-entropy of each image.
  int64_t correct = 0;
  double loss = 0;  ///< Sum in image order.

  int64_t images() const { return static_cast<int64_t>(labels.size()); }
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(images()); }
  double mean_loss() const { return loss / static_cast<double>(images()); }
  bool right(int64_t image) const {
    return predictions[static_cast<size_t>(image)] == labels[static_cast<size_t>(image)];
  }
};

Golden make_golden(std::vector<float> logits, int64_t classes, std::span<const uint16_t> labels);

/// Counts the outcomes of one trial into `row` (cell, trial, drawn and landed are left alone).
/// `images`: the indices that the rows of `logits` belong to; empty: all, in order.
void score(const Golden& golden, std::span<const int64_t> images, std::span<const float> logits,
           store::TrialRow& row);

/// score() of a trial in which nothing changed.
void score_unchanged(const Golden& golden, std::span<const int64_t> images, store::TrialRow& row);

}  // namespace flatenn::campaign
