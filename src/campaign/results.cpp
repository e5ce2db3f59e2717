#include "flatenn/campaign/results.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "campaign/analysis.h"
#include "campaign/cell_state.h"
#include "campaign/settings.h"
#include "campaign/stratified.h"
#include "flatenn/base/error.h"
#include "flatenn/campaign/campaign.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

std::vector<Level> read_levels(const json& settings, const json& layout) {
  std::vector<Level> levels;
  for (const json& entry : settings.at("levels")) {
    Level level;
    if (entry.contains("count")) level.count = entry.at("count").get<int64_t>();
    if (entry.contains("rate")) level.rate = entry.at("rate").get<double>();
    if (entry.contains("voltage")) level.voltage = entry.at("voltage").get<double>();
    level.label = layout.at("levels").at(levels.size());
    levels.push_back(level);
  }
  return levels;
}

std::vector<ModelResult> read_models(const store::Store& store, const PlanResult& plan,
                                     const json& layout) {
  std::vector<ModelResult> models;
  for (store::PlanModelRow& row : store.plan_models(plan.id)) {
    const json& entry = layout.at("models").at(models.size());
    const store::GoldenRow golden =
        stored_golden(store, plan.name, plan.dataset_hash, entry.at("goldens").at(0));
    ModelResult model;
    model.name = std::move(row.name);
    model.hash = row.hash;
    model.metadata = std::move(row.metadata);
    model.path = entry.at("path");
    model.golden_accuracy =
        static_cast<double>(golden.correct) / static_cast<double>(plan.dataset_images);
    model.golden_loss = golden.loss;
    if (const auto stored = store.model(row.hash)) model.weight_bits = stored->weight_bits;
    models.push_back(std::move(model));
  }
  return models;
}

/// What all cells of a plan need to read their trials.
struct ResultsReader {
  const store::Store& store;
  const PlanResult& plan;
  json settings;
  json layout;
  std::optional<Pilot> pilot;
  bool share_is_done = false;  ///< The last run of the share ended by itself.

  store::GoldenRow golden(const store::CellRow& cell) const {
    const json& goldens = layout.at("models").at(static_cast<size_t>(cell.model)).at("goldens");
    return stored_golden(store, plan.name, plan.dataset_hash,
                         goldens.at(static_cast<size_t>(cell.kind)));
  }

  Estimator estimator(const store::CellRow& cell, const store::GoldenRow& golden) const {
    return {.control = pilot ? pilot->cells.at(static_cast<size_t>(cell.cell)).control : 0,
            .golden_accuracy =
                static_cast<double>(golden.correct) / static_cast<double>(plan.dataset_images)};
  }

  StopRule rule(double golden_accuracy) const {
    const int64_t images = pilot ? pilot->images_per_trial : plan.dataset_images;
    return stop_rule_of(settings, images, settings.at("trials").get<int64_t>(), golden_accuracy);
  }

  /// A share's own trials of a cell count from 0: any of them are a fair sample of fault maps.
  /// Whether they are enough is for all shares together to say, unless the plan has a fixed number.
  StopRule count_own_trials(int64_t cell, StopRule stop,
                            std::vector<store::TrialRow>& trials) const {
    for (size_t i = 0; i < trials.size(); ++i) trials[i].trial = static_cast<int64_t>(i);
    const bool fixed = !stop.half_width && !stop.limit;
    return {.max_trials = fixed ? plan.share->trials_below(cell, stop.max_trials)
                                : std::numeric_limits<int64_t>::max(),
            .half_width = std::nullopt,
            .limit = std::nullopt,
            .sd_floor = stop.sd_floor};
  }

  CellResult cell(const store::CellRow& row) const {
    const store::GoldenRow pass = golden(row);
    const Estimator values = estimator(row, pass);
    auto trials = store.trials(plan.id, row.cell);
    if (plan.share) {
      std::erase_if(trials, [&](const store::TrialRow& trial) {
        return !plan.share->holds(row.cell, trial.trial);
      });
    }
    StopRule stop = rule(values.golden_accuracy);
    if (plan.share && !plan.stratified) stop = count_own_trials(row.cell, stop, trials);
    const double wanted = plan.yield_accuracy(row.model);
    CellResult result =
        plan.stratified
            ? stratified_cell(row, trials, stop, {values.golden_accuracy, pass.loss}, wanted)
            : analyse_cell(trials, stop, values, wanted, plan.seed);
    result.model = row.model;
    result.kind = row.kind;
    result.level = row.level;
    if (result.stop == StopReason::kRunning && plan.time_limited) {
      result.stop = StopReason::kTimeLimit;
    } else if (result.stop == StopReason::kRunning && share_is_done) {
      result.stop = StopReason::kShare;
    }
    if (result.images > 0 && result.images < plan.dataset_images) {
      result.yield = std::numeric_limits<double>::quiet_NaN();
      result.yield_ci = {result.yield, result.yield};
    }
    return result;
  }

  /// A stratified cell's trial numbers say which stratum they are of.
  CellResult stratified_cell(const store::CellRow& row, std::span<const store::TrialRow> trials,
                             const StopRule& stop, const GoldenValues& golden,
                             double wanted) const {
    const CountedTrials counted =
        plan.share ? count_share(trials, *plan.share, row.cell, stop) : count_prefix(trials, stop);
    return analyse_stratified(counted, stop.sd_floor,
                              pilot.value().cells.at(static_cast<size_t>(row.cell)), golden,
                              wanted);
  }

  StratumResult stratum(const store::CellRow& row) const {
    const json& entry = layout.at("models")
                            .at(static_cast<size_t>(row.model))
                            .at("strata")
                            .at(static_cast<size_t>(row.level));
    StratumResult result;
    result.model = row.model;
    result.kind = row.kind;
    result.layer = entry.at("layer");
    result.layer_name = entry.at("name");
    result.bit = entry.at("bit");
    result.population = entry.at("population");
    result.wanted = entry.at("wanted");
    analyse_stratum(store.trials(plan.id, row.cell), result);
    return result;
  }
};

void read_settings(const json& settings, const json& layout, PlanResult& plan) {
  plan.seed = settings.at("seed");
  plan.dataset = settings.at("dataset").at("name");
  plan.data = layout.value("data", plan.dataset);
  plan.dataset_images = settings.at("dataset").at("images");
  plan.single_fault = !settings.at("single_fault").is_null();
  for (const json& kind : settings.at("kinds")) plan.kinds.push_back(kind.at("name"));
  plan.stratified = settings.contains("estimator");
  plan.levels = read_levels(settings, layout);
  plan.tolerated_drop = layout.at("tolerated_drop");
  if (settings.contains("search"))
    plan.search_within = settings.at("search").at("within").get<double>();
  if (!layout.at("wanted_accuracy").is_null())
    plan.wanted_accuracy = layout.at("wanted_accuracy").get<double>();
  plan.plan_file = layout.at("plan_file");
  plan.split = layout.at("split");
}

/// Of all the rates that a search may look at, those that it did.
void keep_measured_levels(PlanResult& plan) {
  std::erase_if(plan.cells, [](const CellResult& cell) { return cell.accuracy.count == 0; });
  std::vector<bool> measured(plan.levels.size());
  for (const CellResult& cell : plan.cells) measured.at(static_cast<size_t>(cell.level)) = true;
  std::vector<int64_t> place(plan.levels.size());
  std::vector<Level> levels;
  for (size_t i = 0; i < plan.levels.size(); ++i) {
    place[i] = std::ssize(levels);
    if (measured[i]) levels.push_back(plan.levels[i]);
  }
  plan.levels = std::move(levels);
  for (CellResult& cell : plan.cells) cell.level = place[static_cast<size_t>(cell.level)];
}

PlanResult read_plan_result(const store::Store& store, const store::PlanRow& row) {
  PlanResult plan;
  plan.id = row.id;
  plan.name = row.name;
  plan.fingerprint = row.fingerprint;
  plan.settings_json = row.settings;
  plan.version = row.version;
  plan.created = row.created;
  plan.dataset_hash = row.dataset;
  plan.share = stored_share(row);
  if (plan.share && plan.share->of == 1) plan.share.reset();
  ResultsReader reader{.store = store,
                       .plan = plan,
                       .settings = json::parse(row.settings),
                       .layout = json::parse(row.layout),
                       .pilot = std::nullopt};
  if (!row.pilot.empty()) reader.pilot = Pilot::from_json(row.pilot);
  read_settings(reader.settings, reader.layout, plan);
  for (const store::RunRow& run : store.runs(row.id)) {
    plan.finished = std::max(plan.finished, run.finished);
    if (run.end == "failed") continue;  // a rank that was left out too: says nothing of the rest
    plan.time_limited = run.end == to_string(Ending::kTimeLimit);
    reader.share_is_done = plan.share && run.end == to_string(Ending::kDone);
  }
  plan.models = read_models(store, plan, reader.layout);
  for (const store::CellRow& cell : store.cells(row.id)) {
    if (plan.single_fault) {
      plan.strata.push_back(reader.stratum(cell));
    } else {
      plan.cells.push_back(reader.cell(cell));
    }
  }
  if (plan.search_within) keep_measured_levels(plan);
  add_stratum_totals(plan);
  // Cells of one share hold different trials, so no two models have met common maps in it.
  if (!plan.share) plan.pairs = compare_pairs(plan);
  plan.tolerances = find_tolerances(plan);
  return plan;
}

[[noreturn]] void fail_damaged(const store::Store& store, const store::PlanRow& row) {
  throw Error(store.path().string() + ": plan '" + row.name +
              "' is damaged: its settings are not as flatenn wrote them");
}

}  // namespace

std::string ModelResult::meta(const std::string& key) const {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

std::string ModelResult::arm() const {
  const std::string recipe = meta("recipe");
  const std::string activation = meta("activation");
  if (recipe.empty() && activation.empty()) return name;
  return recipe.empty() || activation.empty() ? recipe + activation : recipe + "/" + activation;
}

std::optional<int64_t> ModelResult::training_seed() const {
  const std::string text = meta("seed");
  if (text.empty() || !std::all_of(text.begin(), text.end(), ::isdigit)) return std::nullopt;
  return std::stoll(text);
}

int64_t CellResult::trials() const {
  int64_t sum = 0;
  for (const MapStratumResult& stratum : map_strata) sum += stratum.trials;
  return stratified() ? sum : accuracy.count;
}

std::string CellResult::untold() const {
  if (!stratified() || accuracy.count > 0) return "";
  std::string short_of;
  for (const MapStratumResult& stratum : map_strata) {
    if (stratum.trials >= 2) continue;
    if (!short_of.empty()) short_of += ", ";
    short_of += detail::concat(stratum.trials, " of ", stratum.name);
  }
  return "an estimate needs two trials of each class, there are " + short_of;
}

double PlanResult::yield_accuracy(int64_t model) const {
  return wanted_accuracy.value_or(models.at(static_cast<size_t>(model)).golden_accuracy -
                                  tolerated_drop);
}

bool PlanResult::by_counts() const { return !levels.empty() && levels.front().count.has_value(); }

const CellResult* PlanResult::cell(int64_t model, int64_t kind, int64_t level) const {
  const auto found = std::find_if(cells.begin(), cells.end(), [&](const CellResult& cell) {
    return cell.model == model && cell.kind == kind && cell.level == level;
  });
  return found == cells.end() ? nullptr : &*found;
}

std::vector<PlanResult> load_results(const store::Store& store) {
  std::vector<PlanResult> results;
  for (const store::PlanRow& row : store.plans()) {
    try {
      results.push_back(read_plan_result(store, row));
    } catch (const json::exception&) {
      fail_damaged(store, row);
    } catch (const std::out_of_range&) {
      fail_damaged(store, row);
    }
  }
  return results;
}

std::vector<PlanResult> load_results(const std::filesystem::path& database) {
  return load_results(store::Store::open(database, store::Store::Access::kRead));
}

}  // namespace flatenn::campaign
