#include "study/tuning.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/engine/engine.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/fault/injector.h"
#include "flatenn/net/onnx.h"
#include "study/run_campaigns.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json read_record(const fs::path& out) {
  const fs::path path = out / "tune.json";
  if (!fs::exists(path)) return {{"candidates", json::array()}, {"chosen", json::object()}};
  json record = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  FLATENN_CHECK(record.is_object() && record.contains("candidates") && record.contains("chosen"),
                path.string(), ": is not the record of a tuning; move it away to tune again");
  return record;
}

/// Mean accuracy of a network on images over fault maps, averaged over kinds.
double faulty_accuracy(const Definition& definition, const StudyOptions& options,
                       const net::Network& network, const data::ImageSet& images) {
  const auto shared = std::make_shared<const net::Network>(network);
  const auto codes = engine::quantize_images(images, *shared);
  const auto engine = engine::make_engine(shared, codes, {.kind = engine_kind(options)});
  const auto row = static_cast<size_t>(images.count * shared->classes());
  std::vector<double> accuracies;
  for (const std::string& kind : definition.campaign.kinds) {
    const fault::Injector injector(shared,
                                   fault::FaultModel::of_kind(fault::parse_fault_kind(kind)));
    std::vector<float> logits(row * static_cast<size_t>(definition.tune_trials));
    std::vector<engine::Job> jobs(static_cast<size_t>(definition.tune_trials));
    for (size_t trial = 0; trial < jobs.size(); ++trial) {
      jobs[trial].weights =
          injector.inject(definition.tune_rate, definition.tune_seed, trial).weights;
      jobs[trial].logits = std::span(logits).subspan(trial * row, row);
    }
    engine->run(jobs);
    for (const engine::Job& job : jobs)
      accuracies.push_back(
          engine::evaluate(job.logits, shared->classes(), images.labels).accuracy());
  }
  return campaign::summarize(accuracies).mean;
}

/// Tries the candidates of all arms and keeps tune.json current.
class Tuning {
 public:
  Tuning(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer)
      : definition_(definition),
        options_(options),
        trainer_(trainer),
        record_(read_record(options.out)) {}

  bool run() {
    StudyOptions first_seed = options_;
    first_seed.seeds = first_seed.first_seed = 1;
    for (const Training& training : plan_trainings(definition_, first_seed, {})) {
      const auto candidates = definition_.tune_candidates.find(training.arm.recipe);
      if (candidates == definition_.tune_candidates.end()) continue;
      for (const std::string& candidate : candidates->second) {
        if (!tried(training.arm.name, candidate) && !attempt(training, candidate)) return false;
      }
      choose(training.arm.name);
    }
    return true;
  }

 private:
  bool tried(const std::string& arm, const std::string& candidate) const {
    return std::any_of(record_["candidates"].begin(), record_["candidates"].end(),
                       [&](const json& entry) {
                         return entry.at("arm") == arm && entry.at("setting") == candidate;
                       });
  }

  bool attempt(Training training, const std::string& candidate) {
    const auto number = std::to_string(record_["candidates"].size() + 1);
    const std::string hold_out = "data.hold_out=" + std::to_string(definition_.tune_hold_out);
    const fs::path folder = options_.out / "tune";
    training.name = "tune-" + training.arm.name + "-" + number;
    training.settings.push_back("name=\"" + training.name + "\"");
    training.settings.push_back(hold_out);
    training.settings.push_back(candidate);
    if (training.warm_start) {
      Training warm_start = *training.warm_start;
      warm_start.settings.push_back(hold_out);
      start_from(training, warm_start, folder);
    }
    log::info("tuning ", training.arm.name, ": ", candidate);
    const ArmStatus status = trainer_.train(training, folder / training.name);
    if (status == ArmStatus::kStopped) return false;
    keep(training, candidate, status);
    return true;
  }

  /// A candidate that diverges has no score.
  void keep(const Training& training, const std::string& candidate, ArmStatus status) {
    const fs::path folder = options_.out / "tune" / training.name;
    const TrainingRecord trained = describe_training(training, folder);
    double score = 0;
    if (status == ArmStatus::kFinished) {
      score = faulty_accuracy(definition_, options_, net::read_onnx(folder / "model.onnx"),
                              trainer_.data_of(training)->test);
    }
    record_["candidates"].push_back({{"arm", training.arm.name},
                                     {"setting", candidate},
                                     {"faulty_accuracy", score},
                                     {"accuracy", trained.accuracy},
                                     {"sparsity", trained.sparsity}});
    save();
  }

  void choose(const std::string& arm) {
    const json* best = nullptr;
    for (const json& entry : record_["candidates"]) {
      if (entry.at("arm") != arm) continue;
      if (best == nullptr || entry.at("faulty_accuracy") > best->at("faulty_accuracy"))
        best = &entry;
    }
    if (best == nullptr) return;
    record_["chosen"][arm] = json::array({best->at("setting")});
    save();
  }

  void save() {
    record_["flatenn_result"] = "tuning";
    record_["hold_out"] = definition_.tune_hold_out;
    record_["rate"] = definition_.tune_rate;
    record_["trials"] = definition_.tune_trials;
    record_["seed"] = definition_.tune_seed;
    record_["kinds"] = definition_.campaign.kinds;
    write_file_atomically(options_.out / "tune.json", record_.dump(2) + "\n");
  }

  const Definition& definition_;
  const StudyOptions& options_;
  ArmTrainer& trainer_;
  json record_;
};

}  // namespace

bool tune_settings(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer) {
  return Tuning(definition, options, trainer).run();
}

TunedSettings read_tuned_settings(const fs::path& out) {
  const json record = read_record(out);
  TunedSettings settings;
  for (const auto& [arm, chosen] : record.at("chosen").items())
    settings[arm] = chosen.get<std::vector<std::string>>();
  return settings;
}

}  // namespace flatenn::study
