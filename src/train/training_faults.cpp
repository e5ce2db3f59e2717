#include "train/training_faults.h"

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"
#include "flatenn/fault/fault_list.h"

namespace flatenn::train {
namespace {

/// One chip's defects as a model of faults. The file's geometry of arrays serves lists of cells.
fault::FaultModel defect_model(const std::string& file, fault::Encoding encoding) {
  auto list = std::make_shared<fault::FaultList>(fault::read_fault_list(file));
  FLATENN_CHECK(list->encoding.empty() || list->encoding == fault::to_string(encoding), file,
                ": was drawn for words in ", list->encoding, "; freeze.encoding is ",
                fault::to_string(encoding));
  FLATENN_CHECK(!list->protection || list->protection->none(), file,
                ": was drawn for a protected memory, which training does not know");
  FLATENN_CHECK(!list->activations, file,
                ": its trial also had faults of activations, which training does not know");
  fault::FaultModel model{.encoding = encoding, .sources = {}, .array = list->array};
  model.sources.push_back({.unit = fault::FaultUnit::kList, .list = std::move(list)});
  return model;
}

}  // namespace

TrainingFaults::TrainingFaults(nn::Model model, const TrainConfig& config, int64_t steps_per_epoch)
    : model_(std::move(model)),
      options_(config.robustness.random_faults),
      steps_per_epoch_(steps_per_epoch) {
  const std::string& defects = config.robustness.defects;
  if (defects.empty() && options_.rate == 0) return;
  seed_ = RandomStream(config.seed, 0, RandomPurpose::kTrainingFault).next_u64();
  fault::FaultModel faults{.encoding = config.encoding};
  if (!defects.empty()) {
    faults = defect_model(defects, config.encoding);
    defects_.emplace(model_, faults);
    defects_->set(defects_->draw(0, seed_, 0));
  }
  if (options_.rate == 0) return;
  faults.sources.push_back({.kinds = fault::KindShares::only(options_.kind)});
  random_.emplace(model_, faults);
  const auto draw = [this](int64_t step) {
    return random_->draw(rate_at(step), seed_, static_cast<uint64_t>(step));
  };
  maps_.emplace(draw, maps_ahead(model_->layers().front()->weight.device()));
}

double TrainingFaults::rate_at(int64_t step) const {
  return options_.rate_at(static_cast<double>(step) / static_cast<double>(steps_per_epoch_));
}

double TrainingFaults::start_step(int64_t step) {
  if (rate_at(step) == 0) return 0;
  random_->set(maps_->take(step));
  return options_.share;
}

FaultyWeights TrainingFaults::in_pass(Pass pass) {
  if (pass == Pass::kFaulty) return {*model_, random_ ? &*random_ : nullptr};
  return {*model_, defects_ ? &*defects_ : nullptr};
}

}  // namespace flatenn::train
