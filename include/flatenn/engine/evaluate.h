#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// What logits say about labels. Logits are [images, classes] row-major.
namespace flatenn::engine {

/// Index of the largest logit; of equal ones the lowest class.
int64_t top1(std::span<const float> logits);
/// top1 of every row.
std::vector<int64_t> top1_of_rows(std::span<const float> logits, int64_t classes);

/// ln(sum_j exp(z_j)) - z_label in double, the largest logit subtracted first.
double cross_entropy(std::span<const float> logits, int64_t label);

struct Evaluation {
  int64_t images = 0;
  int64_t correct = 0;
  double loss = 0;  ///< Mean cross-entropy, summed in image order.
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(images); }
};
/// Throws Error where sizes do not fit or a label is not a class.
Evaluation evaluate(std::span<const float> logits, int64_t classes,
                    std::span<const uint16_t> labels);

}  // namespace flatenn::engine
