#include "study/train_arm.h"

#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/train/config.h"
#include "flatenn/train/run.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json resolved_config(const Definition& definition, const Training& training) {
  Config config = training_config(definition, training);
  train::read_train_config(config);
  return config.resolved();
}

/// run.json where the folder holds this training finished, else null.
json finished_record(const fs::path& folder, const json& config) {
  if (!fs::exists(folder / "run.json") || !fs::exists(folder / "model.onnx")) return nullptr;
  const json record =
      json::parse(read_file(folder / "run.json"), nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || record.value("status", "") != "finished") return nullptr;
  return record.value("config", json()) == config ? record : json();
}

void tell(const Training& training, const json& result) {
  char text[160];
  std::snprintf(text, sizeof text, "%s: %.2f %% without faults, zeros %.1f %%, %.0f s",
                training.name.c_str(), 100 * result.value("accuracy", 0.0),
                100 * result.value("sparsity", 0.0), result.value("seconds", 0.0));
  log::info(text);
}

}  // namespace

json train_arm(const Definition& definition, const StudyOptions& options, const Training& training,
               const fs::path& folder) {
  json record = finished_record(folder, resolved_config(definition, training));
  if (record.is_null()) {
    train::TrainRequest request{.out = folder,
                                .data_root = options.data_root,
                                .resume = true,
                                .device = options.device,
                                .quiet = options.quiet};
    request.stop_requested = options.stop_requested;
    const train::TrainOutcome outcome =
        train::run_training(training_config(definition, training), request);
    if (outcome.status != train::RunStatus::kFinished) return nullptr;
    record = json::parse(read_file(folder / "run.json"));
  }
  const json result = record.at("result");
  tell(training, result);
  return result;
}

}  // namespace flatenn::study
