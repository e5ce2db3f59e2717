#include "train/result_warnings.h"

#include <cmath>
#include <cstdio>

namespace flatenn::train {
namespace {

/// A controller that ends further than this from its target is named in a warning.
constexpr double kSparsityTolerance = 0.02;
/// Of guessing: accuracies below it are worth a warning.
constexpr double kTimesChance = 1.2;

}  // namespace

void warn_of_result(const TrainConfig& config, RunResult& result) {
  if (result.accuracy * static_cast<double>(config.model.classes) < kTimesChance) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "accuracy %.1f %% is hardly better than guessing one of %lld classes: training "
                  "failed under these settings",
                  100 * result.accuracy, static_cast<long long>(config.model.classes));
    result.warnings.emplace_back(text);
  }
  const double target = config.sparsity.target;
  if (target > 0 && std::abs(result.sparsity - target) > kSparsityTolerance) {
    char text[96];
    std::snprintf(text, sizeof text,
                  "sparsity is %.3f, further than %.2f from sparsity.target %.3f", result.sparsity,
                  kSparsityTolerance, target);
    result.warnings.emplace_back(text);
  }
}

}  // namespace flatenn::train
