#include "flatenn/campaign/campaign.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "campaign/batch_runner.h"
#include "campaign/batch_size.h"
#include "campaign/crew.h"
#include "campaign/prepare.h"
#include "campaign/settings.h"
#include "campaign/share_cell.h"
#include "campaign/stratified.h"
#include "campaign/tolerance_search.h"
#include "campaign/workload.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/engine/devices.h"
#include "flatenn/store/worker.h"
#include "store/database.h"

namespace flatenn::campaign {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One process's run of one plan.
class Run {
 public:
  Run(Workload& workload, store::Store& store, const PreparedPlan& prepared,
      const CampaignOptions& options, Observer& observer);
  CampaignReport go();

 private:
  bool finished(int64_t cell) const {
    const auto at = static_cast<size_t>(cell);
    return options_.share ? shares_[at].finished() : cells_[at].finished();
  }
  std::vector<int64_t> missing(int64_t cell, int64_t most) const;
  void choose_cells();
  bool is_wanted(int64_t cell) const {
    return wanted_[static_cast<size_t>(cell)] && !finished(cell);
  }
  bool all_finished() const;
  bool time_is_up() const;
  int64_t refresh();
  void check_database() const;
  void check_database_at_times();
  void report_cell(int64_t cell, bool was_finished);
  int64_t expected_trials() const;
  int64_t choose_model();
  std::vector<store::TrialKey> candidates(int64_t model, int64_t most) const;
  std::vector<store::TrialKey> candidates_of_crew();
  bool work();
  bool work_with_crew();
  void end_crew();
  CellProgress progress(int64_t cell) const;
  struct MeanSoFar {
    double mean = 0;
    Interval ci;
  };
  template <class Values>
  MeanSoFar mean_of(int64_t cell, const Values& values, const Summary& summary) const;
  MeanSoFar mean_of_strata(int64_t cell, const std::vector<StratumValues>& strata) const;
  CellProgress share_progress(int64_t cell) const;
  void check_half_width() const;
  void join_work();
  void open_worker();
  std::string engine_name() const;
  Ending loop();

  Workload& workload_;
  store::Store& store_;
  store::PlanRow plan_;
  const CampaignOptions& options_;
  Observer& observer_;
  Clock::time_point start_ = Clock::now();
  std::optional<Pilot> pilot_;
  std::vector<CellState> cells_;
  std::vector<ShareCell> shares_;  ///< Of each cell, where this run is a share.
  std::vector<bool> wanted_;       ///< Of each cell: has trials now or is to have some.
  int64_t last_row_ = 0;
  int64_t model_ = 0;
  BatchSize batch_;
  double seconds_a_trial_;  ///< As the pilot guessed; 0: unknown.
  BatchRunner runner_;
  int64_t verified_ = 0;
  Clock::time_point next_check_;
  std::optional<store::Worker> worker_;  ///< Empty where there is nothing to run.
  std::optional<Crew> crew_;             ///< Uses the worker.
  std::vector<Part> parts_;
};

int64_t logits_of_trial(const Workload& workload) {
  return workload.images_per_trial() * workload.subjects().front().network->classes();
}

/// As stored with the plan, so that a finished one needs no engine.
double golden_accuracy(const store::Store& store, const store::PlanRow& plan,
                       const Workload& workload, const store::CellRow& cell) {
  const store::GoldenRow golden =
      stored_golden(store, plan.name, plan.dataset, workload.subject_of(cell).hash);
  return static_cast<double>(golden.correct) / static_cast<double>(workload.images().count);
}

Run::Run(Workload& workload, store::Store& store, const PreparedPlan& prepared,
         const CampaignOptions& options, Observer& observer)
    : workload_(workload),
      store_(store),
      plan_(prepared.row),
      options_(options),
      observer_(observer),
      batch_(logits_of_trial(workload), prepared.seconds_a_trial),
      seconds_a_trial_(prepared.seconds_a_trial),
      runner_(workload, options.verify_share) {
  const nlohmann::json settings = nlohmann::json::parse(plan_.settings);
  if (!plan_.pilot.empty()) pilot_.emplace(Pilot::from_json(plan_.pilot));
  for (const store::CellRow& cell : workload.cells()) {
    const Estimator estimator{
        .control = pilot_ ? pilot_->cells[static_cast<size_t>(cell.cell)].control : 0,
        .golden_accuracy = golden_accuracy(store, plan_, workload, cell)};
    cells_.emplace_back(stop_rule_of(settings, workload.images_per_trial(),
                                     workload.trials_of(cell), estimator.golden_accuracy),
                        estimator);
    if (options.share) {
      shares_.emplace_back(*options.share, cell.cell, cells_.back().rule(), estimator,
                           options.share_until);
    }
  }
  choose_cells();
}

/// What the finished cells of a search say.
Side side_of(const CellState& cell) {
  const StopRule::Decision& decision = cell.decision();
  if (decision.reason == StopReason::kRunning) return Side::kUnmeasured;
  if (decision.reason != StopReason::kDecided) return Side::kUnsure;
  const auto used = cell.prefix().first(static_cast<size_t>(decision.trials));
  return summarize(used).mean >= cell.rule().limit.value() ? Side::kKeeps : Side::kCosts;
}

/// All cells; of a search those with trials and each network's and kind's next one. Cells stand by
/// model, kind and level.
void Run::choose_cells() {
  const Plan& plan = workload_.plan();
  wanted_.assign(cells_.size(), !plan.search_within);
  if (!plan.search_within) return;
  const size_t levels = plan.levels.size();
  for (size_t first = 0; first < cells_.size(); first += levels) {
    std::vector<Side> sides;
    for (size_t level = 0; level < levels; ++level) {
      const CellState& cell = cells_[first + level];
      wanted_[first + level] = cell.finished();
      sides.push_back(side_of(cell));
    }
    const auto next = next_in_search(plan.levels, sides, *plan.search_within);
    if (next) wanted_[first + static_cast<size_t>(*next)] = true;
  }
}

bool Run::all_finished() const {
  for (int64_t cell = 0; cell < std::ssize(cells_); ++cell) {
    if (is_wanted(cell)) return false;
  }
  return true;
}

bool Run::time_is_up() const {
  const double limit = workload_.plan().time_limit_s;
  return limit > 0 && seconds_since(start_) >= limit;
}

Run::MeanSoFar Run::mean_of_strata(int64_t cell, const std::vector<StratumValues>& strata) const {
  const CellState& state = cells_[static_cast<size_t>(cell)];
  const double golden = state.estimator().golden_accuracy;
  if (strata.empty()) return {golden, student_interval(golden, 0, 0)};
  const StratifiedMean mean = stratified_mean(
      strata, pilot_->cells[static_cast<size_t>(cell)].untouched, golden, state.rule().sd_floor);
  return {mean.mean, mean.ci};
}

/// Of values by stratum where the plan has strata, else as they are.
template <class Values>
Run::MeanSoFar Run::mean_of(int64_t cell, const Values& values, const Summary& summary) const {
  if (workload_.plan().stratified) {
    return mean_of_strata(cell, by_stratum(pilot_->cells[static_cast<size_t>(cell)], values));
  }
  return {summary.mean, student_interval(summary.mean, summary.sd, summary.count)};
}

/// What a share has of a cell: its own trials, whose gaps the other shares fill.
CellProgress Run::share_progress(int64_t cell) const {
  const ShareCell& share = shares_[static_cast<size_t>(cell)];
  const MeanSoFar so_far = mean_of(cell, share.values(), share.summary());
  return {.cell = cell,
          .label = workload_.label_of(workload_.cells()[static_cast<size_t>(cell)]),
          .trials = share.done(),
          .wanted = std::max(share.wanted(), share.done()),
          .mean = so_far.mean,
          .ci = so_far.ci,
          .stop = share.finished() ? StopReason::kTrials : StopReason::kRunning};
}

CellProgress Run::progress(int64_t cell) const {
  if (options_.share) return share_progress(cell);
  const CellState& state = cells_[static_cast<size_t>(cell)];
  const auto used = state.prefix().first(static_cast<size_t>(state.decision().trials));
  const MeanSoFar so_far = mean_of(cell, used, summarize(used));
  return {.cell = cell,
          .label = workload_.label_of(workload_.cells()[static_cast<size_t>(cell)]),
          .trials = state.decision().trials,
          .wanted = state.expected_trials(),
          .mean = so_far.mean,
          .ci = so_far.ci,
          .stop = state.decision().reason};
}

int64_t Run::expected_trials() const {
  int64_t sum = 0;
  for (const ShareCell& share : shares_) sum += std::max(share.wanted(), share.done());
  if (options_.share) return sum;
  for (size_t i = 0; i < cells_.size(); ++i) {
    const CellState& cell = cells_[i];
    sum += wanted_[i] ? std::max(cell.expected_trials(), cell.done()) : cell.done();
  }
  return sum;
}

/// Takes in what anyone has stored since the last look, and says how much it was.
int64_t Run::refresh() {
  const store::Store::News news = store_.trials_after(plan_.id, last_row_);
  last_row_ = news.last_row;
  if (news.trials.empty()) return 0;
  std::vector<int64_t> finished_now;
  for (const store::TrialRow& row : news.trials) {
    FLATENN_CHECK(row.cell >= 0 && row.cell < std::ssize(cells_), store_.path().string(),
                  ": is damaged: holds a trial of cell ", row.cell, ", the plan has ",
                  cells_.size());
    const bool before = finished(row.cell);
    cells_[static_cast<size_t>(row.cell)].add(row);
    if (options_.share) shares_[static_cast<size_t>(row.cell)].add(row);
    if (!before && finished(row.cell)) finished_now.push_back(row.cell);
  }
  if (!finished_now.empty()) choose_cells();
  observer_.advanced(static_cast<int64_t>(news.trials.size()), expected_trials(),
                     progress(news.trials.back().cell));
  for (const int64_t cell : finished_now) observer_.cell_finished(progress(cell));
  return std::ssize(news.trials);
}

/// Trials are only ever added; where some or the plan are gone, somebody else changed the file.
void Run::check_database() const {
  int64_t known = 0;
  for (const CellState& cell : cells_) known += cell.done();
  const auto stored = store_.find_plan(plan_.name);
  const bool same = stored && stored->id == plan_.id && stored->fingerprint == plan_.fingerprint;
  const int64_t held = store_.trial_count(plan_.id);
  FLATENN_CHECK(same && held >= known, store_.path().string(), ": was changed under the run: ",
                same ? detail::concat("of ", known, " finished trials of plan '", plan_.name, "' ",
                                      held, " are left")
                     : detail::concat("plan '", plan_.name, "' is gone or another one"),
                "; run the command again to go on from what is there");
}

/// Counting many trials takes long: where it does, at most a fiftieth of the time goes into it.
void Run::check_database_at_times() {
  constexpr auto kLong = std::chrono::milliseconds(1);
  const auto start = Clock::now();
  if (start < next_check_) return;
  check_database();
  const auto spent = Clock::now() - start;
  if (spent > kLong) next_check_ = start + 50 * spent;
}

/// One model after the other, so that one engine is in memory; with a time limit in turns, so that
/// every cell gets its share.
int64_t Run::choose_model() {
  const auto models = static_cast<int64_t>(workload_.models().size());
  const auto pending = [&](int64_t model) {
    return std::any_of(
        workload_.cells().begin(), workload_.cells().end(),
        [&](const store::CellRow& cell) { return cell.model == model && is_wanted(cell.cell); });
  };
  const int64_t first = workload_.plan().time_limit_s > 0 ? (model_ + 1) % models : model_;
  for (int64_t i = 0; i < models; ++i) {
    const int64_t model = (first + i) % models;
    if (!pending(model)) {
      workload_.release_engine(model);
      continue;
    }
    return model;
  }
  return model_;
}

std::vector<int64_t> Run::missing(int64_t cell, int64_t most) const {
  const auto at = static_cast<size_t>(cell);
  return options_.share ? shares_[at].missing(most) : cells_[at].missing(most);
}

/// Trials the model's cells still need, `most` a cell, lowest numbers first.
std::vector<store::TrialKey> Run::candidates(int64_t model, int64_t most) const {
  std::vector<store::TrialKey> keys;
  for (const store::CellRow& cell : workload_.cells()) {
    if (cell.model != model || !is_wanted(cell.cell)) continue;
    for (const int64_t trial : missing(cell.cell, most)) {
      keys.push_back({.cell = cell.cell, .trial = trial});
    }
  }
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.trial < b.trial; });
  return keys;
}

/// Runs one batch; false where other workers hold everything there is to do.
bool Run::work() {
  constexpr int64_t kEnough = 4096;  // more than all workers together have in flight
  const auto models = static_cast<int64_t>(workload_.models().size());
  model_ = choose_model();
  for (int64_t i = 0; i < models; ++i) {
    const int64_t model = (model_ + i) % models;
    const auto keys = worker_->claim(candidates(model, kEnough), batch_.next());
    if (keys.empty()) continue;
    const auto start = Clock::now();
    const std::vector<store::TrialRow> rows = runner_.run(keys);
    verified_ += runner_.verify(rows);
    worker_->record(rows);
    batch_.learn(static_cast<int64_t>(keys.size()), seconds_since(start),
                 workload_.prepares_ahead());
    return true;
  }
  return false;
}

/// What no rank has yet, one model after the other; with a time limit each time from another one
/// on.
std::vector<store::TrialKey> Run::candidates_of_crew() {
  const auto models = static_cast<int64_t>(workload_.models().size());
  if (workload_.plan().time_limit_s > 0) model_ = (model_ + 1) % models;
  const int64_t most = crew_->wanted() + crew_->outstanding();
  std::vector<store::TrialKey> keys;
  for (int64_t i = 0; i < models; ++i) {
    for (const store::TrialKey& key : candidates((model_ + i) % models, most)) {
      if (!crew_->holds(key)) keys.push_back(key);
    }
  }
  return keys;
}

/// Lets all ranks work until there are rows to store; false where there are none yet.
bool Run::work_with_crew() {
  if (crew_->wanted() > 0) crew_->offer(worker_->claim(candidates_of_crew(), crew_->wanted()));
  int64_t done = 0;
  for (const CellState& cell : cells_) done += cell.done();
  return crew_->turn(std::max(expected_trials() - done, crew_->outstanding()));
}

/// Takes in what has come, at once (a launcher that ends a run kills it soon), and then what the
/// ranks still had under way.
void Run::end_crew() {
  crew_->store_rows();
  crew_->end();
  crew_->store_rows();
  refresh();
  verified_ += crew_->verified();
  parts_ = crew_->parts();
  std::string text;
  for (const Part& part : parts_)
    text += detail::concat(text.empty() ? "" : ", ", part.name, " ", part.trials);
  log::info("trials by who ran them: ", text);
}

/// A finished plan needs no engine, nor the machine that it ran on.
void Run::join_work() {
  check_devices(options_);
  workload_.run_goldens();
  open_worker();
  const bool alone = options_.transport == nullptr || options_.transport->size() == 1;
  if (alone && options_.devices.size() < 2) return;
  crew_.emplace(workload_, options_, plan_, *worker_, seconds_a_trial_);
}

void Run::open_worker() {
  std::string name = engine_name();
  if (options_.transport != nullptr && options_.transport->size() > 1)
    name += detail::concat(", rank 0 of ", options_.transport->size());
  worker_.emplace(store_, store::Worker::Description{.plan = plan_.id,
                                                     .engine = name.empty() ? "none" : name,
                                                     .threads = options_.engine.threads});
}

/// With all its devices: "cuda:0-3/NVIDIA H200/whole".
std::string Run::engine_name() const {
  const std::string name = workload_.engine_name();
  if (options_.devices.size() < 2 || name.empty()) return name;
  return name.substr(0, name.find_first_of(":/")) + ":" + engine::device_list(options_.devices) +
         name.substr(std::min(name.find('/'), name.size()));
}

Ending Run::loop() {
  constexpr auto kPause = std::chrono::milliseconds(100);
  refresh();
  if (!all_finished()) join_work();
  while (!all_finished()) {
    if (options_.stop_requested && options_.stop_requested()) return Ending::kInterrupted;
    if (time_is_up()) return Ending::kTimeLimit;
    const bool worked = crew_ ? work_with_crew() : work();
    if (!worked && !crew_) std::this_thread::sleep_for(kPause);
    // Where neither this run nor another got anything into the file, no later round will either.
    FLATENN_CHECK(refresh() > 0 || !worked, store_.path().string(),
                  ": is damaged: it takes finished trials and does not give them back");
    if (worked || !crew_) check_database_at_times();
  }
  return Ending::kDone;
}

/// Says what was reached where time ran out before a wanted half-width.
void Run::check_half_width() const {
  int64_t open = 0;
  CellProgress worst;
  for (size_t i = 0; i < cells_.size(); ++i) {
    if (finished(static_cast<int64_t>(i))) continue;
    ++open;
    const CellProgress cell = progress(static_cast<int64_t>(i));
    if (open == 1 || cell.ci.half_width() > worst.ci.half_width()) worst = cell;
  }
  FLATENN_CHECK(open == 0, store_.path().string(), ": half-width ",
                workload_.plan().half_width.value_or(0), " was not reached within ",
                workload_.plan().time_limit_s, " s in ", open, " of ", cells_.size(),
                " cells; the widest, ", worst.label, ", reached ", worst.ci.half_width(), " after ",
                worst.trials, " trials; all finished trials are kept");
}

CampaignReport Run::go() {
  int64_t done = store_.trial_count(plan_.id);
  observer_.started(plan_.name, done, std::max(done, expected_trials()));
  CampaignReport report;
  report.plan = plan_.id;
  report.ending = loop();
  if (crew_) end_crew();
  if (report.ending == Ending::kDone) {
    if (crew_) crew_->check_unchanged();
    for (int64_t model = 0; model < std::ssize(workload_.models()); ++model) {
      workload_.check_unchanged(model);
    }
  }
  crew_.reset();
  if (worker_) report.trials = worker_->trials_recorded();
  report.seconds = seconds_since(start_);
  report.engine = engine_name();
  report.parts = parts_;
  report.verified = verified_;
  report.verified_engine = workload_.second_engine_name();
  for (size_t i = 0; i < cells_.size(); ++i) {
    const bool looked_at = !workload_.plan().search_within || cells_[i].done() > 0;
    if (looked_at) report.cells.push_back(progress(static_cast<int64_t>(i)));
  }
  // A share that found all its trials there is done too, which only a run's end can tell.
  if (!worker_ && options_.share) open_worker();
  if (worker_) worker_->finish(to_string(report.ending));
  if (report.ending == Ending::kTimeLimit && workload_.plan().half_width) check_half_width();
  return report;
}

}  // namespace

Campaign::Campaign(const Plan& plan, CampaignOptions options)
    : options_(std::move(options)),
      workload_(std::make_unique<Workload>(plan, workload_options(options_))) {}

Campaign::~Campaign() = default;

store::Store Campaign::open_store(const std::filesystem::path& file) {
  constexpr auto kWrite = store::Store::Access::kWrite;
  store::check_openable(file, kWrite);
  if (!std::filesystem::exists(file)) {
    check_inputs(*workload_, options_);
    check_devices(options_);
    workload_->run_goldens();
  }
  return store::Store::open(file, kWrite);
}

CampaignReport Campaign::run(store::Store& store, Observer& observer) {
  const PreparedPlan prepared = prepare(*workload_, store, options_, false);
  return Run(*workload_, store, prepared, options_, observer).go();
}

CampaignReport run_campaign(const Plan& plan, store::Store& store, const CampaignOptions& options,
                            Observer& observer) {
  return Campaign(plan, options).run(store, observer);
}

}  // namespace flatenn::campaign
