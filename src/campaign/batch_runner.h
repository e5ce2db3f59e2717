#pragma once

#include <vector>

#include "campaign/workload.h"

namespace flatenn::campaign {

/// Runs batches of trials, each of one model, keeping one model's engine in memory; some of the
/// trials twice.
class BatchRunner {
 public:
  BatchRunner(Workload& workload, double verify_share)
      : workload_(workload), verify_share_(verify_share) {}

  std::vector<store::TrialRow> run(const std::vector<store::TrialKey>& keys);
  /// Runs the chosen share of these trials again. Throws Error where a number differs.
  int64_t verify(const std::vector<store::TrialRow>& rows);

 private:
  Workload& workload_;
  double verify_share_;
  int64_t model_ = -1;  ///< Of the last batch.
};

}  // namespace flatenn::campaign
