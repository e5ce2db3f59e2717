#include "flatenn/campaign/standing.h"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "campaign/cell_state.h"
#include "campaign/settings.h"
#include "flatenn/campaign/pilot.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

/// A cell with the values of its trials, in the order of files.
struct Cell {
  int64_t cell = 0;
  std::string label;
  StopRule rule;
  Estimator estimator;
  std::vector<std::pair<int64_t, double>> values;  ///< By trial.

  CellStanding standing();
};

CellStanding Cell::standing() {
  const auto number = [](const auto& value) { return value.first; };
  std::ranges::stable_sort(values, {}, number);
  const auto again = std::ranges::unique(values, {}, number);
  values.erase(again.begin(), again.end());
  CellState state(rule, estimator);
  for (const auto& [trial, value] : values) state.add(trial, value);
  return {.cell = cell,
          .label = label,
          .stored = state.done(),
          .wanted = state.decision().wanted,
          .at_most = state.finished() ? state.decision().trials : rule.max_trials,
          .stop = state.decision().reason,
          .missing = state.missing(std::numeric_limits<int64_t>::max())};
}

/// What a plan's cells need to look at their trials.
class Looker {
 public:
  Looker(const store::Store& store, const store::PlanRow& plan)
      : store_(store),
        plan_(plan),
        settings_(json::parse(plan.settings)),
        layout_(json::parse(plan.layout)),
        models_(store.plan_models(plan.id)),
        images_(settings_.at("dataset").at("images").get<int64_t>()) {
    if (!plan.pilot.empty()) pilot_ = Pilot::from_json(plan.pilot);
  }

  bool is_search() const { return settings_.contains("search"); }
  bool has_half_width() const { return !settings_.at("half_width").is_null(); }

  Cell cell(const store::CellRow& row) const {
    const Estimator values = estimator(row);
    const int64_t images = pilot_ ? pilot_->images_per_trial : images_;
    return {.cell = row.cell,
            .label = label_of(row),
            .rule = stop_rule_of(settings_, images, bound_of(row), values.golden_accuracy),
            .estimator = values};
  }

 private:
  const json& model_of(const store::CellRow& row) const {
    return layout_.at("models").at(static_cast<size_t>(row.model));
  }
  bool is_single() const { return !settings_.at("single_fault").is_null(); }
  const json& stratum_of(const store::CellRow& row) const {
    return model_of(row).at("strata").at(static_cast<size_t>(row.level));
  }

  int64_t bound_of(const store::CellRow& row) const {
    return (is_single() ? stratum_of(row).at("wanted") : settings_.at("trials")).get<int64_t>();
  }

  std::string label_of(const store::CellRow& row) const {
    std::string place;
    if (is_single()) {
      const json& stratum = stratum_of(row);
      place = stratum.at("name").get<std::string>() + " bit " +
              std::to_string(stratum.at("bit").get<int64_t>());
    } else {
      place = layout_.at("levels").at(static_cast<size_t>(row.level)).get<std::string>();
    }
    const json& kind = settings_.at("kinds").at(static_cast<size_t>(row.kind)).at("name");
    return models_.at(static_cast<size_t>(row.model)).name + " " + kind.get<std::string>() + " " +
           place;
  }

  Estimator estimator(const store::CellRow& row) const {
    const json& golden = model_of(row).at("goldens").at(static_cast<size_t>(row.kind));
    const auto pass = stored_golden(store_, plan_.name, plan_.dataset, golden);
    return {.control = pilot_ ? pilot_->cells.at(static_cast<size_t>(row.cell)).control : 0,
            .golden_accuracy = static_cast<double>(pass.correct) / static_cast<double>(images_)};
  }

  const store::Store& store_;
  const store::PlanRow& plan_;
  json settings_;
  json layout_;
  std::vector<store::PlanModelRow> models_;
  int64_t images_;
  std::optional<Pilot> pilot_;
};

/// The sum over the cells of what `count` says of each.
template <typename Count>
int64_t sum_of(const std::vector<CellStanding>& cells, Count count) {
  return std::accumulate(
      cells.begin(), cells.end(), int64_t{0},
      [&](int64_t sum, const CellStanding& cell) { return sum + int64_t{count(cell)}; });
}

}  // namespace

int64_t PlanStanding::stored() const {
  return sum_of(cells, [](const CellStanding& cell) { return cell.stored; });
}

int64_t PlanStanding::missing() const {
  return sum_of(cells, [](const CellStanding& cell) { return std::ssize(cell.missing); });
}

int64_t PlanStanding::at_most() const {
  return sum_of(cells, [](const CellStanding& cell) { return cell.at_most; });
}

int64_t PlanStanding::left() const {
  return sum_of(cells, [](const CellStanding& cell) {
    const bool running = cell.stop == StopReason::kRunning;
    return running ? std::max<int64_t>(0, cell.at_most - cell.stored) : 0;
  });
}

int64_t PlanStanding::finished_cells() const {
  return sum_of(cells, [](const CellStanding& cell) { return cell.stop != StopReason::kRunning; });
}

struct JoinedStanding::State {
  PlanStanding plan;  ///< But its cells.
  std::vector<Cell> cells;
};

JoinedStanding::JoinedStanding(const store::Store& store, const store::PlanRow& plan)
    : state_(std::make_unique<State>()) {
  const Looker looker(store, plan);
  state_->plan = {.name = plan.name,
                  .is_search = looker.is_search(),
                  .may_end_early = looker.is_search() || looker.has_half_width()};
  for (const store::CellRow& row : store.cells(plan.id)) state_->cells.push_back(looker.cell(row));
  add(store, plan);
}

JoinedStanding::~JoinedStanding() = default;
JoinedStanding::JoinedStanding(JoinedStanding&&) noexcept = default;

void JoinedStanding::add(const store::Store& store, const store::PlanRow& plan) {
  for (Cell& cell : state_->cells) {
    for (const store::TrialRow& trial : store.trials(plan.id, cell.cell))
      cell.values.emplace_back(trial.trial, cell.estimator.value(trial));
  }
  if (const auto share = stored_share(plan)) state_->plan.shares.push_back(*share);
}

PlanStanding JoinedStanding::standing() {
  PlanStanding standing = state_->plan;
  for (Cell& cell : state_->cells) {
    if (!standing.is_search || !cell.values.empty()) standing.cells.push_back(cell.standing());
  }
  return standing;
}

PlanStanding standing_of(const store::Store& store, const store::PlanRow& plan) {
  return JoinedStanding(store, plan).standing();
}

std::vector<int64_t> divisions_of(const PlanStanding& plan) {
  std::set<int64_t> divisions;
  for (const Share& share : plan.shares) divisions.insert(share.of);
  return {divisions.begin(), divisions.end()};
}

std::vector<OpenShare> open_shares(const PlanStanding& plan) {
  std::map<int64_t, std::set<int64_t>> seen;  // of each division
  for (const Share& share : plan.shares) seen[share.of].insert(share.index);
  if (seen.empty()) return {};
  const auto& [of, there] = *std::ranges::max_element(
      seen, {}, [](const auto& division) { return division.second.size(); });
  std::map<int64_t, int64_t> missing;  // of each share
  for (const CellStanding& cell : plan.cells) {
    for (const int64_t trial : cell.missing) ++missing[Share::index_of(cell.cell, trial, of)];
  }
  std::vector<OpenShare> open;
  for (const auto& [index, count] : missing)
    open.push_back({.share = {index, of}, .missing = count, .is_there = there.contains(index)});
  return open;
}

}  // namespace flatenn::campaign
