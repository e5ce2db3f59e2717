#include "flatenn/campaign/standing.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "campaign/cell_state.h"
#include "campaign/settings.h"
#include "flatenn/campaign/pilot.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

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

  CellStanding cell(const store::CellRow& row) const {
    const Estimator values = estimator(row);
    const int64_t images = pilot_ ? pilot_->images_per_trial : images_;
    CellState state(stop_rule_of(settings_, images, bound_of(row), values.golden_accuracy), values);
    for (const store::TrialRow& trial : store_.trials(plan_.id, row.cell)) state.add(trial);
    CellStanding standing{.cell = row.cell, .label = label_of(row), .stored = state.done()};
    standing.stop = state.decision().reason;
    standing.wanted = state.decision().wanted;
    standing.at_most = state.finished() ? state.decision().trials : bound_of(row);
    standing.missing = state.missing(std::numeric_limits<int64_t>::max());
    return standing;
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

int64_t PlanStanding::finished_cells() const {
  return sum_of(cells, [](const CellStanding& cell) { return cell.stop != StopReason::kRunning; });
}

int64_t PlanStanding::missing_of(const Share& share) const {
  return sum_of(cells, [&](const CellStanding& cell) {
    return std::count_if(cell.missing.begin(), cell.missing.end(),
                         [&](int64_t trial) { return share.holds(cell.cell, trial); });
  });
}

PlanStanding standing_of(const store::Store& store, const store::PlanRow& plan) {
  const Looker looker(store, plan);
  PlanStanding standing{.name = plan.name, .is_search = looker.is_search()};
  for (const store::CellRow& row : store.cells(plan.id)) {
    CellStanding cell = looker.cell(row);
    if (!standing.is_search || cell.stored > 0) standing.cells.push_back(std::move(cell));
  }
  standing.runs = store.runs(plan.id);
  return standing;
}

}  // namespace flatenn::campaign
