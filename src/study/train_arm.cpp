#include "study/train_arm.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/train/config.h"
#include "flatenn/train/run.h"
#include "train/checkpoint_file.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Held while a network is trained, so that processes on one study do not train it twice; null
/// where another does.
std::unique_ptr<Lease> take(Leases& leases, const fs::path& run) {
  return leases.try_take(run.parent_path(), run.filename().string());
}

/// run.json, or null where there is none that can be read.
json read_record(const fs::path& folder) {
  if (!fs::exists(folder / "run.json")) return nullptr;
  json record = json::parse(read_file(folder / "run.json"), nullptr, /*allow_exceptions=*/false);
  return record.is_object() ? record : json();
}

int64_t epochs_of(const json& record) {
  return record.at("config").at("train").at("epochs").get<int64_t>();
}

/// The status in run.json; empty where the folder holds no training. Where the study lay when it
/// was trained does not matter.
std::string status_in(const Training& training, const fs::path& folder) {
  const json record = read_record(folder);
  if (record.is_null()) return "";
  Config config = training_config(training);
  train::read_train_config(config);
  const json now = {{"config", config.resolved()}};
  const std::string difference =
      train::config_difference(record.value("config", json::object()), now.at("config"));
  FLATENN_CHECK(difference.empty(), (folder / "run.json").string(),
                ": was trained with other settings: ", difference,
                "; give the study the same ones, or another --out");
  const std::string status = record.value("status", "");
  return training.goes_on && status == "finished" && epochs_of(record) < epochs_of(now)
             ? "interrupted"
             : status;
}

void tell(const TrainingRecord& trained) {
  char text[160];
  std::snprintf(text, sizeof text, "%s: %.2f %% without faults, zeros %.1f %%, %.0f s",
                trained.name.c_str(), 100 * trained.accuracy, 100 * trained.sparsity,
                trained.seconds);
  log::info(text);
}

/// Over the training images, in the whole training.
int64_t gradient_passes(const train::TrainConfig& config) {
  if (config.sharpness.method == train::SharpnessMethod::kSgd) return config.epochs;
  const double plain = std::min(config.sharpness_from_epoch, static_cast<double>(config.epochs));
  return 2 * config.epochs - std::llround(plain);
}

train::TrainConfig read_config(const Training& training) {
  Config config = training_config(training);
  return train::read_train_config(config);
}

}  // namespace

ArmStatus ArmTrainer::train(const Training& training, const fs::path& folder) {
  const std::unique_ptr<Lease> lease = take(leases_, folder);
  if (!lease) return ArmStatus::kElsewhere;
  const std::string before = status_in(training, folder);
  if (before == "diverged") return ArmStatus::kDiverged;
  if (before != "finished" || !fs::exists(folder / "model.onnx")) {
    ArmStatus status = prepare(training);
    if (status == ArmStatus::kFinished) status = run(training, folder, *lease);
    if (status != ArmStatus::kFinished) return status;
  }
  tell(describe_training(training, folder));
  return ArmStatus::kFinished;
}

ArmStatus ArmTrainer::prepare(const Training& training) {
  if (!training.warm_start) return ArmStatus::kFinished;
  return prepare_warm_start(*training.warm_start, training.warm_folder);
}

int64_t ArmTrainer::images_left(const Training& training, const fs::path& folder) {
  const std::string status = status_in(training, folder);
  if (status == "finished" || status == "diverged") return 0;
  const train::TrainConfig config = read_config(training);
  const int64_t epoch =
      train::steps_per_epoch(config, data_of(training)->train.count) * config.batch_size;
  const std::string metrics =
      fs::exists(folder / "metrics.jsonl") ? read_file(folder / "metrics.jsonl") : "";
  const auto done = std::count(metrics.begin(), metrics.end(), '\n');  // a line an epoch
  return epoch * std::max<int64_t>(0, config.epochs - done);
}

ArmStatus ArmTrainer::prepare_warm_start(const Training& warm_start, const fs::path& folder) {
  const std::unique_ptr<Lease> lease = take(leases_, folder);
  if (!lease) return ArmStatus::kElsewhere;
  const std::string before = status_in(warm_start, folder);
  if (before == "diverged") return ArmStatus::kDiverged;
  if (before == "finished") {
    if (fs::exists(folder / "checkpoint.pt")) return ArmStatus::kFinished;
    log::warn(folder.string(), ": has no checkpoint.pt any more and is trained again");
  }
  const ArmStatus status = run(warm_start, folder, *lease);
  if (status == ArmStatus::kFinished) tell(describe_training(warm_start, folder));
  return status;
}

ArmStatus ArmTrainer::run(const Training& training, const fs::path& folder, const Lease& lease) {
  const auto stop_requested = [this, &lease] {
    lease.check();
    return options_.stop_requested && options_.stop_requested();
  };
  const DevicePool::Holder device = devices_.take();
  log::info(training.name, ": is trained here",
            device.name() == options_.device ? "" : " on " + device.name());
  const train::TrainRequest request{.out = folder,
                                    .data_root = options_.data_root,
                                    .resume = true,
                                    .device = device.name(),
                                    .deterministic = options_.deterministic,
                                    .quiet = options_.quiet || on_images_,
                                    .on_images = on_images_,
                                    .data = data_of(training),
                                    .stop_requested = stop_requested};
  try {
    const train::TrainOutcome outcome = train::run_training(training_config(training), request);
    return outcome.status == train::RunStatus::kFinished ? ArmStatus::kFinished
                                                         : ArmStatus::kStopped;
  } catch (const LeaseLost& error) {
    log::warn(error.what());
    return ArmStatus::kElsewhere;
  } catch (const Error& error) {
    if (status_in(training, folder) != "diverged") throw;
    log::warn(error.what());
    return ArmStatus::kDiverged;
  }
}

std::shared_ptr<const train::RunData> ArmTrainer::data_of(const Training& training) {
  const train::DataOptions wanted = read_config(training).data;
  const std::lock_guard lock(loading_);
  if (data_ && wanted == loaded_) return data_;
  data_.reset();
  data_ = std::make_shared<const train::RunData>(
      train::load_run_data(wanted, data::resolve_data_root(options_.data_root),
                           {.stop_requested = options_.stop_requested}));
  loaded_ = wanted;
  return data_;
}

TrainingRecord describe_training(const Training& training, const fs::path& folder) {
  const train::TrainConfig config = read_config(training);
  TrainingRecord described{.name = training.name,
                           .status = "not run",
                           .epochs = config.epochs,
                           .gradient_passes = gradient_passes(config)};
  if (training.warm_start) {
    const train::TrainConfig before = read_config(*training.warm_start);
    described.warm_epochs = before.epochs;
    described.gradient_passes += gradient_passes(before);
  }
  const json record = read_record(folder);
  if (record.is_null()) return described;
  described.status = record.value("status", "");
  described.device = record.value("runtime", json::object()).value("device", "");
  described.warm_start_hash = record.value("warm_start_hash", "");
  const auto result = record.find("result");
  if (result == record.end() || !result->is_object()) return described;
  described.accuracy = result->value("accuracy", 0.0);
  described.sparsity = result->value("sparsity", 0.0);
  described.seconds = result->value("seconds", 0.0);
  return described;
}

}  // namespace flatenn::study
