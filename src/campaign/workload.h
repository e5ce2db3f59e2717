#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "campaign/map_strata.h"
#include "campaign/score.h"
#include "campaign/single_fault.h"
#include "flatenn/campaign/plan.h"
#include "flatenn/engine/engine.h"
#include "flatenn/fault/injector.h"
#include "flatenn/store/worker.h"

namespace flatenn::campaign {

struct WorkloadOptions {
  engine::EngineOptions engine;
  std::filesystem::path data_root;
  std::shared_ptr<const data::ImageSet> images;               ///< Instead of the plan's data set.
  std::vector<std::shared_ptr<const net::Network>> networks;  ///< Instead of the plan's files.
  std::optional<int64_t> jobs_ahead;                          ///< Instead of the engine's wish.
  std::function<bool()> stop_requested = {};                  ///< Asked while images are read.
};

/// A network as some memory stores it, with its fault-free pass. Kinds whose encoding has no word
/// for a code see another network than the file's.
struct Subject {
  std::shared_ptr<const net::Network> network;
  std::string hash;
  std::optional<Golden> golden;  ///< Empty until it is needed, as the two below.
  std::shared_ptr<const engine::ImageCodes> codes;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<engine::Engine> second;  ///< For trials that are run twice.
};

struct PlanModel {
  std::string name;  ///< Unique in the plan.
  std::string path;
  std::shared_ptr<const net::Network> network;  ///< As in the file.
  std::string hash;
  std::vector<int64_t> subjects;                        ///< Of each kind: index into subjects().
  std::vector<std::vector<fault::Injector>> injectors;  ///< [kind][level, or 0 for all levels]
  std::vector<Stratum> strata;                          ///< Of single-fault campaigns.
};

/// Everything a plan needs in memory, and how one of its trials is run.
class Workload {
 public:
  /// Reads models and makes the injectors. The images load meanwhile, and after: images() waits for
  /// them, and throws what loading them did.
  Workload(Plan plan, WorkloadOptions options);
  /// Another engine for the same plan, beside `first`, which has run its fault-free passes: models
  /// and images are the same memory.
  Workload(const Workload& first, const engine::EngineOptions& engine);

  const Plan& plan() const { return plan_; }
  const data::ImageSet& images() const { return images_.get(); }
  const std::vector<PlanModel>& models() const { return models_; }
  const std::vector<Subject>& subjects() const { return subjects_; }
  const std::vector<store::CellRow>& cells() const { return cells_; }
  const Subject& subject_of(const store::CellRow& cell) const;
  int64_t trials_of(const store::CellRow& cell) const;     ///< Upper bound of its stop rule.
  std::string label_of(const store::CellRow& cell) const;  ///< "lenet5 bit_flip 0.01"
  const std::string& engine_name() const { return engine_name_; }

  /// Throws Error naming a model that does not fit the images.
  void check_images() const;

  /// The fault-free passes of all subjects, where they have not been run yet.
  void run_goldens();
  /// Throws Error where a logit of a fault-free pass differs from that of `first`.
  void check_goldens(const Workload& first) const;

  /// Of the host, from the next batch on.
  void set_threads(int64_t threads) { threads_ = threads; }
  const engine::EngineOptions& engine_options() const { return options_.engine; }

  /// Images a trial looks at; all of them from the start.
  int64_t images_per_trial() const { return images_per_trial_.value_or(images().count); }
  void set_images_per_trial(int64_t count) { images_per_trial_ = count; }

  /// Of a stratified plan, by cell; empty in others.
  const std::vector<MapStrata>& map_strata() const { return map_strata_; }
  /// The stratum of each trial of a cell.
  void set_stratum_order(int64_t cell, std::vector<int32_t> order) {
    stratum_orders_[static_cast<size_t>(cell)] = std::move(order);
  }

  /// Runs trials of one model's cells and gives their rows in the same order. `seed` stands for the
  /// plan's (a pilot has its own).
  std::vector<store::TrialRow> run(std::span<const store::TrialKey> keys, uint64_t seed);
  std::vector<store::TrialRow> run(std::span<const store::TrialKey> keys) {
    return run(keys, plan_.seed);
  }

  /// Runs the trials again, fault maps included, on another engine where this machine has one for
  /// the network, else with another number of threads. Throws Error naming the first trial whose
  /// row differs.
  void verify(std::span<const store::TrialRow> rows);
  const std::string& second_engine_name() const { return second_engine_name_; }

  /// Throws Error where a model that has an engine is not bit for bit what it was: its weights, or
  /// the fault-free logits of the engine that ran its trials.
  void check_unchanged(int64_t model);

  void release_engine(int64_t model);  ///< Frees the memory of a model that is not run now.

  /// Whether trials are prepared while the engine runs others.
  bool prepares_ahead() const { return prepares_ahead_; }

 private:
  /// A trial between drawing and scoring.
  struct Prepared {
    store::TrialRow row;
    fault::Injection injection;
    std::vector<int64_t> images;  ///< Empty: all.
    int64_t subject = 0;
  };

  void read_models();
  void say_saturated() const;
  /// Throws Error naming a model that does not take such images.
  void check_fit(const std::string& name, const net::Shape& got, int64_t classes) const;
  std::shared_future<data::ImageSet> load_images() const;
  void make_injectors(PlanModel& model);
  void make_cells();
  void make_map_strata();
  int64_t find_subject(const std::shared_ptr<const net::Network>& network, const PlanModel& model);
  engine::Engine& engine_of(Subject& subject);
  engine::Engine& second_engine_of(Subject& subject);
  void check_unchanged(const PlanModel& model, Subject& subject);
  int64_t slice_size(std::span<const store::TrialKey> keys);
  void order_faults(std::span<const store::TrialKey> keys);
  void inject(const store::CellRow& cell, int64_t trial, uint64_t seed,
              fault::Injection& injection) const;
  /// Draws the trials into `prepared`, whose memory is used again. Safe while the engine runs.
  void prepare(std::span<const store::TrialKey> keys, uint64_t seed,
               std::vector<Prepared>& prepared) const;
  void run_prepared(std::span<Prepared> prepared);
  /// Runs and scores those of the trials that belong to one subject.
  void run_group(std::span<Prepared> prepared, int64_t subject_index);
  void run_jobs(std::span<Prepared*> changed, Subject& subject, engine::Engine& engine);
  Prepared prepare_again(const store::TrialRow& row) const;

  Plan plan_;
  WorkloadOptions options_;
  int64_t threads_ = 1;
  std::shared_future<data::ImageSet> images_;
  std::optional<int64_t> images_per_trial_;  ///< Empty: all.
  std::vector<PlanModel> models_;
  std::vector<Subject> subjects_;
  std::vector<store::CellRow> cells_;
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> fault_orders_;
  std::vector<MapStrata> map_strata_;
  std::vector<std::vector<int32_t>> stratum_orders_;  ///< By cell.
  std::vector<Prepared> now_;                         ///< Trials at the engine.
  std::vector<Prepared> next_;                        ///< Trials drawn meanwhile.
  bool prepares_ahead_ = false;
  std::vector<float> logits_;
  std::string engine_name_;
  std::string second_engine_name_;
};

}  // namespace flatenn::campaign
