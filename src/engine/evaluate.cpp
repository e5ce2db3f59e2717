#include "flatenn/engine/evaluate.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::engine {

int64_t top1(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

std::vector<int64_t> top1_of_rows(std::span<const float> logits, int64_t classes) {
  FLATENN_CHECK(classes > 0 && logits.size() % static_cast<size_t>(classes) == 0,
                "top1: ", logits.size(), " logits are not rows of ", classes);
  std::vector<int64_t> result;
  result.reserve(logits.size() / static_cast<size_t>(classes));
  for (size_t at = 0; at < logits.size(); at += static_cast<size_t>(classes)) {
    result.push_back(top1(logits.subspan(at, static_cast<size_t>(classes))));
  }
  return result;
}

double cross_entropy(std::span<const float> logits, int64_t label) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return std::log(sum) - (static_cast<double>(logits[static_cast<size_t>(label)]) - largest);
}

Evaluation evaluate(std::span<const float> logits, int64_t classes,
                    std::span<const uint16_t> labels) {
  FLATENN_CHECK(logits.size() == labels.size() * static_cast<size_t>(classes) && !labels.empty(),
                "evaluate: ", logits.size(), " logits do not fit ", labels.size(), " labels of ",
                classes, " classes");
  Evaluation result{.images = static_cast<int64_t>(labels.size())};
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    FLATENN_CHECK(labels[i] < classes, "evaluate: label ", int{labels[i]}, " of image ", i,
                  " is not one of ", classes, " classes");
    const auto row = logits.subspan(i * static_cast<size_t>(classes), static_cast<size_t>(classes));
    result.correct += top1(row) == labels[i] ? 1 : 0;
    sum += cross_entropy(row, labels[i]);
  }
  result.loss = sum / static_cast<double>(labels.size());
  return result;
}

}  // namespace flatenn::engine
