#include "study/needs.h"

#include "flatenn/data/image_set.h"
#include "train/device.h"

namespace flatenn::study {

void check_needs(const Definition& definition, const StudyOptions& options) {
  const std::vector<Training> trainings = plan_trainings(definition, options, {});
  train::open_devices(options.device);
  const std::filesystem::path root = data::resolve_data_root(options.data_root);
  if (!trainings.empty()) data::check_is_there(dataset_of(trainings.front()), root);
}

}  // namespace flatenn::study
