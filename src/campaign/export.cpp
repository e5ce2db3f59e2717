#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/csv_field.h"
#include "flatenn/campaign/results.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;

json interval_json(const Interval& interval) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return nullptr;
  return {interval.low, interval.high};
}

template <typename Value>
json optional_json(const std::optional<Value>& value) {
  return value ? json(*value) : json(nullptr);
}

json level_json(const Level& level) {
  json entry{{"label", level.label}};
  if (level.count) {
    entry["count"] = *level.count;
  } else {
    entry["rate"] = level.rate;
  }
  if (level.voltage) entry["voltage"] = *level.voltage;
  return entry;
}

json model_json(const ModelResult& model) {
  return {{"name", model.name},
          {"hash", model.hash},
          {"path", model.path},
          {"arm", model.arm()},
          {"training_seed", optional_json(model.training_seed())},
          {"golden_accuracy", model.golden_accuracy},
          {"golden_loss", model.golden_loss},
          {"weight_bits", model.weight_bits},
          {"metadata", model.metadata}};
}

/// NaN, which is null in JSON and nothing in CSV, where `count` trials tell nothing of it.
double told_by(int64_t count, double value, int64_t least = 1) {
  return count >= least ? value : std::numeric_limits<double>::quiet_NaN();
}

/// The class of maps that change nothing.
constexpr const char* kUntouched = "none";

json map_strata_json(const CellResult& cell) {
  json list = json::array();
  for (const MapStratumResult& stratum : cell.map_strata) {
    list.push_back({{"class", stratum.name},
                    {"bits", stratum.bits},
                    {"weight", stratum.weight},
                    {"trials", stratum.trials},
                    {"mean", told_by(stratum.trials, stratum.mean)},
                    {"sd", told_by(stratum.trials, stratum.sd, 2)},
                    {"yield", told_by(stratum.trials, stratum.yield)}});
  }
  return list;
}

json cell_json(const PlanResult& plan, const CellResult& cell) {
  const int64_t n = cell.accuracy.count;
  json entry = {
      {"model", plan.models[static_cast<size_t>(cell.model)].name},
      {"kind", plan.kinds[static_cast<size_t>(cell.kind)]},
      {"level", level_json(plan.levels[static_cast<size_t>(cell.level)])},
      {"stop", to_string(cell.stop)},
      {"trials", cell.trials()},
      {"surplus", cell.surplus},
      {"images", cell.images},
      {"mean", told_by(n, cell.accuracy.mean)},
      {"sd", told_by(n, cell.accuracy.sd, 2)},
      {"median", told_by(n, cell.accuracy.median)},
      {"min", told_by(n, cell.accuracy.min)},
      {"p5", told_by(n, cell.accuracy.p5)},
      {"skew", told_by(n, cell.accuracy.skew)},
      {"ci", interval_json(cell.ci)},
      {"skew_ci", cell.skew_ci ? interval_json(*cell.skew_ci) : json(nullptr)},
      {"bootstrap_ci", cell.bootstrap_ci ? interval_json(*cell.bootstrap_ci) : json(nullptr)},
      {"yield_accuracy", plan.yield_accuracy(cell.model)},
      {"yield", told_by(n, cell.yield)},
      {"yield_ci", interval_json(cell.yield_ci)},
      {"mean_loss", told_by(n, cell.mean_loss)},
      {"identical", told_by(n, cell.identical)},
      {"masked", told_by(n, cell.masked)},
      {"sdc1", told_by(n, cell.sdc1())},
      {"sdc1_right", told_by(n, cell.sdc1_right)},
      {"sdc1_wrong", told_by(n, cell.sdc1_wrong)},
      {"drawn", told_by(n, cell.drawn)},
      {"landed", told_by(n, cell.landed)},
      {"accuracies", cell.accuracies},
      {"reproduce", plan.reproduce_command(cell)}};
  if (cell.stratified()) {
    entry["untouched"] = cell.untouched;
    entry["map_strata"] = map_strata_json(cell);
    if (const std::string reason = cell.untold(); !reason.empty()) entry["untold"] = reason;
  }
  return entry;
}

json pair_json(const PlanResult& plan, const PairResult& pair) {
  return {{"model_a", plan.models[static_cast<size_t>(pair.model_a)].name},
          {"model_b", plan.models[static_cast<size_t>(pair.model_b)].name},
          {"kind", plan.kinds[static_cast<size_t>(pair.kind)]},
          {"level", level_json(plan.levels[static_cast<size_t>(pair.level)])},
          {"trials", pair.trials},
          {"difference", pair.difference},
          {"sd", told_by(pair.trials, pair.sd, 2)},
          {"skew", told_by(pair.trials, pair.skew)},
          {"ci", interval_json(pair.ci)},
          {"p_value", pair.p_value},
          {"holm_p_value", pair.holm_p_value}};
}

json tolerance_json(const PlanResult& plan, const ToleranceResult& tolerance) {
  return {{"model", plan.models[static_cast<size_t>(tolerance.model)].name},
          {"kind", plan.kinds[static_cast<size_t>(tolerance.kind)]},
          {"rate", tolerance.rate},
          {"ci", interval_json(tolerance.ci)},
          {"below", tolerance.below},
          {"low_below", tolerance.low_below},
          {"beyond", tolerance.beyond},
          {"high_beyond", tolerance.high_beyond}};
}

json stratum_json(const PlanResult& plan, const StratumResult& stratum) {
  return {{"model", plan.models[static_cast<size_t>(stratum.model)].name},
          {"kind", plan.kinds[static_cast<size_t>(stratum.kind)]},
          {"layer", stratum.layer_name},
          {"bit", stratum.bit < 0 ? json("all") : json(stratum.bit)},
          {"population", stratum.population},
          {"wanted", stratum.wanted},
          {"tried", stratum.tried},
          {"critical", stratum.critical},
          {"share", told_by(stratum.tried, stratum.share)},
          {"ci", interval_json(stratum.ci)},
          {"mean_sdc1", told_by(stratum.tried, stratum.mean_sdc1)},
          {"reproduce", plan.reproduce_command(stratum)}};
}

template <typename Items, typename Convert>
json list_json(const Items& items, Convert convert) {
  json list = json::array();
  for (const auto& item : items) list.push_back(convert(item));
  return list;
}

class CsvLine {
 public:
  template <typename Value>
  CsvLine& add(const Value& value) {
    if (!first_) text_ << ',';
    first_ = false;
    text_ << value;
    return *this;
  }
  CsvLine& add(double value) {
    return std::isfinite(value) ? add(json(value).dump()) : add(std::string());
  }
  CsvLine& add(const Interval& interval) { return add(interval.low).add(interval.high); }
  std::string line() const { return text_.str() + "\n"; }

 private:
  std::ostringstream text_;
  bool first_ = true;
};

std::string cell_line(const PlanResult& plan, const CellResult& cell) {
  const Level& level = plan.levels[static_cast<size_t>(cell.level)];
  const ModelResult& model = plan.models[static_cast<size_t>(cell.model)];
  CsvLine line;
  line.add(csv_field(plan.name)).add(csv_field(model.name));
  line.add(csv_field(plan.kinds[static_cast<size_t>(cell.kind)])).add(csv_field(level.label));
  line.add(level.count ? std::string() : json(level.rate).dump());
  line.add(level.count ? std::to_string(*level.count) : "");
  line.add(level.voltage ? json(*level.voltage).dump() : "");
  line.add(cell.trials()).add(cell.images).add(to_string(cell.stop));
  const int64_t n = cell.accuracy.count;
  line.add(model.golden_accuracy).add(told_by(n, cell.accuracy.mean));
  line.add(told_by(n, cell.accuracy.sd, 2)).add(told_by(n, cell.accuracy.median));
  line.add(told_by(n, cell.accuracy.min)).add(told_by(n, cell.accuracy.p5)).add(cell.ci);
  constexpr double kNone = NAN;
  line.add(cell.skew_ci.value_or(Interval{kNone, kNone}));
  line.add(cell.bootstrap_ci.value_or(Interval{kNone, kNone}));
  line.add(plan.yield_accuracy(cell.model)).add(told_by(n, cell.yield)).add(cell.yield_ci);
  for (const double value : {cell.mean_loss, cell.identical, cell.masked, cell.sdc1_right,
                             cell.sdc1_wrong, cell.drawn, cell.landed}) {
    line.add(told_by(n, value));
  }
  return line.line();
}

std::string stratum_line(const PlanResult& plan, const StratumResult& stratum) {
  CsvLine line;
  line.add(csv_field(plan.name))
      .add(csv_field(plan.models[static_cast<size_t>(stratum.model)].name));
  line.add(csv_field(plan.kinds[static_cast<size_t>(stratum.kind)]))
      .add(csv_field(stratum.layer_name));
  line.add(stratum.bit < 0 ? std::string("all") : std::to_string(stratum.bit));
  line.add(stratum.population).add(stratum.wanted).add(stratum.tried).add(stratum.critical);
  line.add(told_by(stratum.tried, stratum.share)).add(stratum.ci);
  line.add(told_by(stratum.tried, stratum.mean_sdc1));
  return line.line();
}

std::string map_strata_lines(const PlanResult& plan, const CellResult& cell) {
  std::string lines;
  const auto line_of = [&](const MapStratumResult& stratum) {
    CsvLine line;
    line.add(csv_field(plan.name))
        .add(csv_field(plan.models[static_cast<size_t>(cell.model)].name));
    line.add(csv_field(plan.kinds[static_cast<size_t>(cell.kind)]));
    line.add(csv_field(plan.levels[static_cast<size_t>(cell.level)].label));
    line.add(csv_field(stratum.name)).add(stratum.bits).add(stratum.weight).add(stratum.trials);
    line.add(told_by(stratum.trials, stratum.mean)).add(told_by(stratum.trials, stratum.sd, 2));
    return line.add(told_by(stratum.trials, stratum.yield)).line();
  };
  if (cell.stratified()) lines = line_of({.name = kUntouched, .weight = cell.untouched});
  for (const MapStratumResult& stratum : cell.map_strata) lines += line_of(stratum);
  return lines;
}

constexpr const char* kCellHeader =
    "plan,model,kind,level,rate,count,voltage,trials,images,stop,golden_accuracy,mean,sd,median,"
    "min,p5,ci_low,ci_high,skew_low,skew_high,bootstrap_low,bootstrap_high,yield_accuracy,yield,"
    "yield_low,yield_high,mean_loss,identical,masked,sdc1_right,sdc1_wrong,drawn,landed\n";
constexpr const char* kMapStratumHeader =
    "plan,model,kind,level,class,bits,weight,trials,mean,sd,yield\n";
constexpr const char* kStratumHeader =
    "plan,model,kind,layer,bit,population,wanted,tried,critical,share,ci_low,ci_high,mean_sdc1\n";

}  // namespace

json to_json(const PlanResult& plan) {
  return {
      {"plan", plan.name},
      {"fingerprint", plan.fingerprint},
      {"settings", json::parse(plan.settings_json)},
      {"version", plan.version},
      {"created", plan.created},
      {"finished", plan.finished},
      {"time_limited", plan.time_limited},
      {"share", plan.share ? json(plan.share->text()) : json(nullptr)},
      {"tolerated_drop", plan.tolerated_drop},
      {"search_within", optional_json(plan.search_within)},
      {"dataset",
       {{"name", plan.dataset}, {"hash", plan.dataset_hash}, {"images", plan.dataset_images}}},
      {"models", list_json(plan.models, model_json)},
      {"kinds", plan.kinds},
      {"levels", list_json(plan.levels, level_json)},
      {"cells", list_json(plan.cells, [&](const auto& cell) { return cell_json(plan, cell); })},
      {"pairs", list_json(plan.pairs, [&](const auto& pair) { return pair_json(plan, pair); })},
      {"tolerable_rates",
       list_json(plan.tolerances, [&](const auto& item) { return tolerance_json(plan, item); })},
      {"strata",
       list_json(plan.strata, [&](const auto& item) { return stratum_json(plan, item); })}};
}

std::string to_csv(const std::vector<PlanResult>& plans) {
  std::string cells;
  std::string map_strata;
  std::string strata;
  for (const PlanResult& plan : plans) {
    for (const CellResult& cell : plan.cells) {
      cells += cell_line(plan, cell);
      map_strata += map_strata_lines(plan, cell);
    }
    for (const StratumResult& stratum : plan.strata) strata += stratum_line(plan, stratum);
  }
  std::string text;
  const auto add = [&](const char* header, const std::string& lines) {
    if (!text.empty()) text += "\n";
    text += header;
    text += lines;
  };
  if (!cells.empty() || strata.empty()) add(kCellHeader, cells);
  if (!map_strata.empty()) add(kMapStratumHeader, map_strata);
  if (!strata.empty()) add(kStratumHeader, strata);
  return text;
}

}  // namespace flatenn::campaign
