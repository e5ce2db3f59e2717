#include "campaign/batch_runner.h"

#include "flatenn/base/random.h"

namespace flatenn::campaign {

std::vector<store::TrialRow> BatchRunner::run(const std::vector<store::TrialKey>& keys) {
  if (keys.empty()) return {};
  const int64_t model = workload_.cells()[static_cast<size_t>(keys.front().cell)].model;
  if (model_ >= 0 && model != model_) workload_.release_engine(model_);
  model_ = model;
  return workload_.run(keys);
}

int64_t BatchRunner::verify(const std::vector<store::TrialRow>& rows) {
  if (verify_share_ <= 0) return 0;
  std::vector<store::TrialRow> chosen;
  constexpr uint64_t kChoice = 0xffff;  // of a stream that no result depends on
  for (const store::TrialRow& row : rows) {
    RandomStream random(workload_.plan().seed, static_cast<uint64_t>(row.trial),
                        RandomPurpose::kPilot, static_cast<uint64_t>(row.cell), kChoice);
    if (random.uniform() < verify_share_) chosen.push_back(row);
  }
  workload_.verify(chosen);
  return std::ssize(chosen);
}

}  // namespace flatenn::campaign
