#include "study/regime_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "flatenn/base/file.h"
#include "flatenn/campaign/results.h"
#include "study/grid_cells.h"
#include "study/judgement.h"
#include "study/run_campaigns.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// What a run folder says of a network.
struct TrainedNetwork {
  double sparsity = 0;
  double least_rms = 0;
  std::string broken;  ///< The first layer whose codes are out of range.
};

/// Of "layer fc: code rms 0.8 is under 1: ...", what stands before the second colon.
std::string shortened(const std::string& warning) {
  const size_t colon = warning.find(':');
  return colon == std::string::npos ? warning : warning.substr(0, warning.find(':', colon + 1));
}

TrainedNetwork read_network(const fs::path& run) {
  TrainedNetwork network;
  if (!fs::exists(run / "run.json")) return network;
  const json record = json::parse(read_file(run / "run.json"), nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.value("result", json()).is_object()) return network;
  const json& result = record["result"];
  network.sparsity = result.value("sparsity", 0.0);
  const json all_rms = result.value("code_rms", json::object());
  for (const json& rms : all_rms) {
    const double value = rms.get<double>();
    network.least_rms = network.least_rms == 0 ? value : std::min(network.least_rms, value);
  }
  for (const json& warning : result.value("warnings", json::array())) {
    const std::string text = warning.is_string() ? warning.get<std::string>() : "";
    if (network.broken.empty() && text.find("code rms") != std::string::npos)
      network.broken = shortened(text);
  }
  return network;
}

/// What was measured of one regime.
class RegimeResults {
 public:
  RegimeResults(const Grid& grid, const fs::path& folder) : grid_(grid), folder_(folder) {
    if (!fs::exists(folder / "campaign.db")) return;
    for (campaign::PlanResult& plan : campaign::load_results(folder / "campaign.db")) {
      if (plan.models.size() != 1) continue;
      if (const auto seed = plan.models.front().training_seed()) seeds_.insert(*seed);
      const std::string name = plan.name;
      plans_.insert_or_assign(name, std::move(plan));
    }
  }

  const std::set<int64_t>& seeds() const { return seeds_; }

  /// The campaign of a network on weights stored so; null: none.
  const campaign::PlanResult* plan(const std::string& arm, int64_t seed,
                                   const std::string& encoding) const {
    const std::string question =
        encoding == grid_.encodings.front() ? kAllLayers : "stored as " + encoding;
    const auto found = plans_.find(question + ": " + network_name(arm, seed));
    return found == plans_.end() ? nullptr : &found->second;
  }

  const TrainedNetwork& network(const std::string& arm, int64_t seed) {
    const std::string name = network_name(arm, seed);
    const auto known = networks_.find(name);
    if (known != networks_.end()) return known->second;
    return networks_[name] = read_network(folder_ / "runs" / name);
  }

  static std::string network_name(const std::string& arm, int64_t seed) {
    return arm + "-seed" + std::to_string(seed);
  }

 private:
  const Grid& grid_;
  fs::path folder_;
  std::set<int64_t> seeds_;
  std::map<std::string, campaign::PlanResult> plans_;
  std::map<std::string, TrainedNetwork> networks_;
};

const campaign::CellResult* cell_of(const campaign::PlanResult& plan, const std::string& kind,
                                    double rate) {
  const auto at_kind = std::find(plan.kinds.begin(), plan.kinds.end(), kind);
  const auto at_level =
      std::find_if(plan.levels.begin(), plan.levels.end(),
                   [&](const campaign::Level& level) { return level.rate == rate; });
  if (at_kind == plan.kinds.end() || at_level == plan.levels.end()) return nullptr;
  return plan.cell(0, at_kind - plan.kinds.begin(), at_level - plan.levels.begin());
}

/// A row as it is before it is judged.
struct MeasuredRow {
  RegimeRow row;
  Measured measured;
};

std::string judged_arm(const GridArm& arm) {
  return arm.recipe + (arm.sparsity == kNoSparsity ? "/standard" : "/sparse");
}

void add_seed(MeasuredRow& all, RegimeResults& results, const ArmPair& arms, int64_t seed) {
  const std::string better = arms.better.name(), worse = arms.worse.name();
  RegimeRow& row = all.row;
  Measured& measured = all.measured;
  const campaign::PlanResult* const a = results.plan(worse, seed, row.encoding);
  const campaign::PlanResult* const b = results.plan(better, seed, row.encoding);
  if (a == nullptr || b == nullptr) return;
  const campaign::CellResult* const cell_a = cell_of(*a, measured.claim.kind, measured.claim.rate);
  const campaign::CellResult* const cell_b = cell_of(*b, measured.claim.kind, measured.claim.rate);
  if (cell_a == nullptr || cell_b == nullptr) return;
  campaign::PairResult pair = campaign::compare_cells(*cell_a, *cell_b);
  if (pair.trials == 0) return;
  const double golden_a = a->models.front().golden_accuracy;
  const double golden_b = b->models.front().golden_accuracy;
  if (measured.claim.quantity == "accuracy kept") {
    pair.difference -= golden_b - golden_a;
    pair.ci = {pair.ci.low - (golden_b - golden_a), pair.ci.high - (golden_b - golden_a)};
  }
  if (measured.by_seed.empty() && pair.trials > 1) measured.claim.networks = pair.ci;
  measured.by_seed.push_back(pair.difference);
  row.better_accuracy += cell_b->accuracy.mean;
  row.worse_accuracy += cell_a->accuracy.mean;
  row.better_golden += golden_b;
  row.worse_golden += golden_a;
  const TrainedNetwork& network = results.network(worse, seed);
  if (measured.by_seed.size() == 1 || network.least_rms < row.code_rms)
    row.code_rms = network.least_rms;
  if (row.broken.empty()) row.broken = network.broken;
  if (measured.mismatch.empty() && arms.better.sparsity == arms.worse.sparsity) {
    const std::string name_b = RegimeResults::network_name(better, seed);
    const std::string name_a = RegimeResults::network_name(worse, seed);
    measured.mismatch = sparsity_mismatch(
        {judged_arm(arms.better), name_b}, {judged_arm(arms.worse), name_a},
        {{name_b, results.network(better, seed).sparsity}, {name_a, network.sparsity}});
  }
}

/// Accuracies as means over seeds.
void finish(MeasuredRow& all) {
  const auto seeds = static_cast<double>(all.measured.by_seed.size());
  for (double* sum : {&all.row.better_accuracy, &all.row.worse_accuracy, &all.row.better_golden,
                      &all.row.worse_golden})
    *sum /= seeds;
}

/// All rows of one regime that have been measured.
class RegimeMeasurement {
 public:
  RegimeMeasurement(const Grid& grid, const Regime& regime, const fs::path& out)
      : grid_(grid), regime_(regime), results_(grid, regime_folder(out, regime)) {}

  std::vector<MeasuredRow> rows() {
    for (const GridComparison& comparison : grid_.comparisons) {
      for (const ArmPair& arms : compared_arms(grid_, comparison)) {
        for (const std::string& encoding : grid_.encodings) compare(comparison, arms, encoding);
      }
    }
    return std::move(rows_);
  }

 private:
  void compare(const GridComparison& comparison, const ArmPair& arms, const std::string& encoding) {
    for (const std::string& kind : grid_.shared.campaign.kinds) {
      for (const double rate : grid_.shared.campaign.rates) {
        MeasuredRow measured = blank_row(comparison, arms, encoding, kind, rate);
        for (const int64_t seed : results_.seeds()) add_seed(measured, results_, arms, seed);
        if (measured.measured.by_seed.empty()) continue;
        finish(measured);
        rows_.push_back(std::move(measured));
      }
    }
  }

  MeasuredRow blank_row(const GridComparison& comparison, const ArmPair& arms,
                        const std::string& encoding, const std::string& kind, double rate) const {
    const GridNetwork& network = grid_.networks[regime_.network];
    MeasuredRow blank;
    blank.row = {.comparison = comparison.id,
                 .regime = regime_.name,
                 .network = network.name,
                 .bits = regime_.bits,
                 .first_last = regime_.first_last,
                 .quantizer = regime_.quantizer,
                 .better = arms.better.name(),
                 .worse = arms.worse.name(),
                 .sparsity = arms.better.sparsity,
                 .encoding = encoding};
    blank.row.claimed = is_claimed(comparison, {{"networks", network.name},
                                                {"bits", regime_.bits},
                                                {"first_last", regime_.first_last},
                                                {"quantizers", regime_.quantizer},
                                                {"sparsity", arms.better.sparsity},
                                                {"encodings", encoding},
                                                {"kinds", kind},
                                                {kRates, rate_text(rate)}});
    blank.measured.claim = {.id = comparison.id,
                            .statement = comparison.statement,
                            .better = arms.better.name(),
                            .worse = arms.worse.name(),
                            .kind = kind,
                            .rate = rate,
                            .quantity = comparison.quantity,
                            .unit = "points"};
    return blank;
  }

  const Grid& grid_;
  const Regime& regime_;
  RegimeResults results_;
  std::vector<MeasuredRow> rows_;
};

/// Judges the rows that are claimed, or those that are not.
void judge(std::vector<MeasuredRow>& rows, bool claimed, int64_t min_seeds) {
  std::vector<Measured> together;
  for (const MeasuredRow& row : rows)
    if (row.row.claimed == claimed) together.push_back(row.measured);
  std::vector<report::Claim> judged = judge_together(std::move(together), min_seeds);
  auto next = judged.begin();
  for (MeasuredRow& row : rows)
    if (row.row.claimed == claimed) row.row.claim = std::move(*next++);
}

void mark_exploratory(report::Claim& claim) {
  claim.holm_p_value.reset();
  claim.verdict = "exploratory";
  claim.reason.clear();
}

}  // namespace

fs::path regime_folder(const fs::path& out, const Regime& regime) {
  return out / "regimes" / regime.name;
}

std::vector<RegimeRow> judge_regimes(const Grid& grid, const std::vector<Regime>& regimes,
                                     const fs::path& out) {
  std::vector<MeasuredRow> measured;
  for (const Regime& regime : regimes) {
    for (MeasuredRow& row : RegimeMeasurement(grid, regime, out).rows())
      measured.push_back(std::move(row));
  }
  for (const bool claimed : {true, false}) judge(measured, claimed, grid.shared.min_seeds);
  std::vector<RegimeRow> rows;
  for (MeasuredRow& row : measured) {
    if (!row.row.claimed) mark_exploratory(row.row.claim);
    rows.push_back(std::move(row.row));
  }
  return rows;
}

}  // namespace flatenn::study
