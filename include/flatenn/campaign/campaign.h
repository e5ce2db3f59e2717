#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/campaign/pilot.h"
#include "flatenn/campaign/plan.h"
#include "flatenn/campaign/share.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/campaign/stop_rule.h"
#include "flatenn/campaign/transport.h"
#include "flatenn/engine/engine.h"
#include "flatenn/store/store.h"

namespace flatenn::campaign {

struct CampaignOptions {
  engine::EngineOptions engine;
  /// Computes on each of these devices with an engine like `engine`, its threads divided among
  /// them; empty: on engine.device alone.
  std::vector<int64_t> devices;
  std::filesystem::path data_root;  ///< Empty: data::resolve_data_root's choice.
  /// Evaluates on these images instead of loading the plan's data set.
  std::shared_ptr<const data::ImageSet> images;
  /// Networks in memory, one for each of the plan's models: run these; the plan's paths are kept as
  /// where they came from, and name those that carry no name of flatenn's.
  std::vector<std::shared_ptr<const net::Network>> networks;
  std::string plan_file;  ///< Kept beside the plan, for people.
  /// Share of the trials, chosen at random by the plan's seed, that are run a second time on
  /// another engine (or with another number of threads) before they are stored. Throws Error where
  /// a number differs.
  double verify_share = 0;
  /// Runs these trials alone, into a file of their own that merge_shares() joins with the others'.
  std::optional<Share> share;
  /// With a share of a plan with a half-width: run trials below this number, instead of up to where
  /// the share's own spread says that all shares together have enough.
  std::optional<int64_t> share_until;
  /// The ranks that compute with this one, which is rank 0 (serve_campaign() is their part). Not
  /// owned; null: this process alone.
  Transport* transport = nullptr;
  /// Asked between batches; true ends the run in good order.
  std::function<bool()> stop_requested;
};

/// Where a cell stands.
struct CellProgress {
  int64_t cell = 0;
  std::string label;   ///< "lenet5 bit_flip 0.01"
  int64_t trials = 0;  ///< Contiguous ones so far, or the stop rule's n.
  int64_t wanted = 0;  ///< In all, as far as can be told now.
  double mean = 0;     ///< Accuracy.
  Interval ci;         ///< 95 % Student-t.
  StopReason stop = StopReason::kRunning;
};

/// Looks on while a campaign runs; called from the thread that runs it.
class Observer {
 public:
  virtual ~Observer() = default;
  /// `done` of about `wanted` trials are there already.
  virtual void started(const std::string& plan, int64_t done, int64_t wanted);
  /// `trials` more are stored (by anyone); `cell` is one that moved.
  virtual void advanced(int64_t trials, int64_t wanted, const CellProgress& cell);
  virtual void cell_finished(const CellProgress& cell);
};

enum class Ending { kDone, kInterrupted, kTimeLimit };
std::string to_string(Ending ending);

/// What one of several devices, or a rank, did of a run.
struct Part {
  std::string name;  ///< Of the engine, or "rank 3".
  int64_t trials = 0;
};

struct CampaignReport {
  int64_t plan = 0;  ///< Its id in the store.
  Ending ending = Ending::kDone;
  int64_t trials = 0;  ///< Run here.
  double seconds = 0;
  std::string engine;           ///< Empty where nothing was left to run.
  std::vector<Part> parts;      ///< Empty where one device of one process did all.
  int64_t verified = 0;         ///< Trials run twice.
  std::string verified_engine;  ///< Of the second run, with its threads; empty: none.
  std::vector<CellProgress> cells;
};

struct PlannedCell {
  std::string label;
  PilotCell pilot;
  int64_t trials = 0;       ///< Expected for the half-width; the plan's number without one.
  int64_t full_trials = 0;  ///< The same with all images a trial.
};

/// What a pilot expects of a plan.
struct Forecast {
  int64_t plan = 0;
  int64_t pilot_inferences = 0;
  int64_t images = 0;  ///< A trial, in this plan.
  int64_t dataset_images = 0;
  std::vector<PlannedCell> cells;
  int64_t inferences() const;       ///< Of all cells, as planned.
  int64_t full_inferences() const;  ///< Of all cells with all images a trial.
};

class Workload;

/// Throws Error where a plan is of a kind that no pilot can tell of.
void check_forecast(const Plan& plan);

/// A plan with its models in memory and its images on their way there, so that whoever opens the
/// store between making and running it does not wait for both in turn.
class Campaign {
 public:
  /// Throws Error where a model cannot be read or says nothing of a data set.
  Campaign(const Plan& plan, CampaignOptions options);
  ~Campaign();
  Campaign(const Campaign&) = delete;
  Campaign& operator=(const Campaign&) = delete;

  /// The result file to run into. Before one is made it throws what run() would of devices, images
  /// and networks that do not fit: what cannot be run leaves no file. One that is there is opened
  /// without that, since a finished plan needs no device.
  store::Store open_store(const std::filesystem::path& file);

  /// Runs what is missing of the plan into the store, sharing the work with other processes that
  /// run it too. Throws Error where the store holds a plan of this name with another meaning
  /// (named), where models or data do not fit, where a half-width was not reached within the time
  /// limit (what was reached is named), and where a model in memory is not bit for bit what it was
  /// before its trials. Finished trials are in the store in any case. Call
  /// once.
  CampaignReport run(store::Store& store, Observer& observer);

  /// Stores the plan with its pilot (or reads that of an earlier call) and tells what it will take.
  /// Throws what check_forecast() does. Call once.
  Forecast forecast(store::Store& store);

 private:
  CampaignOptions options_;
  std::unique_ptr<Workload> workload_;
};

/// Both in one.
CampaignReport run_campaign(const Plan& plan, store::Store& store, const CampaignOptions& options,
                            Observer& observer);

/// Making one and its forecast in one.
Forecast forecast_campaign(const Plan& plan, store::Store& store, const CampaignOptions& options);

}  // namespace flatenn::campaign
